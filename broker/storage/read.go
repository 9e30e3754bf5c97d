package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/weirlab/weir/env"
)

// Read returns whole batches starting with the one that holds offset off and
// ending before upTo, at most maxBytes of them. With minOneBatch the first
// batch is returned even if it alone is larger. Nothing to return is no error;
// the first batch may begin below off. The bytes are the caller's. One call
// does not go beyond the end of a segment.
//
// Every batch returned has been verified: its checksum, its place in the
// sequence of offsets, and its leader epoch.
//
// Errors: *OffsetOutOfRangeError if off is not in [StartOffset, EndOffset],
// *CorruptError if the file does not hold what was written, *IOError.
func (l *Log) Read(off, upTo int64, maxBytes int32, minOneBatch bool) ([]byte, error) {
	return l.ReadInto(func(n int) []byte { return make([]byte, n) }, off, upTo, maxBytes, minOneBatch)
}

// ReadInto is Read into memory that lend gives, whatever is in it. It may ask
// for more than one buffer.
func (l *Log) ReadInto(lend func(n int) []byte, off, upTo int64, maxBytes int32, minOneBatch bool) ([]byte, error) {
	out, _, err := l.readInto(lend, off, upTo, maxBytes, minOneBatch)
	return out, err
}

// ReadCommittedInto is ReadInto for a reader of committed records, who may read
// up to the last stable offset. With the batches come the aborted transactions
// that have records among them. Both are what one log held at one time: a
// transaction whose records were read is not missing because retention or a
// cleaner has meanwhile taken the segment that tells of its end.
func (l *Log) ReadCommittedInto(lend func(n int) []byte, off, upTo int64, maxBytes int32, minOneBatch bool) ([]byte, []AbortedTransaction, error) {
	for {
		out, gen, err := l.readInto(lend, off, upTo, maxBytes, minOneBatch)
		if err != nil || len(out) == 0 {
			return nil, nil, err
		}
		end := off
		for b, err := range Batches(out) {
			if err == nil {
				end = b.NextOffset()
			}
		}
		// The log may lose segments between its records and its indexes.
		if d := l.lab.Late("storage/aborted-late", 20*time.Millisecond); d > 0 {
			l.env.Sleep(d)
		}
		l.mu.Lock()
		list, same := l.abortedTransactions(off, end), l.gen.Load() == gen
		l.mu.Unlock()
		if same {
			return out, list, nil
		}
	}
}

// readInto is ReadInto, and tells of which generation of the log's bytes that is.
func (l *Log) readInto(lend func(n int) []byte, off, upTo int64, maxBytes int32, minOneBatch bool) (_ []byte, gen uint64, _ error) {
	// Whoever reads takes what there is and reads on.
	maxBytes = int32(l.lab.Fewer("storage/read-short", int64(max(maxBytes, 0))))
	for rebuilt := false; ; {
		w, err := l.locate(off, upTo)
		if err != nil || w.file == nil {
			return nil, w.gen, err
		}
		w.maxBytes, w.minOneBatch = int64(maxBytes), minOneBatch
		// mu is let go: the log may be cut, rolled and trimmed under the reader.
		if d := l.lab.Late("storage/read-late", 20*time.Millisecond); d > 0 {
			l.env.Sleep(d)
		}
		out, err := w.read(lend)
		if l.gen.Load() != w.gen {
			continue // bytes were removed or replaced meanwhile
		}
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && !rebuilt {
			// Either the batches are damaged or the index led astray.
			rebuilt = true
			if l.rebuildIndex(w.segment) {
				continue
			}
		}
		if err == errGapAtEnd { //nolint:errorlint // never wrapped
			off = w.following
			continue
		}
		if err == nil {
			l.env.Work("storage.read", int64(len(out)))
		}
		return out, w.gen, err
	}
}

// errGapAtEnd says that the wanted offset lies in a gap that reaches to the end
// of its segment: the next batch is in the next one.
var errGapAtEnd = errors.New("nothing is left in the segment")

// window is a part of one segment to read, and what must be found there.
type window struct {
	file    env.File // nil: there is nothing to read
	name    string
	segment *segment
	gen     uint64

	pos       int64        // start of a batch at or before the wanted one
	at        continuation // what that batch must continue
	end       int64        // byte position where the readable batches end
	following int64        // base of the next segment, -1 if this is the last
	upToAtEnd bool         // the batch that holds upTo begins at end

	off, upTo   int64
	maxBytes    int64
	minOneBatch bool
	slack       int64 // bytes that may have to be skipped first
	epochs      []EpochStart
}

// locate finds where reading off has to begin.
func (l *Log) locate(off, upTo int64) (window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start, end := l.start.Load(), l.end.Load()
	if off < start || off > end {
		return window{}, &OffsetOutOfRangeError{Dir: l.Dir(), Offset: off, Start: start, End: end}
	}
	if l.closed {
		return window{}, l.closedError()
	}
	upTo = min(upTo, end)
	if off >= upTo {
		return window{}, nil
	}
	seg := l.segmentFor(off)
	w := window{
		file: seg.file, name: seg.name(), segment: seg, gen: l.gen.Load(),
		end: seg.size, following: -1, off: off, upTo: upTo, epochs: l.epochs.entries,
	}
	if seg == l.active() {
		if r, ok := l.recent.find(off); ok {
			w.pos, w.at = r.pos, unknownPlace(l.gaps)
			w.at.next = r.base
			if r, ok := l.recent.find(upTo); ok {
				w.end, w.upToAtEnd = r.pos, true // that batch is not to be read
			}
			return w, nil
		}
	}
	pos, last := seg.index.position(seg.base, off)
	w.pos, w.at = pos, seg.place(pos, last, l.gaps)
	if i := slices.Index(l.segments, seg); i+1 < len(l.segments) {
		w.following = l.segments[i+1].base
	}
	w.slack = l.cfg.IndexIntervalBytes
	return w, nil
}

// segmentFor is the segment that holds off, the active one for the end offset.
// mu is held.
func (l *Log) segmentFor(off int64) *segment {
	n := len(l.segments)
	if l.segments[n-1].base <= off {
		return l.segments[n-1]
	}
	i := sort.Search(n, func(i int) bool { return l.segments[i].base > off })
	return l.segments[max(i-1, 0)]
}

// read returns the verified batches of the window.
func (w *window) read(lend func(n int) []byte) ([]byte, error) {
	want := w.maxBytes + w.slack
	for {
		buf := lend(int(min(max(want, HeaderBytes), w.end-w.pos)))
		if err := readFull(w.file, buf, w.pos); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, w.corrupt(w.pos, "the file ends before the segment does")
			}
			return nil, &IOError{Op: "read", File: w.name, Position: w.pos, Err: err}
		}
		out, missing, err := w.collect(buf)
		if err != nil || missing == 0 {
			return out, err
		}
		// The wanted batch begins at w.pos now but is not in buf as a whole.
		want = max(w.maxBytes, missing)
	}
}

// collect cuts the wanted batches out of buf, which begins at w.pos. If none
// is there as a whole, it moves w.pos to the next one to look at and returns
// how many bytes of it are needed.
func (w *window) collect(buf []byte) (out []byte, missing int64, err error) {
	at, first := 0, -1
	for at < len(buf) {
		pos := w.pos + int64(at)
		rest := buf[at:]
		if len(rest) < HeaderBytes {
			if w.end-pos < HeaderBytes {
				return nil, 0, w.corrupt(pos, fmt.Sprintf("the segment ends %d bytes into a batch header", w.end-pos))
			}
			missing = HeaderBytes
			break
		}
		b := Batch(rest)
		size := b.SizeBytes()
		if err := w.verifyHeader(b, size, pos); err != nil {
			return nil, 0, err
		}
		if first < 0 && size > w.maxBytes && !w.minOneBatch && b.LastOffset() >= w.off {
			break // not one batch fits
		}
		if size > int64(len(rest)) {
			missing = size
			break
		}
		if first >= 0 && int64(at)+size-int64(first) > w.maxBytes {
			break
		}
		// Also where the batch is only to be skipped, or ends the reading: its
		// last offset is believed once the checksum is right.
		b = b[:size]
		if err := b.Verify(); err != nil {
			return nil, 0, w.corrupt(pos, err.Error())
		}
		if b.LastOffset() >= w.upTo {
			break
		}
		if first < 0 && b.LastOffset() >= w.off {
			first = at
		}
		w.at.take(b)
		at += int(size)
	}
	if first >= 0 {
		return buf[first:at:at], 0, nil
	}
	w.pos += int64(at)
	if missing == 0 && at == len(buf) {
		switch {
		case w.pos < w.end:
			missing = HeaderBytes
		case w.at.gaps && w.following >= 0:
			return nil, 0, errGapAtEnd
		case !w.upToAtEnd:
			return nil, 0, w.corrupt(w.pos, fmt.Sprintf("the segment ends before offset %d", w.off))
		}
	}
	return nil, missing, nil
}

// verifyHeader checks what the checksum does not cover against what is known
// from elsewhere: offset, leader epoch, size.
func (w *window) verifyHeader(b Batch, size, pos int64) error {
	if size < HeaderBytes || size > w.end-pos {
		return w.corrupt(pos, fmt.Sprintf("the batch claims %d bytes, %d are left", size, w.end-pos))
	}
	if err := b.verifyHeader(); err != nil {
		return w.corrupt(pos, err.Error())
	}
	if problem := w.at.misfit(b); problem != "" {
		return w.corrupt(pos, problem)
	}
	if want := epochAt(w.epochs, b.BaseOffset()); want >= 0 && b.LeaderEpoch() != want {
		return w.corrupt(pos, fmt.Sprintf("the batch at offset %d has leader epoch %d, want %d",
			b.BaseOffset(), b.LeaderEpoch(), want))
	}
	return nil
}

func (w *window) corrupt(pos int64, reason string) error {
	return &CorruptError{File: w.name, Position: pos, Reason: reason}
}

// rebuildIndex makes a sealed segment's index anew from its batches and
// reports whether it did: not if it was done before or a batch is damaged.
func (l *Log) rebuildIndex(seg *segment) bool {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	known := !seg.indexVerified && !l.closed && l.segmentFor(seg.base) == seg
	seg.indexVerified = true
	r, interval := seg.reader(0, -1, l.gaps), l.cfg.IndexIntervalBytes
	l.mu.Unlock()
	if !known {
		return false
	}
	x := newSegmentIndex()
	for {
		b, pos, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return false
		}
		x.note(seg.base, b.LastOffset(), pos, int64(len(b)), b.MaxTimestamp(), interval)
	}
	x.noteTime(seg.base)
	l.mu.Lock()
	if seg != l.active() {
		seg.index = x
	}
	l.mu.Unlock()
	l.env.Event("log-index-rebuilt", env.Text("file", seg.indexName()))
	return true
}
