package storage

import (
	"errors"
	"io"
	"path"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/env"
)

// Dumped is what Dump finds in a log's directory.
type Dumped struct {
	Dir          string
	LogStart     int64
	RecoveryFrom int64 // offset before which everything was known to be durable
	Epochs       []EpochStart
	StateProblem string // why the log-state file tells nothing, or ""
	Segments     []DumpedSegment
}

// DumpedSegment is one segment file.
type DumpedSegment struct {
	File       string
	BaseOffset int64
	SizeBytes  int64
	Batches    []DumpedBatch
	Problem    error // a *CorruptError where the walk had to end, or nil
}

// DumpedBatch is the header of one batch.
type DumpedBatch struct {
	Position               int64 // in its file
	SizeBytes              int64
	BaseOffset, LastOffset int64
	Records                int32
	LeaderEpoch            int32
	BaseTimestamp          int64 // ms since 1970
	MaxTimestamp           int64 // ms since 1970
	ProducerID             int64
	ProducerEpoch          int16
	BaseSequence           int32
	Compression            compression.Codec
	Transactional, Control bool
}

// Dump describes the log in dir without changing anything, so also one that is
// damaged or belongs to a running broker. Damage is reported in the result; an
// error means that files could not be read.
func Dump(fsys env.FS, dir string) (Dumped, error) {
	d := Dumped{Dir: path.Clean(dir)}
	statePath := path.Join(d.Dir, stateName)
	data, err := ReadFile(fsys, statePath)
	var state logState
	if err == nil {
		state, err = decodeState(statePath, data)
	}
	var corrupt *CorruptError
	switch {
	case err == nil:
		d.LogStart, d.RecoveryFrom, d.Epochs = state.logStart, state.recovery.offset, state.epochs
	case isMissing(err) || errors.As(err, &corrupt):
		d.StateProblem = err.Error()
	default:
		return d, err
	}
	infos, err := fsys.ReadDir(d.Dir)
	if err != nil {
		return d, &IOError{Op: "list", File: d.Dir, Position: -1, Err: err}
	}
	for _, info := range infos {
		base, ok := parseBase(info.Name, logSuffix)
		if !ok || info.IsDir {
			continue
		}
		seg, err := dumpSegment(fsys, path.Join(d.Dir, info.Name), base, state.gaps)
		if err != nil {
			return d, err
		}
		d.Segments = append(d.Segments, seg)
	}
	return d, nil
}

func dumpSegment(fsys env.FS, name string, base int64, gaps bool) (DumpedSegment, error) {
	out := DumpedSegment{File: name, BaseOffset: base}
	f, err := fsys.Open(name)
	if err != nil {
		return out, &IOError{Op: "open", File: name, Position: -1, Err: err}
	}
	defer func() { _ = f.Close() }() // only read
	if out.SizeBytes, err = f.Size(); err != nil {
		return out, &IOError{Op: "size of", File: name, Position: -1, Err: err}
	}
	r := &batchReader{file: f, name: name, end: out.SizeBytes, at: unknownPlace(gaps)}
	for {
		b, at, err := r.next()
		var corrupt *CorruptError
		switch {
		case err == io.EOF:
			return out, nil
		case errors.As(err, &corrupt):
			out.Problem = err
			return out, nil
		case err != nil:
			return out, err
		}
		out.Batches = append(out.Batches, DumpedBatch{
			Position: at, SizeBytes: int64(len(b)),
			BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset(), Records: b.NumRecords(),
			LeaderEpoch: b.LeaderEpoch(), BaseTimestamp: b.BaseTimestamp(), MaxTimestamp: b.MaxTimestamp(),
			ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence(),
			Compression: b.Compression(), Transactional: b.IsTransactional(), Control: b.IsControl(),
		})
	}
}
