package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sort"

	"github.com/weirlab/weir/env"
)

// segmentIndex finds a place in a segment by offset and by timestamp. It is
// sparse, one entry per index interval, and lives in memory; the files beside
// a segment are written when it is sealed or the log closed. The index is only
// a hint: a reader checks that the batch it leads to is the one it names.
type segmentIndex struct {
	offsets []offsetEntry
	times   []timeEntry

	since        int64 // bytes since the last offset entry
	maxTimestamp int64 // largest timestamp in the segment, ms since 1970, -1 if none
	maxTsOffset  int64 // last offset of the first batch that has it
}

// offsetEntry says that the batch whose last record has offset base+rel starts
// at byte pos.
type offsetEntry struct{ rel, pos int32 }

// timeEntry says that no record up to offset base+rel has a timestamp above ts.
type timeEntry struct {
	ts  int64
	rel int32
}

const (
	offsetEntryBytes = 8
	timeEntryBytes   = 12
)

func newSegmentIndex() segmentIndex { return segmentIndex{maxTimestamp: -1} }

// note takes a batch of n bytes at position pos into account.
func (x *segmentIndex) note(base, last, pos, n, maxTimestamp, interval int64) {
	if maxTimestamp > x.maxTimestamp {
		x.maxTimestamp, x.maxTsOffset = maxTimestamp, last
	}
	if x.since >= interval {
		x.offsets = append(x.offsets, offsetEntry{rel: int32(last - base), pos: int32(pos)})
		x.noteTime(base)
		x.since = 0
	}
	x.since += n
}

// noteTime adds a time entry if the largest timestamp has grown.
func (x *segmentIndex) noteTime(base int64) {
	n := len(x.times)
	if x.maxTimestamp < 0 || n > 0 && x.times[n-1].ts >= x.maxTimestamp {
		return
	}
	x.times = append(x.times, timeEntry{ts: x.maxTimestamp, rel: int32(x.maxTsOffset - base)})
}

// position is where to start looking for offset: the start of a batch at or
// before the one that holds it. last is the last offset of the batch there, -1
// if the position is the segment's start.
func (x *segmentIndex) position(base, offset int64) (pos, last int64) {
	i := sort.Search(len(x.offsets), func(i int) bool { return base+int64(x.offsets[i].rel) > offset })
	if i == 0 {
		return 0, -1
	}
	e := x.offsets[i-1]
	return int64(e.pos), base + int64(e.rel)
}

// offsetBefore is an offset at or before the first record with a timestamp of
// at least ts.
func (x *segmentIndex) offsetBefore(base, ts int64) int64 {
	i := sort.Search(len(x.times), func(i int) bool { return x.times[i].ts >= ts })
	if i == 0 {
		return base
	}
	return base + int64(x.times[i-1].rel)
}

// truncate forgets entries for what lies at or behind byte pos and offset next.
// What the entries do not say is to be noted again from the returned position,
// where a batch begins that ends with offset last, -1 at the segment's start.
func (x *segmentIndex) truncate(base, pos, next int64) (noteFrom, last int64) {
	n := sort.Search(len(x.offsets), func(i int) bool { return int64(x.offsets[i].pos) >= pos })
	x.offsets = x.offsets[:n]
	t := sort.Search(len(x.times), func(i int) bool { return base+int64(x.times[i].rel) >= next })
	x.times = x.times[:t]
	x.since, x.maxTimestamp, x.maxTsOffset = 0, -1, 0
	if t > 0 {
		x.maxTimestamp, x.maxTsOffset = x.times[t-1].ts, base+int64(x.times[t-1].rel)
	}
	last = -1
	if n > 0 {
		noteFrom, last = int64(x.offsets[n-1].pos), base+int64(x.offsets[n-1].rel)
		x.offsets = x.offsets[:n-1]
		x.since = math.MaxInt64 / 2 // the batch there gets its entry back
	}
	return noteFrom, last
}

func (x *segmentIndex) encodeOffsets() []byte {
	buf := make([]byte, 0, len(x.offsets)*offsetEntryBytes)
	for _, e := range x.offsets {
		buf = binary.BigEndian.AppendUint32(buf, uint32(e.rel))
		buf = binary.BigEndian.AppendUint32(buf, uint32(e.pos))
	}
	return buf
}

func (x *segmentIndex) encodeTimes() []byte {
	buf := make([]byte, 0, len(x.times)*timeEntryBytes)
	for _, e := range x.times {
		buf = binary.BigEndian.AppendUint64(buf, uint64(e.ts))
		buf = binary.BigEndian.AppendUint32(buf, uint32(e.rel))
	}
	return buf
}

// saveIndex writes and syncs the segment's index files.
func (s *segment) saveIndex(fsys env.FS) error {
	s.index.noteTime(s.base)
	if err := replaceFile(fsys, s.indexName(), s.index.encodeOffsets()); err != nil {
		return err
	}
	if err := s.saveAborted(fsys); err != nil {
		return err
	}
	return replaceFile(fsys, s.timeName(), s.index.encodeTimes())
}

// replaceFile writes and syncs a file that a crash may leave in any state.
func replaceFile(fsys env.FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return &IOError{Op: "create", File: name, Position: -1, Err: err}
	}
	return writeSyncClose(f, data)
}

// loadIndex reads the index files for the segment's first size bytes and
// offsets below next. An index that cannot be right is a *CorruptError, a
// missing one answers to fs.ErrNotExist.
func (s *segment) loadIndex(fsys env.FS, size, next int64) error {
	x := newSegmentIndex()
	raw, err := readWhole(fsys, s.indexName())
	if err != nil {
		return err
	}
	bad := func(name string, at int, reason string) error {
		return &CorruptError{File: name, Position: int64(at), Reason: reason}
	}
	for at := 0; at < len(raw); at += offsetEntryBytes {
		if at+offsetEntryBytes > len(raw) {
			return bad(s.indexName(), at, "the file ends inside an entry")
		}
		e := offsetEntry{
			rel: int32(binary.BigEndian.Uint32(raw[at:])),
			pos: int32(binary.BigEndian.Uint32(raw[at+4:])),
		}
		if int64(e.pos) >= size {
			break
		}
		n := len(x.offsets)
		if e.rel < 0 || e.pos < HeaderBytes || s.base+int64(e.rel) >= next ||
			n > 0 && (e.rel <= x.offsets[n-1].rel || e.pos < x.offsets[n-1].pos+HeaderBytes) {
			return bad(s.indexName(), at, fmt.Sprintf("entry (offset %d, byte %d) does not fit", s.base+int64(e.rel), e.pos))
		}
		x.offsets = append(x.offsets, e)
	}

	if raw, err = readWhole(fsys, s.timeName()); err != nil {
		return err
	}
	for at := 0; at < len(raw); at += timeEntryBytes {
		if at+timeEntryBytes > len(raw) {
			return bad(s.timeName(), at, "the file ends inside an entry")
		}
		e := timeEntry{
			ts:  int64(binary.BigEndian.Uint64(raw[at:])),
			rel: int32(binary.BigEndian.Uint32(raw[at+8:])),
		}
		if e.rel >= 0 && s.base+int64(e.rel) >= next {
			break
		}
		n := len(x.times)
		if e.rel < 0 || n > 0 && (e.ts <= x.times[n-1].ts || e.rel <= x.times[n-1].rel) {
			return bad(s.timeName(), at, fmt.Sprintf("entry (time %d, offset %d) does not fit", e.ts, s.base+int64(e.rel)))
		}
		x.times = append(x.times, e)
		x.maxTimestamp, x.maxTsOffset = e.ts, s.base+int64(e.rel)
	}
	s.index = x
	return nil
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
