package linearizability

import (
	"context"
	"io"
	"time"
)

// Log is a Recorder that keeps a history in memory and, if it has a writer,
// streams it there as JSON lines while it happens. It also takes the facts
// that the judge needs. Safe for concurrent use.
type Log struct{}

// NewLog returns an empty Log. w may be nil.
func NewLog(w io.Writer) *Log { panic("unfinished") }

func (l *Log) Invoke(op Op) int64               { panic("unfinished") }
func (l *Log) Complete(n int64, op Op)          { panic("unfinished") }
func (l *Log) AddTopic(t Topic)                 { panic("unfinished") }
func (l *Log) AddFault(f Fault)                 { panic("unfinished") }
func (l *Log) AddPartitionState(PartitionState) { panic("unfinished") }
func (l *Log) AddEpochStart(EpochStart)         { panic("unfinished") }
func (l *Log) AddHighWatermark(HighWatermark)   { panic("unfinished") }
func (l *Log) AddScan(Scan)                     { panic("unfinished") }

// Counts is how many operations have completed, by outcome.
func (l *Log) Counts() (ok, fail, info int64) { panic("unfinished") }

// Flush writes what is buffered and returns the first write error, if any.
func (l *Log) Flush() error { panic("unfinished") }

// History is what has been recorded. The Log must not be used afterwards.
func (l *Log) History() *History { panic("unfinished") }

// History is a whole run as its clients saw it, with the facts about faults,
// leadership and stored logs that the judge needs.
type History struct{}

// ReadHistory reads JSON lines as written by a Log. An error names the line.
func ReadHistory(r io.Reader) (*History, error) { panic("unfinished") }

// Options bound what Judge may spend and report.
type Options struct {
	// Budget is the wall time that Porcupine may use in total; what is not
	// proved by then is Unknown. 0 means 20 s.
	Budget time.Duration
	// MaxFindings caps findings per check and partition (the rest is counted).
	// 0 means 5.
	MaxFindings int
}

// Judge checks a history against what Kafka promises.
func Judge(ctx context.Context, h *History, o Options) Verdict { panic("unfinished") }

// Watcher checks the invariants K11 and K12 over pictures taken while a
// cluster runs. Not safe for concurrent use.
type Watcher struct{}

func NewWatcher(topics []Topic) *Watcher { panic("unfinished") }

// Observe checks one picture.
func (w *Watcher) Observe(v ClusterView) { panic("unfinished") }

// Lossy tells the watcher of a fault that lost or changed stored bytes.
func (w *Watcher) AddFault(f Fault) { panic("unfinished") }

// Verdict is what was found so far.
func (w *Watcher) Verdict() Verdict { panic("unfinished") }

// AppendPayload appends to dst a record value of exactly size bytes (at least
// MinPayload) that holds value and a checksum.
func AppendPayload(dst []byte, value int64, size int) []byte { panic("unfinished") }

// ParsePayload returns the value inside a record, or false if the bytes are
// not a payload or were changed.
func ParsePayload(b []byte) (int64, bool) { panic("unfinished") }

// MinPayload is the least size of a payload in bytes.
const MinPayload = 16

// DefiniteError says whether a Produce attempt that ended with this Kafka
// error code certainly appended nothing (SEMANTICS 2.2).
func DefiniteError(code int16) bool { panic("unfinished") }
