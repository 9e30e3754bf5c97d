package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// moving is a partition on a few brokers, and how much of what is committed each
// of its replicas has: nothing (0), a part (1) or all (2). The controller is the
// real machine; leaders and followers do in one step what they do in many, and
// every replica that is removed loses its log at once.
type moving struct {
	img  *metadata.Image
	has  [brokersMoving + 1]int8
	lost int // times that a broker may yet lose its log
	away int // times that a broker may yet be silent
}

const brokersMoving = 4

var movingTP = metadata.TopicPartition{Topic: "t"}

func (w *moving) partition() *metadata.Partition { return w.img.Partition(movingTP) }

// key says what is the same in two states.
func (w *moving) key() string {
	p := w.partition()
	var b strings.Builder
	fmt.Fprint(&b, p.Replicas, p.ISR, p.ELR, p.AddingReplicas, p.RemovingReplicas, p.LastKnownELR, p.Leader, p.Recovering, w.has, w.lost, w.away)
	for _, broker := range w.img.Brokers() {
		fmt.Fprint(&b, broker.Fenced)
	}
	return b.String()
}

// step has the machine do something, and removes what must be removed.
func (w *moving) step(t require.TestingT, m *machine, do func(*txn)) *moving {
	next := *w
	tx := newTxn(w.img, w.img.Offset()+1)
	do(tx)
	require.NoError(t, tx.err)
	next.img, _ = tx.ed.Done()
	p := next.partition()
	for id := range next.has {
		if id > 0 && !p.HasReplica(int32(id)) {
			next.has[id] = 0
		}
	}
	return &next
}

func proposal(w *moving, isr []int32) *kmsg.AlterPartitionRequest {
	p := w.partition()
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 2, p.Leader, w.img.Broker(p.Leader).Epoch
	rp := kmsg.NewAlterPartitionRequestTopicPartition()
	rp.LeaderEpoch, rp.PartitionEpoch, rp.NewISR = p.LeaderEpoch, p.PartitionEpoch, isr
	req.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: p.TopicID, Partitions: []kmsg.AlterPartitionRequestTopicPartition{rp}}}
	return req
}

// successors are the states that may follow, by what leads there.
func (w *moving) successors(t require.TestingT, m *machine, targets [][]int32) map[string]*moving {
	out := map[string]*moving{}
	p := w.partition()
	for _, target := range targets {
		out[fmt.Sprint("reassign to ", target)] = w.step(t, m, func(tx *txn) { _, _ = m.alterReassignment(tx, movingTP, target, true) })
	}
	for _, b := range w.img.Brokers() {
		id := b.ID
		switch {
		case b.Fenced:
			out[fmt.Sprint("back ", id)] = w.step(t, m, func(tx *txn) { m.setState(tx, b, false, false) })
		case w.away > 0:
			next := w.step(t, m, func(tx *txn) { m.setState(tx, b, true, false) })
			next.away--
			out[fmt.Sprint("silent ", id)] = next
		}
		if w.lost > 0 {
			next := w.step(t, m, func(tx *txn) {
				m.setState(tx, b, true, false)
				m.brokerLossy(tx, id)
			})
			next.lost--
			next.has[id] = 0
			out[fmt.Sprint("lost ", id)] = next
		}
	}
	if p.Leader == metadata.NoLeader || p.Recovering {
		return out
	}
	for _, id := range p.Replicas {
		switch {
		case id == p.Leader:
		case p.InISR(id):
			isr := without(p.ISR, id)
			out[fmt.Sprint("lags ", id)] = w.step(t, m, func(tx *txn) { m.alterPartition(tx, proposal(w, isr)) })
		case w.img.Broker(id).Active():
			copied := *w
			copied.has[id] = 2
			joined := copied.step(t, m, func(tx *txn) { m.alterPartition(tx, proposal(w, append(slices.Clone(p.ISR), id))) })
			out[fmt.Sprint("joins ", id)] = joined
		}
	}
	if counted(p) >= p.EffectiveMinISR() {
		// More is committed, by everyone in sync and nobody else.
		next := *w
		for id := range next.has {
			if !p.InISR(int32(id)) {
				next.has[id] = min(next.has[id], 1)
			}
		}
		out["commit"] = &next
	}
	return out
}

// check says what a state breaks of what reassignments promise.
func (w *moving) check(minISR, losses int) string {
	p := w.partition()
	holders := 0
	for _, id := range p.Replicas {
		if w.has[id] == 2 {
			holders++
		}
	}
	for _, id := range slices.Concat(p.ISR, p.ELR) {
		switch {
		case !p.HasReplica(id):
			return fmt.Sprintf("%d may lead and is no replica", id)
		case w.has[id] < 2 && !p.Recovering:
			return fmt.Sprintf("%d may lead and lacks something committed", id)
		}
	}
	promised := min(minISR, len(p.Target()), len(p.Origin()))
	switch {
	case holders < promised-losses:
		return fmt.Sprintf("%d replicas have everything committed, %d were promised", holders, promised)
	case p.Recovering && losses < promised:
		return "an unclean election"
	case p.Leader != metadata.NoLeader && !w.img.Broker(p.Leader).Active():
		return "a leader that is not active"
	case p.Reassigning() && len(inOrder(p.Target(), p.ISR)) == len(p.Target()):
		return "a reassignment whose target is in sync is not complete"
	case len(p.AddingReplicas) > 0 && len(p.Target()) == 0:
		return "a reassignment to nothing"
	}
	return ""
}

// Whatever leaders, followers and administrators do while replicas are added,
// removed, cancelled and overridden, in every order: what is committed is on as
// many replicas as was promised, whoever may lead has all of it, and as many
// brokers less one than were promised may lose everything.
func TestReassignmentsEnumerated(t *testing.T) {
	for _, c := range []struct {
		minISR, lost, away int
		from               []int32
		targets            [][]int32
	}{
		{1, 0, 2, []int32{1}, [][]int32{nil, {2}, {1, 2}, {3}}},
		{2, 0, 2, []int32{1, 2}, [][]int32{nil, {3, 4}, {2, 3}}},
		{2, 1, 1, []int32{1, 2}, [][]int32{nil, {3, 4}, {1, 2}}},
		{2, 1, 1, []int32{1, 2}, [][]int32{nil, {2, 3, 4}}},
		{2, 1, 0, []int32{1, 2, 3}, [][]int32{nil, {3, 4}, {1}}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			f := newFixture(t, brokersMoving, int32(c.minISR))
			f.m.cfg.Settings = config.NewStatic(1, map[string]string{config.MinInsyncReplicas: fmt.Sprint(c.minISR)})
			f.topic("t", c.from...)
			first := &moving{img: f.img, lost: c.lost, away: c.away}
			for _, id := range c.from {
				first.has[id] = 2
			}
			type visit struct {
				state *moving
				from  string
				how   string
			}
			seen := map[string]visit{first.key(): {state: first}}
			queue := []string{first.key()}
			completed := 0
			for len(queue) > 0 {
				key := queue[0]
				queue = queue[1:]
				at := seen[key].state
				if why := at.check(c.minISR, c.lost-at.lost); why != "" {
					var story []string
					for k := key; seen[k].how != ""; k = seen[k].from {
						story = append(story, seen[k].how+" → "+k)
					}
					slices.Reverse(story)
					t.Fatalf("%s after:\n%s", why, strings.Join(story, "\n"))
				}
				if !at.partition().Reassigning() {
					completed++
				}
				following := at.successors(t, f.m, c.targets)
				for _, how := range env.SortedKeys(following) {
					next := following[how]
					k := next.key()
					if _, ok := seen[k]; !ok {
						seen[k] = visit{next, key, how}
						queue = append(queue, k)
					}
				}
			}
			t.Logf("%d states, %d of them at rest", len(seen), completed)
			require.Greater(t, completed, 10)
		})
	}
}
