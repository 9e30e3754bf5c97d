package storage

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/env"
)

// Suffixes of segment files that are not yet part of the log, as in Kafka.
const (
	cleanedSuffix = logSuffix + ".cleaned" // being written
	swapSuffix    = logSuffix + ".swap"    // whole, durable, and to take the place of others
)

// swapRange is the offsets [base, end) whose segments another one replaces. The
// zero value is none.
type swapRange struct{ base, end int64 }

// allowGaps lets the log have gaps from now on, durably: a scan after a crash
// would take the first for damage.
func (l *Log) allowGaps() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	l.gaps = true
	rp := l.recovery
	l.mu.Unlock()
	return l.aside(l.saveState(rp))
}

// rewriteSegments puts one segment in the place of those that begin with segment
// number from and end before number to: the batches of theirs that keep lets
// through, in order. They must be sealed and lie before the recovery point. It is
// what compaction does to a log, and a crash at any point of it leaves the log as
// it was or as it is to be:
//
//  1. The new segment is written aside as .cleaned and synced. Open removes it.
//  2. Which offsets it replaces, and that there may be gaps, is noted in
//     log-state.
//  3. It is renamed to .swap, durably. From here on Open finishes what follows.
//  4. The replaced segments but the first go, and the indexes.
//  5. It is renamed to .log, in the place of the first.
//  6. The note in log-state is taken back.
//
// maintenance is held. Errors after step 3 fence the log.
func (l *Log) rewriteSegments(from, to int, keep func(Batch) bool) error {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	old := slices.Clone(l.segments[from:to])
	end := l.segments[to].base
	rp, wasGaps := l.recovery, l.gaps
	l.mu.Unlock()
	if end > rp.segment {
		return &IOError{Op: "replace", File: old[0].name(), Position: -1, Err: errNotDurable}
	}

	fresh, err := l.writeCleaned(old, end, keep)
	if err != nil {
		return l.aside(err)
	}
	l.mu.Lock()
	l.gaps, l.swap = true, swapRange{old[0].base, end}
	l.mu.Unlock()
	if err := l.saveState(rp); err != nil {
		l.mu.Lock()
		l.gaps, l.swap = wasGaps, swapRange{}
		l.mu.Unlock()
		_ = fresh.file.Close()
		return l.aside(err)
	}
	if err := l.renameDurably(fresh, cleanedSuffix, swapSuffix); err != nil {
		_ = fresh.file.Close()
		return l.fenceFor(err)
	}

	l.mu.Lock()
	l.segments = slices.Replace(slices.Clone(l.segments), from, to, fresh)
	for _, seg := range old {
		l.size.Add(-seg.size)
	}
	l.size.Add(fresh.size)
	l.gen.Add(1)
	l.mu.Unlock()
	for _, seg := range old {
		if err := seg.file.Close(); err != nil {
			return l.fence("close", seg.name(), -1, err)
		}
	}
	if err := l.finishSwap(fresh, old[1:]); err != nil {
		return l.fenceFor(err)
	}
	l.mu.Lock()
	l.swap = swapRange{}
	l.mu.Unlock()
	if err := fresh.saveIndex(l.fs); err != nil {
		return l.aside(err)
	}
	return l.aside(l.saveState(rp))
}

// writeCleaned writes the segment that is to replace old, and the index of
// aborted transactions that goes with either.
func (l *Log) writeCleaned(old []*segment, end int64, keep func(Batch) bool) (*segment, error) {
	fresh := newSegment(l.dir, old[0].base, nil)
	name := fresh.path + cleanedSuffix
	f, err := l.fs.Create(name)
	if err != nil {
		return nil, &IOError{Op: "create", File: name, Position: -1, Err: err}
	}
	fresh.file = f
	fail := func(err error) (*segment, error) {
		_ = f.Close()
		_ = l.fs.Remove(name)
		return nil, err
	}
	for _, seg := range old {
		fresh.aborted = append(fresh.aborted, seg.aborted...)
		fresh.abortedSaved = fresh.abortedSaved || seg.abortedSaved
		r := seg.reader(0, -1, l.gaps)
		for {
			b, _, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return fail(err)
			}
			if !keep(b) {
				continue
			}
			if err := writeFull(f, b, fresh.size); err != nil {
				return fail(&IOError{Op: "write", File: name, Position: fresh.size, Err: err})
			}
			fresh.note(b, l.cfg.IndexIntervalBytes)
		}
	}
	fresh.next = end
	if err := f.Sync(); err != nil {
		return fail(&IOError{Op: "sync", File: name, Position: -1, Err: err})
	}
	if err := fresh.saveAborted(l.fs); err != nil {
		return fail(err)
	}
	return fresh, nil
}

// renameDurably renames the segment's log file from one suffix to another.
func (l *Log) renameDurably(seg *segment, from, to string) error {
	if err := l.fs.Rename(seg.path+from, seg.path+to); err != nil {
		return &IOError{Op: "rename to " + seg.path + to, File: seg.path + from, Position: -1, Err: err}
	}
	return l.syncDir()
}

// finishSwap does what is left once the segment that replaces others is a .swap:
// it can be done again from any point.
func (l *Log) finishSwap(fresh *segment, gone []*segment) error {
	for _, seg := range gone {
		if err := l.fs.Remove(seg.name()); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: seg.name(), Position: -1, Err: err}
		}
		if err := l.fs.Remove(seg.abortedName()); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: seg.abortedName(), Position: -1, Err: err}
		}
		if err := l.removeIndexFiles(seg); err != nil {
			return err
		}
	}
	if err := l.removeIndexFiles(fresh); err != nil {
		return err
	}
	if err := l.syncDir(); err != nil {
		return err
	}
	return l.renameDurably(fresh, swapSuffix, logSuffix)
}

// finishSwaps removes what was being written aside when the process ended, and
// finishes a replacement that had got to its .swap.
func (o *opener) finishSwaps(infos []env.FileInfo) error {
	for _, info := range infos {
		if strings.HasSuffix(info.Name, cleanedSuffix) {
			if err := o.remove(info.Name); err != nil {
				return err
			}
		}
		base, ok := parseBase(info.Name, swapSuffix)
		if !ok {
			continue
		}
		// The process that died may not have come to make the name durable.
		if err := o.syncDir(); err != nil {
			return err
		}
		fresh := newSegment(o.dir, base, nil)
		end := o.state.swap.end
		if o.state.swap.base != base || end == 0 {
			var err error
			if end, err = o.swapEnd(fresh); err != nil {
				return err
			}
		}
		var gone []*segment
		for _, other := range infos {
			if b, ok := parseBase(other.Name, logSuffix); ok && b > base && b < end {
				gone = append(gone, newSegment(o.dir, b, nil))
			}
		}
		if err := o.finishSwap(fresh, gone); err != nil {
			return err
		}
		o.changed, o.gaps = true, true
		o.rec.FinishedSwaps = append(o.rec.FinishedSwaps, path.Join(o.dir, info.Name))
	}
	return nil
}

// swapEnd is where a .swap of which log-state tells nothing ends: after its last
// batch. What it replaced behind that, if anything, stays beside it.
func (o *opener) swapEnd(fresh *segment) (int64, error) {
	name := fresh.path + swapSuffix
	f, err := o.fs.Open(name)
	if err != nil {
		return 0, &IOError{Op: "open", File: name, Position: -1, Err: err}
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Size()
	if err != nil {
		return 0, &IOError{Op: "size of", File: name, Position: -1, Err: err}
	}
	r := &batchReader{file: f, name: name, end: size, at: continuation{next: fresh.base, last: -1, epoch: -1, gaps: true}}
	for {
		if _, _, err := r.next(); err != nil {
			return r.at.next, nil //nolint:nilerr // what is damaged there its readers will be told of
		}
	}
}
