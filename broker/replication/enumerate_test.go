package replication

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
)

// budget bounds a search: how often each kind of thing may happen.
type budget struct {
	appends, elections, fences, crashes, losses, lags, timeouts, configs int
}

// action is one thing that can happen next.
type action struct {
	name string
	do   func(w *world)
	cost func(b *budget)
}

// actions lists everything that can happen to w within b.
func (w *world) actions(b budget) []action {
	var list []action
	add := func(cost func(*budget), do func(*world), format string, args ...any) {
		list = append(list, action{fmt.Sprintf(format, args...), do, cost})
	}
	free := func(*budget) {}
	for i, m := range w.msgs {
		add(free, func(w *world) { w.deliver(i) }, "deliver %s", m)
	}
	a := w.current()
	if b.configs > 0 {
		for minISR := int32(1); minISR <= min(2, int32(len(w.nodes))); minISR++ {
			if minISR != a.MinISR {
				add(func(b *budget) { b.configs-- }, func(w *world) { w.setMinISR(minISR) }, "min-isr %d", minISR)
			}
		}
	}
	for _, n := range w.nodes {
		id := n.id
		if !n.up {
			add(free, func(w *world) { w.restart(id, 0) }, "restart %d", id)
			if b.losses > 0 && len(n.log) > 0 {
				add(func(b *budget) { b.losses-- }, func(w *world) { w.restart(id, 1) }, "restart %d lose=1", id)
			}
			if b.fences > 0 && w.active[id-1] {
				add(func(b *budget) { b.fences-- }, func(w *world) { w.fence(id) }, "fence %d", id)
			}
			continue
		}
		if next := n.cursor + 1; next < len(w.history) {
			add(free, func(w *world) { w.metadata(id, next) }, "metadata %d next", id)
			if last := len(w.history) - 1; last > next {
				add(free, func(w *world) { w.metadata(id, last) }, "metadata %d", id)
			}
		}
		switch n.state.Role() {
		case RoleLeader:
			if b.appends > 0 && !n.state.BelowMinISR() {
				add(func(b *budget) { b.appends-- }, func(w *world) { w.append(id) }, "append %d", id)
			}
			if b.lags > 0 && n.state.Pending() == nil {
				add(func(b *budget) { b.lags-- }, func(w *world) { w.lag(id) }, "lag %d", id)
			}
			if b.timeouts > 0 && n.state.Pending() != nil {
				add(func(b *budget) { b.timeouts-- }, func(w *world) { w.unanswered(id) }, "unanswered %d", id)
			}
		case RoleFollower:
			if n.state.Leader() != noLeader && !n.asking {
				add(free, func(w *world) { w.sendFetch(id) }, "ask %d", id)
			}
		}
		if b.elections > 0 && id != a.Leader && slices.Contains(a.ISR, id) && w.active[id-1] {
			add(func(b *budget) { b.elections-- }, func(w *world) { w.prefer(id) }, "elect %d", id)
		}
		if b.fences > 0 && w.active[id-1] {
			add(func(b *budget) { b.fences-- }, func(w *world) { w.fence(id) }, "fence %d", id)
		}
		if !w.active[id-1] {
			add(free, func(w *world) { w.unfence(id) }, "unfence %d", id)
		}
		if b.crashes > 0 {
			add(func(b *budget) { b.crashes-- }, func(w *world) { w.crash(id) }, "crash %d", id)
		}
	}
	return list
}

func (m message) String() string {
	switch m.kind {
	case msgFetch:
		return fmt.Sprintf("fetch of %d at %d epoch %d to %d", m.from, m.fetch.Offset, m.fetch.LeaderEpoch, m.to)
	case msgReading:
		return fmt.Sprintf("rest of reading for %d on %d", m.from, m.to)
	case msgAnswer:
		return fmt.Sprintf("answer of %d to %d for %d epoch %d", m.from, m.to, m.answer.AskedOffset, m.answer.AskedEpoch)
	case msgProposal:
		return fmt.Sprintf("proposal of %d", m.from)
	}
	return fmt.Sprintf("verdict to %d", m.to)
}

// clone copies a world for another branch of the search.
func (w *world) clone() *world {
	c := *w
	c.nodes = make([]*node, len(w.nodes))
	for i, n := range w.nodes {
		nc := *n
		s := *n.state
		s.followers = slices.Clone(s.followers)
		nc.state = &s
		c.nodes[i] = &nc
	}
	c.active = slices.Clone(w.active)
	c.history = slices.Clip(w.history)
	c.msgs = slices.Clone(w.msgs)
	return &c
}

// key identifies a world but for the clock, of which it keeps who is caught up.
func (w *world) key(b budget) uint64 {
	k := keyBuilder(make([]byte, 0, 512))
	for _, n := range w.nodes {
		s := n.state
		k.log(n.log)
		for _, e := range n.epochs {
			k.num(int64(e.epoch), e.start)
		}
		k.num(n.start, flag(n.up), n.life, int64(n.cursor), flag(n.asking), s.hw, int64(s.role), int64(s.leader), int64(s.epoch), int64(s.version), s.epochStart)
		k.ids(s.isr)
		k.proposal(s.pending)
		k.ids(s.doubtful)
		k.num(int64(s.minISR), flag(w.now < s.joinAfter))
		for i := range s.followers {
			p := &s.followers[i]
			k.num(p.end, p.brokerEpoch, p.leaderEnd, p.registered, flag(p.active), flag(p.caughtUp(w.now, s.log.End, modelLag)))
		}
	}
	for i := range w.msgs {
		m := &w.msgs[i]
		k.num(int64(m.kind), int64(m.from), int64(m.to), m.life, m.upTo)
		f, a := &m.fetch, &m.answer
		k.num(f.BrokerEpoch, int64(f.LeaderEpoch), f.Offset, int64(f.LastEpoch), int64(a.Code), a.HighWatermark, flag(a.Diverging), int64(a.DivergingEpoch), a.DivergingEnd)
		k.log(m.records)
		k.proposal(m.proposal)
		k.proposal(m.verdict.Proposal)
		k.num(int64(m.verdict.Code), int64(m.verdict.PartitionEpoch))
	}
	a := w.current()
	k.num(int64(a.Leader), int64(a.LeaderEpoch), int64(a.PartitionEpoch), int64(len(w.history)), w.lifes, int64(w.values))
	k.num(int64(a.MinISR))
	k.ids(a.ISR)
	k.ids(w.elr)
	for _, active := range w.active {
		k.num(flag(active))
	}
	k.log(w.committed)
	k.num(int64(b.appends), int64(b.elections), int64(b.fences), int64(b.crashes), int64(b.losses), int64(b.lags), int64(b.timeouts), int64(b.configs))
	h := fnv.New64a()
	_, _ = h.Write(k)
	return h.Sum64()
}

type keyBuilder []byte

func (k *keyBuilder) num(values ...int64) {
	for _, v := range values {
		*k = binary.AppendVarint(*k, v)
	}
}

func (k *keyBuilder) ids(ids []int32) {
	k.num(int64(len(ids)))
	for _, id := range ids {
		k.num(int64(id))
	}
}

func (k *keyBuilder) log(log []entry) {
	k.num(int64(len(log)))
	for _, e := range log {
		k.num(int64(e.epoch), int64(e.value))
	}
}

func (k *keyBuilder) proposal(p *Proposal) {
	if p == nil {
		k.num(-1)
		return
	}
	k.num(int64(p.LeaderEpoch), int64(p.PartitionEpoch), int64(len(p.ISR)))
	for _, m := range p.ISR {
		k.num(int64(m.ID), m.Epoch)
	}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// enumerate visits every world that can be reached within depth steps and
// gives the first violation with the steps that led there.
func enumerate(w *world, b budget, depth int) (states int, broken string, steps []string) {
	seen := map[uint64]int{}
	var visit func(w *world, b budget, left int) bool
	visit = func(w *world, b budget, left int) bool {
		if w.broken != "" {
			broken = w.broken
			return true
		}
		key := w.key(b)
		if seen[key] > left || left == 0 {
			return false
		}
		seen[key] = left + 1
		for _, a := range w.actions(b) {
			c, cb := w.clone(), b
			a.cost(&cb)
			a.do(c)
			steps = append(steps, a.name)
			if visit(c, cb, left-1) {
				return true
			}
			steps = steps[:len(steps)-1]
		}
		return false
	}
	visit(w, b, depth)
	return len(seen), broken, steps
}

// wander takes random steps until a promise breaks or the walk ends.
func wander(w *world, b budget, rnd *env.Rand, steps int) (trace []string) {
	for range steps {
		list := w.actions(b)
		if len(list) == 0 {
			break
		}
		a := list[rnd.Intn(len(list))]
		// Mishaps are rarer than progress, or nothing is ever committed.
		if strings.HasPrefix(a.name, "fence") || strings.HasPrefix(a.name, "crash") || strings.HasPrefix(a.name, "lag") || strings.HasPrefix(a.name, "elect") || strings.HasPrefix(a.name, "min-isr") {
			if !rnd.Chance(1, 3) {
				continue
			}
		}
		a.cost(&b)
		trace = append(trace, a.name)
		a.do(w)
		if w.broken != "" {
			return append(trace, w.broken)
		}
	}
	return nil
}

func TestEveryHistoryOfASmallClusterKeepsCommittedRecords(t *testing.T) {
	envtest.NoRaces(t, "a pure step function")
	for _, c := range []struct {
		name             string
		replicas, minISR int
		budget           budget
		depth            int
	}{
		{"two replicas, elections", 2, 1, budget{appends: 2, elections: 2}, 14},
		{"two replicas, fencing", 2, 1, budget{appends: 1, fences: 2, elections: 1}, 13},
		{"two replicas, lag", 2, 1, budget{appends: 2, lags: 1, elections: 1}, 13},
		{"two replicas, lossy restart", 2, 2, budget{appends: 1, crashes: 1, losses: 1, fences: 1}, 13},
		{"two replicas, refused proposals", 2, 1, budget{appends: 1, fences: 1, timeouts: 1}, 14},
		{"two replicas, min.insync.replicas changes", 2, 1, budget{appends: 1, lags: 1, configs: 1, elections: 1}, 12},
		{"three replicas, elections", 3, 2, budget{appends: 1, elections: 2}, 9},
		{"three replicas, mishaps", 3, 2, budget{appends: 1, fences: 1, crashes: 1, losses: 1}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(c.replicas, c.minISR, 0)
			for _, n := range w.nodes {
				w.metadata(n.id, 0)
			}
			states, broken, steps := enumerate(w, c.budget, c.depth)
			t.Logf("%d states", states)
			require.Empty(t, broken, "after %s", strings.Join(steps, "; "))
		})
	}
}

var walkBudget = budget{appends: 6, elections: 3, fences: 3, crashes: 2, losses: 1, lags: 2, timeouts: 2, configs: 2}

func walk(without Guard, seed uint64) []string {
	w := newWorld(3, 2, without)
	for _, n := range w.nodes {
		w.metadata(n.id, 0)
	}
	return wander(w, walkBudget, env.NewRand(seed, "walk", ""), 120)
}

func TestRandomHistoriesKeepCommittedRecords(t *testing.T) {
	envtest.NoRaces(t, "a pure step function")
	walks := uint64(10000)
	if testing.Short() {
		walks = 1000
	}
	for seed := range walks {
		trace := walk(0, seed)
		require.Empty(t, trace, "seed %d: %s", seed, strings.Join(trace, "\n"))
	}
}
