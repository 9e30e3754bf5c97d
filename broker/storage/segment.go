package storage

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/weirlab/weir/env"
)

const (
	logSuffix      = ".log"
	indexSuffix    = ".index"
	timeSuffix     = ".timeindex"
	abortedSuffix  = ".txnindex"
	snapshotSuffix = ".snapshot"
)

// segment is one file of batches, named after the first offset it may hold.
// The last segment of a log is active: it takes appends. The others are sealed.
type segment struct {
	path string // of the segment's files, without suffix
	log  string // of the log file
	base int64
	file env.File

	size  int64 // bytes of whole, valid batches
	next  int64 // offset after the last record
	dirty bool  // bytes have been written since the last sync
	index segmentIndex

	aborted      []AbortedTransaction // whose markers are in the segment
	abortedSaved bool                 // there is a file that lists some

	// indexVerified is set once the index was rebuilt from the batches
	// themselves, so that a later mismatch can only be the log's fault.
	indexVerified bool

	firstTimestamp int64 // of the first batch, ms since 1970, -1 if empty or unknown
}

func baseName(offset int64) string { return fmt.Sprintf("%020d", offset) }

// parseBase is the offset in a file name made by baseName and suffix.
func parseBase(name, suffix string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	return v, err == nil && v >= 0
}

func (s *segment) name() string      { return s.log }
func (s *segment) indexName() string { return s.path + indexSuffix }
func (s *segment) timeName() string  { return s.path + timeSuffix }

// abortedName is the file that lists the segment's aborted transactions.
func (s *segment) abortedName() string { return s.path + abortedSuffix }

func newSegment(dir string, base int64, file env.File) *segment {
	at := path.Join(dir, baseName(base))
	return &segment{path: at, log: at + logSuffix, base: base, next: base, file: file, index: newSegmentIndex(), firstTimestamp: -1}
}

// note takes a batch at the segment's end into account.
func (s *segment) note(b Batch, interval int64) {
	if s.size == 0 {
		s.firstTimestamp = b.beginsAt()
	}
	last := b.LastOffset()
	s.index.note(s.base, last, s.size, int64(len(b)), b.MaxTimestamp(), interval)
	s.size += int64(len(b))
	s.next = last + 1
}

// reader walks the segment's batches from byte pos, where the batch that ends
// with offset last begins. last is -1 at the segment's start.
func (s *segment) reader(pos, last int64, gaps bool) *batchReader {
	r := &batchReader{file: s.file, name: s.name(), pos: pos, end: s.size, at: s.place(pos, last, gaps)}
	return r
}

// place is what a batch at byte pos continues, as for reader.
func (s *segment) place(pos, last int64, gaps bool) continuation {
	at := unknownPlace(gaps)
	at.last = last
	if pos == 0 {
		at.next, at.last = s.base, -1
	}
	return at
}
