package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/target"
)

// patience of the injector with targets that do not exist at the moment, such
// as the leader of a partition between two leaders.
const (
	targetPatience = 5 * time.Second
	targetPoll     = 5 * time.Millisecond
)

// injector carries out a fault plan: one task per fault, which waits for its
// time, finds its target, strikes, and ends the fault when its time is over or
// when everything is to heal.
type injector struct {
	e        env.Env
	cluster  target.Cluster
	tell     func(linearizability.Fault, bool) // a fault begins (true) or has ended (false)
	topology faults.Topology
	on       *triggers
	origin   time.Duration
	heal     env.Signal
	tasks    []env.Task

	mu     env.Mutex
	done   []linearizability.Fault
	missed []string // faults that did not happen, and why
}

func newInjector(e env.Env, c target.Cluster, t faults.Topology, on *triggers, tell func(linearizability.Fault, bool)) *injector {
	return &injector{e: e, cluster: c, topology: t, on: on, tell: tell, heal: e.NewSignal(), mu: e.NewMutex()}
}

// start begins the plan; its times count from origin.
func (i *injector) start(plan faults.Plan, origin time.Duration) {
	i.origin = origin
	for n, f := range plan {
		i.tasks = append(i.tasks, i.e.Go(fmt.Sprintf("fault-%d", n), func() { i.carryOut(f) }))
	}
}

// stop ends every fault and waits until all have ended.
func (i *injector) stop() {
	i.heal.Set()
	for _, t := range i.tasks {
		t.Wait()
	}
}

// results are the faults that happened, in order of their beginning, and those
// that did not.
func (i *injector) results() ([]linearizability.Fault, []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	slices.SortStableFunc(i.done, func(a, b linearizability.Fault) int { return int(min(1, max(-1, a.Start-b.Start))) })
	return i.done, i.missed
}

func (i *injector) carryOut(f faults.Fault) {
	if i.heal.Wait(i.origin + f.At - i.e.Now()) {
		i.miss(f, "everything healed before its time came")
		return
	}
	it := -1
	if on := f.After; !on.IsZero() {
		if !i.cluster.Tells(on.Event) {
			i.miss(f, fmt.Sprintf("%s does not tell of a %s", i.cluster.TargetName(), on.Event))
			return
		}
		var came bool
		if it, came = i.on.await(on, i.heal); !came {
			i.miss(f, fmt.Sprintf("there was no %s of %s", on.Event, on.Of))
			return
		}
		if on.Delay > 0 && i.heal.Wait(on.Delay) {
			i.miss(f, "everything healed before its delay was over")
			return
		}
	}
	h, err := i.aim(f, it)
	if err != nil {
		i.miss(f, err.Error())
		return
	}
	record := linearizability.Fault{Kind: linearizability.FaultKind(f.Kind), Brokers: nodeIDs(h), Start: i.e.Now(), Detail: f.Describe(h, target.BrokerName)}
	s, err := f.Strike(i.e, i.cluster, h)
	if err != nil {
		i.miss(f, err.Error())
		return
	}
	record.Lossy, record.Broken = s.Lossy, s.Broken
	record.Recovered, record.Exact = i.cluster.Lost(record.Brokers)
	if s.Detail != "" {
		record.Detail += "; " + s.Detail
	}
	i.tell(record, true)
	i.heal.Wait(f.For)
	record.Effect = s.Undo(i.e)
	record.Idle = s.Idle
	record.End = i.e.Now()
	i.tell(record, false)

	i.mu.Lock()
	defer i.mu.Unlock()
	i.done = append(i.done, record)
}

func (i *injector) miss(f faults.Fault, why string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.missed = append(i.missed, fmt.Sprintf("%s did not happen: %s", f, why))
}

// aim finds the brokers that f's targets name at this moment; it is the broker
// that the event is about which f has waited for.
func (i *injector) aim(f faults.Fault, it int) (h faults.Hit, err error) {
	if f.Node != "" {
		h.Nodes, err = i.find(f.Node.Each(), it)
		return h, err
	}
	if h.Between, err = i.find(f.Between, it); err != nil {
		return h, err
	}
	and, err := i.find(f.And, it)
	if err != nil {
		return h, err
	}
	for _, b := range and {
		if !slices.Contains(h.Between, b) { // a broker always reaches itself
			h.And = append(h.And, b)
		}
	}
	if len(h.Between) > 0 && len(h.And) == 0 {
		return h, fmt.Errorf("both sides turned out to be the same broker")
	}
	return h, nil
}

// find waits a while for targets to exist.
func (i *injector) find(targets []faults.Target, it int) ([]int, error) {
	var all []int
	for _, t := range targets {
		for end := i.e.Now() + targetPatience; ; {
			found := i.lookUp(t, it)
			for _, b := range found {
				if !slices.Contains(all, b) {
					all = append(all, b)
				}
			}
			if len(found) > 0 {
				break
			}
			if i.e.Now() >= end || i.heal.Wait(targetPoll) {
				return nil, fmt.Errorf("there was no %s", t)
			}
		}
	}
	return all, nil
}

// lookUp finds the brokers that a target names now, if any.
func (i *injector) lookUp(t faults.Target, it int) []int {
	role, name := t.Parse()
	switch role {
	case faults.Concerned:
		return []int{it}
	case faults.Rack:
		return i.topology.InRack(name)
	case faults.Everyone:
		var all []int
		for b := range i.cluster.Bootstrap() {
			all = append(all, b)
		}
		return all
	case faults.Controller:
		if b, ok := i.cluster.Controller(i.e); ok {
			return []int{b}
		}
	case faults.Leader, faults.Follower:
		for _, p := range i.cluster.Partitions(i.e) {
			if partitionName(p) != name || p.Leader < 0 {
				continue
			}
			if role == faults.Leader {
				return []int{int(p.Leader) - 1}
			}
			for _, id := range p.ISR {
				if id != p.Leader {
					return []int{int(id) - 1}
				}
			}
		}
	default:
		if b, ok := target.BrokerNumber(name); ok {
			return []int{b}
		}
	}
	return nil
}

func partitionName(p linearizability.PartitionState) string {
	return p.Topic + "-" + strconv.Itoa(int(p.Partition)) // asked for every partition some hundred times a second
}

// nodeIDs lists the node.ids of all brokers in h.
func nodeIDs(h faults.Hit) []int32 {
	var ids []int32
	for _, b := range h.Brokers() {
		ids = append(ids, int32(b)+1)
	}
	return ids
}
