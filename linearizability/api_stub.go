package linearizability

import (
	"context"
	"time"
)

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

// AddFault tells the watcher of a fault; lossy ones excuse.
func (w *Watcher) AddFault(f Fault) { panic("unfinished") }

// Committed tells the watcher that everything below next must be committed.
func (w *Watcher) Committed(tp TopicPartition, next int64) { panic("unfinished") }

// Verdict is what was found so far.
func (w *Watcher) Verdict() Verdict { panic("unfinished") }
