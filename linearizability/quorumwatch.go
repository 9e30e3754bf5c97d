package linearizability

import (
	"fmt"
	"slices"
)

// quorumWatch is what the watcher remembers of the metadata quorum.
type quorumWatch struct {
	leaders map[int32]int32 // node by epoch
	epoch   int32           // newest with a leader
	high    int64           // highest high watermark anybody had
	own     map[int32]int64 // highest high watermark of each voter
	matched map[int32]int64
}

func newQuorumWatch() quorumWatch {
	return quorumWatch{leaders: map[int32]int32{}, epoch: None, own: map[int32]int64{}, matched: map[int32]int64{}}
}

// metadataPartition stands for the metadata log in findings.
var metadataPartition = &partition{tp: TopicPartition{Topic: "__cluster_metadata"}}

// observeQuorum checks the controllers and says whether the picture's metadata
// is the newest that is committed, as far as can be told.
func (w *Watcher) observeQuorum(v ClusterView) (current bool) {
	q := &w.quorum
	var leader *ControllerView
	for i := range v.Controllers {
		n := &v.Controllers[i]
		if !n.Running {
			continue
		}
		w.c.turn(wQuorumComplete)
		w.c.cur.Inputs++
		if n.LogEnd < q.own[n.Node] && !w.diskLost(n.Node) {
			w.c.found(metadataPartition, int64(n.Node), n.LogEnd, v.Time, fmt.Sprintf(
				"voter %d's metadata log ends at offset %d at %s, although the voter itself had seen everything below %d committed", n.Node, n.LogEnd, clock(v.Time), q.own[n.Node]))
		}
		q.own[n.Node] = max(q.own[n.Node], n.HighWatermark)
		if !n.Leader {
			continue
		}
		w.c.turn(wQuorumLeader)
		w.c.cur.Inputs++
		if other, ok := q.leaders[n.Epoch]; ok && other != n.Node {
			w.c.found(metadataPartition, int64(n.Epoch), None, v.Time, fmt.Sprintf("the metadata quorum has two leaders in epoch %d: voters %d and %d, at %s", n.Epoch, other, n.Node, clock(v.Time)))
		}
		q.leaders[n.Epoch] = n.Node
		if leader == nil || n.Epoch > leader.Epoch {
			leader = n
		}
	}
	if leader == nil {
		return false
	}
	w.c.turn(wQuorumComplete)
	if leader.Epoch > q.epoch && leader.LogEnd < q.high && !w.diskLost(leader.Node) {
		w.c.found(metadataPartition, 1000+int64(leader.Epoch), leader.LogEnd, v.Time, fmt.Sprintf(
			"voter %d became leader of the metadata quorum in epoch %d with its log ending at offset %d, but everything below %d was committed, at %s",
			leader.Node, leader.Epoch, leader.LogEnd, q.high, clock(v.Time)))
	}
	current = leader.Epoch >= q.epoch && leader.HighWatermark >= q.high
	q.epoch = max(q.epoch, leader.Epoch)
	for _, n := range v.Controllers {
		q.high = max(q.high, n.HighWatermark)
	}
	w.quorumMatching(v, leader)
	return current
}

// diskLost says whether a voter lost what it had synced, which no protocol
// survives unnoticed.
func (w *Watcher) diskLost(node int32) bool {
	for _, f := range w.faults {
		if (f.Kind == DiskGone || f.Kind == Corruption) && slices.Contains(f.Brokers, node) {
			return true
		}
	}
	return false
}

func (w *Watcher) quorumMatching(v ClusterView, leader *ControllerView) {
	if leader.Log == nil {
		return
	}
	w.c.turn(wQuorumMatching)
	for _, n := range v.Controllers {
		from := max(w.quorum.matched[n.Node], leader.LogStart, n.LogStart)
		to := min(leader.HighWatermark, n.HighWatermark)
		if n.Node == leader.Node || n.Log == nil || !n.Running || from >= to {
			continue
		}
		count, upTo, a, b, err := compareBatches(leader.Log, n.Log, from, to)
		w.c.cur.Inputs += count
		w.quorum.matched[n.Node] = upTo
		switch {
		case err != nil:
			w.c.giveUp(fmt.Sprintf("metadata log of voter %d: %v", n.Node, err))
		case a != b:
			w.quorum.matched[n.Node] = to // told once
			w.c.found(metadataPartition, int64(n.Node), max(from, firstOf(a, b)), v.Time, fmt.Sprintf(
				"below the high watermark, the metadata log differs: %s on leader %d, %s on voter %d, at %s", a, leader.Node, b, n.Node, clock(v.Time)))
		}
	}
}
