package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// quorumWatch is what the watcher remembers of the metadata quorum.
type quorumWatch struct {
	leaders map[int32]int32 // node by epoch
	epoch   int32           // newest with a leader
	high    int64           // highest high watermark anybody had
	own     map[int32]int64 // highest high watermark of each voter
	matched map[int32]int64
	reigns  map[int32]*reign // by epoch
	votes   map[ballot]int32 // whom each voter voted for
}

// ballot is a voter's vote in one epoch.
type ballot struct{ node, epoch int32 }

// reign is a controller in one epoch.
type reign struct {
	node int32
	// high is its high watermark when it was seen first, before it had committed
	// anything of its own.
	high   int64
	passed bool // it has been seen to
	// alone is since when it has heard of no majority, None if it does.
	alone time.Duration
	told  bool
}

func newQuorumWatch() quorumWatch {
	return quorumWatch{leaders: map[int32]int32{}, epoch: None, own: map[int32]int64{}, matched: map[int32]int64{}, reigns: map[int32]*reign{}, votes: map[ballot]int32{}}
}

// metadataPartition stands for the metadata log in findings.
var metadataPartition = &partition{tp: TopicPartition{Topic: "__cluster_metadata"}}

// observeQuorum checks the controllers and says whether the picture's metadata
// is the newest that is committed, as far as can be told.
func (w *Watcher) observeQuorum(v ClusterView) (current bool) {
	q := &w.quorum
	var leader *ControllerView
	reigning := map[int32]bool{}
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
		w.vote(&v, n)
		w.takesForCommitted(&v, n)
		if !n.Leader {
			continue
		}
		w.c.turn(wQuorumLeader)
		w.c.cur.Inputs++
		if other, ok := q.leaders[n.Epoch]; ok && other != n.Node {
			w.c.found(metadataPartition, int64(n.Epoch), None, v.Time, fmt.Sprintf("the metadata quorum has two leaders in epoch %d: voters %d and %d, at %s", n.Epoch, other, n.Node, clock(v.Time)))
		}
		q.leaders[n.Epoch] = n.Node
		w.majority(&v, n)
		reigning[n.Epoch] = true
		if leader == nil || n.Epoch > leader.Epoch {
			leader = n
		}
	}
	for epoch, r := range q.reigns {
		if !reigning[epoch] {
			r.alone = None // it is down or paused: its time begins anew
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
		count, upTo, a, b, err := w.compareBatches(leader.Log, n.Log, from, to)
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

// majority holds a controller to stepping down once it can have heard of no
// majority for too long (KAFKA-15489): others may have elected another one.
func (w *Watcher) majority(v *ClusterView, n *ControllerView) {
	if v.Voters == 0 || v.StepDown == 0 {
		return
	}
	w.c.turn(wQuorumMajority)
	w.c.cur.Inputs++
	r := w.reign(n)
	in := 0
	for i := range v.Controllers {
		if o := &v.Controllers[i]; (o.Unseen || (o.Running || o.Ran) && o.Epoch <= n.Epoch) && !slices.Contains(n.Cut, o.Node) {
			in++
		}
	}
	switch {
	case in > v.Voters/2:
		r.alone = None
	case r.alone == None:
		r.alone = v.Time
	case v.Time-r.alone > v.StepDown && !r.told:
		r.told = true
		w.c.found(metadataPartition, int64(n.Epoch), None, v.Time, fmt.Sprintf(
			"voter %d is still leader of the metadata quorum in epoch %d at %s, although since %s at most %d of %d voters could have followed it",
			n.Node, n.Epoch, clock(v.Time), clock(r.alone), in, v.Voters))
	}
}

// vote holds a voter to one vote in an epoch (Raft, section 5.2), whatever happens to
// its process and its power in between.
func (w *Watcher) vote(v *ClusterView, n *ControllerView) {
	if n.VotedFor == None {
		return
	}
	w.c.turn(wQuorumVote)
	w.c.cur.Inputs++
	b := ballot{n.Node, n.Epoch}
	if was, ok := w.quorum.votes[b]; ok && was != n.VotedFor && !w.diskLost(n.Node) {
		w.c.found(metadataPartition, int64(n.Node), None, v.Time, fmt.Sprintf(
			"voter %d has voted for voter %d in epoch %d of the metadata quorum at %s, although it had voted for voter %d in it", n.Node, n.VotedFor, n.Epoch, clock(v.Time), was))
	}
	w.quorum.votes[b] = n.VotedFor
}

// takesForCommitted holds voters to what commits metadata: that a majority of them
// has it (Raft, section 5.3). Of who cannot be looked at it is not known.
func (w *Watcher) takesForCommitted(v *ClusterView, n *ControllerView) {
	if v.Voters == 0 || n.HighWatermark <= w.quorum.high {
		return
	}
	w.c.turn(wQuorumCommit)
	w.c.cur.Inputs++
	has := v.Voters - len(v.Controllers)
	for i := range v.Controllers {
		if o := &v.Controllers[i]; o.Unseen || !o.Running || o.LogEnd >= n.HighWatermark {
			has++
		}
	}
	if has > v.Voters/2 {
		return
	}
	w.c.found(metadataPartition, int64(n.Node), n.HighWatermark, v.Time, fmt.Sprintf(
		"voter %d takes everything below %d of the metadata for committed at %s, in epoch %d, but at most %d of %d voters have it",
		n.Node, n.HighWatermark, clock(v.Time), n.Epoch, has, v.Voters))
}

// reign finds what is remembered of a leader's epoch.
func (w *Watcher) reign(n *ControllerView) *reign {
	r := w.quorum.reigns[n.Epoch]
	if r == nil {
		r = &reign{node: n.Node, high: n.HighWatermark, alone: None}
		w.quorum.reigns[n.Epoch] = r
	}
	return r
}

// ObserveController looks at the leader of the metadata quorum alone, which may be
// done more often than pictures are taken: its high watermark goes from where it
// was when it was elected to beyond a record of its own epoch, and to nothing in
// between, which others could still take back (Raft, section 5.4.2; KAFKA-12619).
func (w *Watcher) ObserveController(at time.Duration, n *ControllerView) {
	w.c.turn(wQuorumOwnEpoch)
	w.c.cur.Inputs++
	r := w.reign(n)
	if r.passed || n.HighWatermark <= r.high || n.Log == nil {
		return
	}
	r.passed = true // or told
	for _, e := range n.Log.Epochs() {
		if e.Epoch == n.Epoch && e.StartOffset < n.HighWatermark {
			return
		}
	}
	w.c.found(metadataPartition, int64(n.Epoch), n.HighWatermark, at, fmt.Sprintf(
		"voter %d, leader of the metadata quorum in epoch %d, takes everything below %d for committed at %s, which includes no record of its own epoch",
		n.Node, n.Epoch, n.HighWatermark, clock(at)))
}
