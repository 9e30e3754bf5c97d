package workloads

import (
	"slices"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
)

// triggers lets faults wait for events: those that change a partition's
// committed state, which the director reports, and those that brokers tell of.
type triggers struct {
	e    env.Env
	soon func(fn func()) // see target.Cluster.Soon

	mu     sync.Mutex // never held while a task waits
	states map[string]linearizability.PartitionState
	armed  map[faults.Trigger]*armed // by event and what it is of
}

// armed is an event that faults wait for.
type armed struct {
	came   env.Signal
	told   bool // that it came; came is set soon
	broker int  // that it is about
}

func newTriggers(e env.Env, soon func(func())) *triggers {
	return &triggers{e: e, soon: soon, states: map[string]linearizability.PartitionState{}, armed: map[faults.Trigger]*armed{}}
}

// await waits for the event of on, at most for TriggerPatience and until heal
// is set. It returns the broker that the event is about.
func (t *triggers) await(on faults.Trigger, heal env.Signal) (broker int, came bool) {
	on.Delay = 0
	t.mu.Lock()
	a := t.armed[on]
	if a == nil {
		a = &armed{came: t.e.NewSignal()}
		t.armed[on] = a
	}
	t.mu.Unlock()
	for end := t.e.Now() + faults.TriggerPatience; t.e.Now() < end; {
		if heal.IsSet() {
			return 0, false
		}
		if a.came.Wait(20 * time.Millisecond) {
			return a.broker, true
		}
	}
	return 0, false
}

// meet takes the event that has come off the list, nil if nobody waits for it.
func (t *triggers) meet(o faults.Occurrence) *armed {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := faults.Trigger{Event: o.Event, Of: o.Of}
	a := t.armed[key]
	if a == nil || a.told {
		return nil
	}
	a.told, a.broker = true, o.Broker
	delete(t.armed, key)
	return a
}

// happened hears of an event from a broker's own task, which must not be kept.
func (t *triggers) happened(o faults.Occurrence) {
	if a := t.meet(o); a != nil {
		t.soon(a.came.Set)
	}
}

// observe takes note of the partitions' committed states. The director calls it
// from its own task at every change.
func (t *triggers) observe(states []linearizability.PartitionState) {
	for _, p := range states {
		name := partitionName(p)
		before, known := t.states[name]
		if known && before.PartitionEpoch == p.PartitionEpoch && before.LeaderEpoch == p.LeaderEpoch {
			continue
		}
		leader := p.Leader
		if leader < 0 {
			p.Leader = before.Leader // whose successor is awaited
		}
		if !known && leader < 0 {
			continue
		}
		t.states[name] = p
		if !known {
			continue
		}
		if leader >= 0 && leader != before.Leader {
			t.committed(faults.Election, name, leader)
		}
		for _, id := range p.ISR {
			if !slices.Contains(before.ISR, id) {
				t.committed(faults.ISRExpansion, name, id)
			}
		}
		for _, id := range before.ISR {
			if !slices.Contains(p.ISR, id) {
				t.committed(faults.ISRShrink, name, id)
			}
		}
	}
}

// committed is an event that the metadata tells of.
func (t *triggers) committed(event faults.Event, of string, about int32) {
	if a := t.meet(faults.Occurrence{Event: event, Of: of, Broker: int(about) - 1}); a != nil {
		a.came.Set()
	}
}
