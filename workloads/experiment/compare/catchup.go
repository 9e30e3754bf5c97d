package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// CatchUp is how fast a broker of an instance type was seen to fetch what it
// had missed, with nothing to wait for but the other brokers: the load is over
// by then, what it fetches is in their memory, and what it writes fits into
// its own.
type CatchUp struct {
	Instance       string        `json:"instance"`
	Bytes          int64         `json:"bytes"` // of record values
	Took           time.Duration `json:"took"`  // from its first fetch until every replica was in sync
	BytesPerSecond int64         `json:"bytes_per_s"`

	Simulated time.Duration `json:"-"`
}

// Of the simulation: how much is written while the broker is down, and how
// fast, at most.
const (
	missedBytes = 400_000_000
	missedRate  = 100_000_000
)

// catchUp simulates the return of a broker.
func (p Plan) catchUp(ctx context.Context, c Configuration) (*CatchUp, error) {
	s := p.scenario(c, trial{name: "catch-up", load: missedRate, window: missedBytes*time.Second/missedRate - warmUp})
	lost := fmt.Sprintf("broker-%d", p.Brokers)
	s.Load.Consumers.Count = scenario.Number{}
	s.Faults = scenario.Faults{Plan: faults.Plan{{Kind: faults.Crash, At: 0, For: s.Load.Duration.Value(), Node: faults.Target(lost)}}}
	s.Cluster.Properties["broker.session.timeout.ms"] = "1000"
	s.Cluster.Properties["broker.heartbeat.interval.ms"] = "250"

	m, err := p.profile(c, false)
	if err != nil {
		return nil, err
	}
	watch := &returning{node: lost, id: int32(p.Brokers), isr: map[int32][]int32{}}
	out, err := workloads.RunSim(ctx, workloads.Options{Scenario: s, Sink: watch, Brief: true, Machine: m})
	if err != nil {
		return nil, err
	}
	if !out.Complete || len(out.Verdict.Findings) > 0 {
		why := out.Interrupted
		for _, f := range out.Verdict.Findings {
			why = f.Sentence
		}
		return nil, fmt.Errorf("compare: %v: a broker that was away did not catch up: %s", c, why)
	}
	u := &CatchUp{
		Instance: c.Instance, Bytes: out.Acked * p.RecordBytes * int64(p.ReplicationFactor) / int64(p.Brokers),
		Took: watch.inSync - watch.fetches, Simulated: out.ClusterTime,
	}
	if watch.fetches == 0 || u.Took <= 0 || u.Bytes == 0 {
		return nil, errors.New("compare: the simulation of a broker's return did not show when it was in sync again")
	}
	u.BytesPerSecond = int64(float64(u.Bytes) / u.Took.Seconds())
	return u, nil
}

// returning watches a broker come back.
type returning struct {
	node string
	id   int32

	mu      sync.Mutex
	fetches time.Duration // when it first followed a leader after its fault
	healed  bool
	inSync  time.Duration // when the last ISR took it in
	isr     map[int32][]int32
}

// Event implements workloads.Sink.
func (w *returning) Event(node string, at time.Duration, name string, _ []env.Attr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case name == "fault-ends":
		w.healed = true
	case node == w.node && name == "follower" && w.healed && w.fetches == 0:
		w.fetches = at
	}
}

// PartitionState implements workloads.Sink.
func (w *returning) PartitionState(s linearizability.PartitionState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := slices.Contains(w.isr[s.Partition], w.id)
	w.isr[s.Partition] = s.ISR
	if w.fetches > 0 && !was && slices.Contains(s.ISR, w.id) {
		w.inSync = max(w.inSync, s.Time)
	}
}

// Latency implements workloads.Sink.
func (w *returning) Latency(string, time.Duration, time.Duration, int64) {}

// Row implements workloads.Sink.
func (w *returning) Row(time.Duration, workloads.Row) {}
