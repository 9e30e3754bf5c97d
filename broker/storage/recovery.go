package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/env"
)

// Recovery says what Open found.
type Recovery struct {
	Dir             string
	StateProblem    string // why the log-state file was not used, or ""
	BatchesChecked  int64
	BytesChecked    int64
	TruncatedFile   string // segment whose tail was cut off, or ""
	TruncatedAt     int64  // byte position of the cut
	TruncatedBytes  int64  // bytes cut off, those of removed segments included
	TruncatedReason string // what was wrong at the cut
	RemovedFiles    []string
	FinishedSwaps   []string // replacements of segments that were under way and are done now
	IndexesRebuilt  int
	Producers       int // how many producer IDs are known

	// Offsets known to have been durable that are gone: [LostSyncedFrom,
	// LostSyncedTo). Both 0 unless the disk broke its promise or files were
	// taken away.
	LostSyncedFrom, LostSyncedTo int64
}

// Damaged reports whether the log is not what a clean stop would have left.
func (r *Recovery) Damaged() bool {
	return r.StateProblem != "" || r.TruncatedFile != "" || len(r.RemovedFiles) > 0 || r.LostSyncedTo > 0
}

// String is one line for people.
func (r *Recovery) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "log %s: checked %d batches (%d bytes)", r.Dir, r.BatchesChecked, r.BytesChecked)
	if r.StateProblem != "" {
		fmt.Fprintf(&s, "; scanned in full as %s", r.StateProblem)
	}
	if r.TruncatedFile != "" {
		fmt.Fprintf(&s, "; cut %d bytes off from byte %d of %s: %s",
			r.TruncatedBytes, r.TruncatedAt, r.TruncatedFile, r.TruncatedReason)
	}
	if len(r.RemovedFiles) > 0 {
		fmt.Fprintf(&s, "; removed %s", strings.Join(r.RemovedFiles, ", "))
	}
	if r.LostSyncedTo > 0 {
		fmt.Fprintf(&s, "; offsets %d to %d had been durable and are gone", r.LostSyncedFrom, r.LostSyncedTo-1)
	}
	return s.String()
}

// opener is a log being opened.
type opener struct {
	*Log
	rec     Recovery
	state   logState
	trusted bool               // state could be read and its recovery point exists
	changed bool               // names in dir have changed
	byKafka bool               // Apache Kafka has written the directory
	proven  map[*segment]int64 // up to where a segment was known to be durable; elsewhere all of it
	found   []int64            // size of each segment file; segment.size is what is accepted of it

	unsavedIndexes []*segment
	abortedUnknown bool // an index of aborted transactions is damaged
}

// Open opens the log in dir, creating an empty one if there is none. After a
// crash it scans what was not known to be durable, cuts the log off at the
// first batch that is not valid, and rebuilds indexes, leader epochs and
// producer state. What it found is in the Recovery, also if opening fails.
// Everything the opened log holds is durable.
//
// Damage in the part that was known to be durable is not looked for: it is
// found, and refused, when it is read.
func Open(e env.Env, dir string, cfg Config) (*Log, Recovery, error) {
	o := &opener{Log: &Log{env: e, lab: e.Lab(), fs: e.FS(), cfg: cfg.withDefaults()}}
	dir = path.Clean(dir)
	o.at.Store(&dir)
	o.rec.Dir = dir
	o.maintenance, o.cleaning = e.NewMutex(), e.NewMutex()
	o.mu, o.over = e.NewMutex(), e.NewSignal()
	o.onFailed, o.onRoll, o.onFirstAppend = cfg.OnFailed, cfg.OnRoll, cfg.OnFirstAppend
	o.producers = newProducerTable()
	o.maintenance.Lock()
	defer o.maintenance.Unlock()
	if err := o.open(); err != nil {
		_ = o.closeFiles()
		return nil, o.rec, err
	}
	o.tellLab()
	if o.rec.Damaged() {
		e.Event("log-recovered", env.Text("dir", o.Dir()), env.Int("end", o.next),
			env.Int("truncated_bytes", o.rec.TruncatedBytes), env.Int("lost_synced", o.rec.LostSyncedTo-o.rec.LostSyncedFrom))
	}
	return o.Log, o.rec, nil
}

func (o *opener) open() error {
	if err := o.fs.MkdirAll(o.Dir()); err != nil {
		return &IOError{Op: "create directory", File: o.Dir(), Position: -1, Err: err}
	}
	if err := o.readState(); err != nil {
		return err
	}
	bases, err := o.listSegments()
	if err != nil {
		return err
	}
	if err := o.openSegments(bases); err != nil {
		return err
	}
	if len(o.segments) == 0 {
		if err := syncParents(o.fs, o.Dir()); err != nil {
			return err
		}
		seg, err := createSegment(o.fs, o.Dir(), o.state.logStart)
		if err != nil {
			return err
		}
		o.segments, o.found = append(o.segments, seg), append(o.found, 0)
	}
	o.dirDirty = !o.trusted
	if err := o.scan(); err != nil {
		return err
	}
	return o.finish()
}

// syncParents makes dir and its parents durable, each in its own parent. That
// a directory is there does not mean that it would survive a loss of power:
// whoever made it, the caller or a process that crashed, may not have come to
// sync it. A directory with a segment in it has been through here.
func syncParents(fsys env.FS, dir string) error {
	for d := dir; d != "." && d != "/"; d = path.Dir(d) {
		if err := fsys.SyncDir(path.Dir(d)); err != nil {
			return &IOError{Op: opSyncDir, File: path.Dir(d), Position: -1, Err: err}
		}
	}
	return nil
}

// readState reads the log-state file. A log has none before its first segment
// is sealed or it is closed.
func (o *opener) readState() error {
	data, err := ReadFile(o.fs, o.statePath())
	if err == nil {
		o.state, err = decodeState(o.statePath(), data)
	}
	var corrupt *CorruptError
	switch {
	case err == nil:
		o.trusted, o.gaps = true, o.state.gaps
	case errors.As(err, &corrupt):
		o.rec.StateProblem = err.Error()
		o.state = logState{}
	case !isMissing(err):
		return err
	}
	return nil
}

// kafkasMetadata is a file that Apache Kafka leaves in the directory of a partition.
const kafkasMetadata = "partition.metadata"

// listSegments returns the base offsets of the segments, ascending, and removes
// what an interrupted write or removal left behind.
func (o *opener) listSegments() ([]int64, error) {
	infos, err := o.fs.ReadDir(o.Dir())
	if err != nil {
		return nil, &IOError{Op: "list", File: o.Dir(), Position: -1, Err: err}
	}
	if err := o.finishSwaps(infos); err != nil {
		return nil, err
	}
	if len(o.rec.FinishedSwaps) > 0 {
		if infos, err = o.fs.ReadDir(o.Dir()); err != nil {
			return nil, &IOError{Op: "list", File: o.Dir(), Position: -1, Err: err}
		}
	}
	var bases []int64
	for _, info := range infos {
		if base, ok := parseBase(info.Name, logSuffix); ok && !info.IsDir {
			bases = append(bases, base)
		}
		o.byKafka = o.byKafka || info.Name == kafkasMetadata
		if info.Name == stateName+tmpSuffix || strings.HasSuffix(info.Name, snapshotSuffix+tmpSuffix) || strings.HasSuffix(info.Name, abortedSuffix+tmpSuffix) {
			if err := o.remove(info.Name); err != nil {
				return nil, err
			}
		}
	}
	for len(bases) > 1 && bases[1] <= o.state.logStart {
		// Their removal was not durable when power was lost.
		if err := o.remove(baseName(bases[0]) + logSuffix); err != nil {
			return nil, err
		}
		bases = bases[1:]
	}
	for _, info := range infos {
		for _, suffix := range []string{indexSuffix, timeSuffix, abortedSuffix} {
			if base, ok := parseBase(info.Name, suffix); ok && !slices.Contains(bases, base) {
				if err := o.remove(info.Name); err != nil {
					return nil, err
				}
			}
		}
	}
	return bases, nil
}

func (o *opener) remove(base string) error {
	name := path.Join(o.Dir(), base)
	if err := o.fs.Remove(name); err != nil && !isMissing(err) {
		return &IOError{Op: "remove", File: name, Position: -1, Err: err}
	}
	o.changed = true
	return nil
}

// openSegments opens the segment files and decides from where to scan.
func (o *opener) openSegments(bases []int64) error {
	for _, base := range bases {
		seg := newSegment(o.Dir(), base, nil)
		f, err := o.fs.Open(seg.name())
		if err != nil {
			return &IOError{Op: "open", File: seg.name(), Position: -1, Err: err}
		}
		seg.file = f
		o.segments = append(o.segments, seg)
		size, err := f.Size()
		if err != nil {
			return &IOError{Op: "size of", File: seg.name(), Position: -1, Err: err}
		}
		o.found = append(o.found, size)
	}
	if !o.trusted {
		if len(o.segments) > 0 {
			o.state.logStart = o.segments[0].base
			// Rather keep what may be whole: segments that Apache Kafka has cleaned
			// come without a log-state too, and it may have cleaned them while the
			// policy was another one.
			o.gaps = o.byKafka || o.cfg.CleanupPolicy&CleanupCompact != 0
		}
		return nil
	}
	rp := o.state.recovery
	i := slices.IndexFunc(o.segments, func(s *segment) bool { return s.base == rp.segment })
	switch {
	case len(o.segments) == 0:
		o.distrust(fmt.Sprintf("there is no segment in %s", o.Dir()))
	case i < 0:
		o.distrust(fmt.Sprintf("segment %s%s, which holds the recovery point, is missing", baseName(rp.segment), logSuffix))
	case o.found[i] < rp.position:
		o.distrust(fmt.Sprintf("%s has %d bytes, %d were known to be durable",
			o.segments[i].name(), o.found[i], rp.position))
	}
	return nil
}

func (o *opener) distrust(problem string) {
	o.trusted = false
	if o.state.recovery.offset > o.state.logStart {
		o.rec.StateProblem = problem
	}
	if start := o.state.logStart; len(o.segments) > 0 && o.segments[0].base > start {
		o.state.logStart = o.segments[0].base
		if o.state.recovery.offset > start {
			o.rec.LostSyncedFrom, o.rec.LostSyncedTo = start, o.segments[0].base
		}
	}
}
