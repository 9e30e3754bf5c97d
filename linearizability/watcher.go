package linearizability

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Watcher checks the invariants K12 over pictures taken while a cluster runs:
// those that Vanlightly's TLA+ models of Kafka replication (v3.5, KIP-966) and
// Kafka's own Raft simulation test hold. It keeps the true high watermark of
// every partition, the highest that any leader had or any client was told of,
// and expects every replica that could be elected to hold all below it.
// Not safe for concurrent use.
type Watcher struct {
	c     court
	parts map[TopicPartition]*watched
	order []TopicPartition

	topics []Topic
	faults []Fault

	quorum quorumWatch
}

// watched is what the watcher remembers of one partition.
type watched struct {
	partition
	// true high watermark by time, ascending in both.
	high []mark
	// the leader seen in each epoch, and its high watermark then.
	leaders map[int32]leaderSeen
	// newest leader epoch seen.
	epoch int32
	// the newest leader epoch that began with a loss: what leaders of older ones
	// still take for committed is so no longer.
	lossy int32
	// how far each broker's log has been compared with a leader's.
	matched map[int32]int64
	// replicas seen in the last picture.
	present map[int32]bool
	// electable replicas found short, not yet confirmed, by broker.
	suspects map[int32]suspect
}

type mark struct {
	at     time.Duration
	offset int64
}

type leaderSeen struct {
	broker int32
	high   int64
}

type suspect struct {
	since          time.Duration
	partitionEpoch int32
	told           bool // it has been dealt with
}

// confirmAfter is how long an electable replica must be seen lacking committed
// records before it counts. A picture may show metadata that a controller
// which has just died had already replaced; a new one needs an election to
// catch up. Real shortcomings last until the replica has fetched, and if one
// is elected before that, the judge finds the loss in the end.
const confirmAfter = 300 * time.Millisecond

// The watcher's checks, by place in its verdict.
const (
	wSingleLeader = iota
	wHighMonotone
	wWithinLog
	wLeaderComplete
	wCandidateComplete
	wSuperset
	wLogMatching
	wQuorumLeader
	wQuorumComplete
	wQuorumMatching
)

var watcherChecks = []check{
	wSingleLeader:      {code: "K12", name: "one leader per partition and leader epoch", unit: "leaders seen"},
	wHighMonotone:      {code: "K12", name: "the high watermark never falls within a leader epoch", unit: "leaders seen"},
	wWithinLog:         {code: "K12", name: "log start ≤ high watermark ≤ log end", unit: "replicas seen"},
	wLeaderComplete:    {code: "K12", name: "a new leader holds every committed record", unit: "elections seen"},
	wCandidateComplete: {code: "K12", name: "every electable replica holds every committed record", unit: "replicas seen"},
	wSuperset:          {code: "K12", name: "the leader waits for everyone whom the controller counts as in sync", unit: "leaders seen"},
	wLogMatching:       {code: "K12", name: "replicas hold the same batches below the high watermark", unit: "batches compared"},
	wQuorumLeader:      {code: "K12", name: "one controller per quorum epoch", unit: "controllers seen"},
	wQuorumComplete:    {code: "K12", name: "committed metadata is never lost", unit: "voters seen"},
	wQuorumMatching:    {code: "K12", name: "voters hold the same metadata below the high watermark", unit: "batches compared"},
}

// NewWatcher returns a Watcher. Topics that are not named get the strictest
// reading of their promises.
func NewWatcher(topics []Topic) *Watcher {
	w := &Watcher{parts: map[TopicPartition]*watched{}, topics: topics, quorum: newQuorumWatch()}
	w.c = court{o: Options{MaxEvidence: 12}, h: &History{Topics: topics}, groups: map[groupKey]int{}}
	for _, k := range watcherChecks {
		w.c.begin(k)
	}
	return w
}

// AddFault tells the watcher of a fault when it strikes; one that loses bytes
// may excuse what follows.
func (w *Watcher) AddFault(f Fault) { w.faults = append(w.faults, f) }

// AddPartitionState tells the watcher of a committed change of a partition's
// metadata, in the order of commitment. Pictures carry the metadata too, but
// may miss a change that is followed by another.
func (w *Watcher) AddPartitionState(s PartitionState) {
	w.partition(TopicPartition{s.Topic, s.Partition}).addState(s)
}

// Committed tells the watcher that a client has learned at time at that every
// record below next is committed. See [Log.OnCommitted].
func (w *Watcher) Committed(tp TopicPartition, next int64, at time.Duration) {
	w.partition(tp).raise(at, next)
}

// EpochStarts are the beginnings of leader epochs that pictures showed, for
// [Log.AddEpochStart].
func (w *Watcher) EpochStarts() []EpochStart {
	var all []EpochStart
	slices.SortFunc(w.order, compareTP)
	for _, tp := range w.order {
		all = append(all, w.parts[tp].starts...)
	}
	return all
}

// Verdict is what was found so far.
func (w *Watcher) Verdict() Verdict { return w.c.verdict() }

func compareTP(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func (w *Watcher) partition(tp TopicPartition) *watched {
	p := w.parts[tp]
	if p == nil {
		p = &watched{leaders: map[int32]leaderSeen{}, epoch: None, matched: map[int32]int64{},
			present: map[int32]bool{}, suspects: map[int32]suspect{}}
		p.tp, p.topic = tp, w.c.h.topic(tp.Topic)
		w.parts[tp] = p
		w.order = append(w.order, tp)
	}
	return p
}

func (p *watched) addState(s PartitionState) {
	if n := len(p.states); n > 0 && s.PartitionEpoch <= p.states[n-1].PartitionEpoch && s.LeaderEpoch <= p.states[n-1].LeaderEpoch {
		return
	}
	p.states = append(p.states, s)
	p.elect = elections(&p.partition)
}

func (p *watched) raise(at time.Duration, offset int64) {
	if offset > p.committed() {
		p.high = append(p.high, mark{at, offset})
	}
}

// committed is the true high watermark.
func (p *watched) committed() int64 {
	if n := len(p.high); n > 0 {
		return p.high[n-1].offset
	}
	return 0
}

// before is the last time at which offset was not yet known to be committed.
func (p *watched) before(offset int64) time.Duration {
	at := time.Duration(-1)
	for i := len(p.high) - 1; i >= 0; i-- {
		if p.high[i].offset <= offset {
			return p.high[i].at
		}
	}
	return at
}

// Observe checks one picture.
func (w *Watcher) Observe(v ClusterView) {
	current := w.observeQuorum(v)
	if current {
		for _, s := range v.Partitions {
			s.Time = v.Time
			w.partition(TopicPartition{s.Topic, s.Partition}).addState(s)
		}
	}
	byTP := map[TopicPartition][]*ReplicaView{}
	var tps []TopicPartition
	for i := range v.Replicas {
		tp := TopicPartition{v.Replicas[i].Topic, v.Replicas[i].Partition}
		if byTP[tp] == nil {
			tps = append(tps, tp)
		}
		byTP[tp] = append(byTP[tp], &v.Replicas[i])
	}
	slices.SortFunc(tps, compareTP)
	for _, tp := range tps {
		p := w.partition(tp)
		p.faults = w.faults
		w.observePartition(p, byTP[tp], &v, current)
	}
}

func (w *Watcher) observePartition(p *watched, replicas []*ReplicaView, v *ClusterView, current bool) {
	known := p.committed() // before this picture
	newest := p.epoch
	for _, r := range replicas {
		w.c.turn(wWithinLog)
		w.c.cur.Inputs++
		if r.HighWatermark > r.LogEnd || r.LogStart > r.HighWatermark {
			w.c.found(&p.partition, int64(r.Broker), r.HighWatermark, v.Time, fmt.Sprintf(
				"broker %d has %s from offset %d to %d with its high watermark at %d, at %s", r.Broker, p.tp, r.LogStart, r.LogEnd, r.HighWatermark, clock(v.Time)))
		}
		if !r.Leader {
			continue
		}
		w.singleLeader(p, r, v.Time)
		if r.EpochStart != None {
			p.learnStart(r, v.Time)
		}
		if r.LeaderEpoch > newest && p.present[r.Broker] {
			w.leaderComplete(p, r, known, v.Time)
		}
		newest = max(newest, r.LeaderEpoch)
		if r.LeaderEpoch >= p.lossy {
			p.raise(v.Time, r.HighWatermark)
		}
	}
	p.epoch = newest
	var leader *ReplicaView
	clear(p.present)
	for _, r := range replicas {
		p.present[r.Broker] = true
		if r.Leader && r.LeaderEpoch == newest {
			leader = r
		}
	}
	if leader != nil {
		w.logMatching(p, leader, replicas, v.Time)
	}
	if !current || len(p.states) == 0 {
		return
	}
	state := p.states[len(p.states)-1]
	if leader != nil && leader.LeaderEpoch == state.LeaderEpoch && leader.MaximalISR != nil && leader.PartitionEpoch <= state.PartitionEpoch {
		w.superset(p, leader, &state, v.Time)
	}
	w.candidates(p, replicas, v, &state, leader)
}

func (w *Watcher) singleLeader(p *watched, r *ReplicaView, at time.Duration) {
	w.c.turn(wSingleLeader)
	w.c.cur.Inputs++
	seen, ok := p.leaders[r.LeaderEpoch]
	if ok && seen.broker != r.Broker {
		w.c.found(&p.partition, int64(r.LeaderEpoch), None, at, fmt.Sprintf("%s has two leaders in leader epoch %d: brokers %d and %d, at %s",
			p.tp, r.LeaderEpoch, seen.broker, r.Broker, clock(at)))
		return
	}
	w.c.turn(wHighMonotone)
	w.c.cur.Inputs++
	if ok && r.HighWatermark < seen.high {
		w.c.found(&p.partition, int64(r.LeaderEpoch), r.HighWatermark, at, fmt.Sprintf("the high watermark of %s fell from %d to %d within leader epoch %d on broker %d, at %s",
			p.tp, seen.high, r.HighWatermark, r.LeaderEpoch, r.Broker, clock(at)))
	}
	p.leaders[r.LeaderEpoch] = leaderSeen{r.Broker, max(seen.high, r.HighWatermark)}
}

// leaderComplete is LeaderCompleteness, at the first sight of a new leader.
func (w *Watcher) leaderComplete(p *watched, r *ReplicaView, known int64, at time.Duration) {
	if r.EpochStart == None {
		return
	}
	w.c.turn(wLeaderComplete)
	w.c.cur.Inputs++
	if r.EpochStart >= known {
		return
	}
	ruling := p.excuseCommitted(r.EpochStart, p.before(r.EpochStart))
	if ruling.excused {
		w.c.excused(&p.partition, r.EpochStart, ruling.reason)
		p.lower(at, r.LeaderEpoch, r.EpochStart)
		return
	}
	w.c.found(&p.partition, int64(r.LeaderEpoch), r.EpochStart, at, fmt.Sprintf(
		"broker %d became leader of %s in epoch %d with its log ending at offset %d, but everything below %d was committed, seen at %s",
		r.Broker, p.tp, r.LeaderEpoch, r.EpochStart, known, clock(at)), ruling.against...)
	p.lower(at, r.LeaderEpoch, r.EpochStart) // told once; what follows from it is no news
}

// lower takes back what has been lost by a leader epoch, so that one loss is one
// finding.
func (p *watched) lower(at time.Duration, epoch int32, offset int64) {
	for len(p.high) > 0 && p.high[len(p.high)-1].offset > offset {
		p.high = p.high[:len(p.high)-1]
	}
	for broker, upTo := range p.matched {
		p.matched[broker] = min(upTo, offset) // what comes there now is new
	}
	p.lossy = max(p.lossy, epoch)
	p.raise(at, offset)
}

func (p *watched) learnStart(r *ReplicaView, at time.Duration) {
	for _, s := range p.starts {
		if s.LeaderEpoch == r.LeaderEpoch && s.StartOffset == r.EpochStart {
			return
		}
	}
	p.starts = append(p.starts, EpochStart{Topic: p.tp.Topic, Partition: p.tp.Partition, Time: at,
		LeaderEpoch: r.LeaderEpoch, Leader: r.Broker, StartOffset: r.EpochStart})
	slices.SortFunc(p.starts, func(a, b EpochStart) int {
		return cmp.Or(cmp.Compare(a.LeaderEpoch, b.LeaderEpoch), cmp.Compare(a.StartOffset, b.StartOffset))
	})
	p.elect = elections(&p.partition)
}

// superset is ReplicationQuorumSuperset: whoever the controller may elect is
// among those whose copies the leader waits for.
func (w *Watcher) superset(p *watched, leader *ReplicaView, s *PartitionState, at time.Duration) {
	w.c.turn(wSuperset)
	w.c.cur.Inputs++
	for _, r := range s.ISR {
		if !slices.Contains(leader.MaximalISR, r) {
			w.c.found(&p.partition, int64(s.PartitionEpoch), None, at, fmt.Sprintf(
				"the controller counts broker %d as in sync for %s (ISR %v, partition epoch %d), but leader %d waits only for %v, at %s",
				r, p.tp, s.ISR, s.PartitionEpoch, leader.Broker, leader.MaximalISR, clock(at)))
			return
		}
	}
}

// candidates is LeaderCandidateCompleteness: every live member of ISR and ELR
// holds everything below the true high watermark.
func (w *Watcher) candidates(p *watched, replicas []*ReplicaView, v *ClusterView, s *PartitionState, leader *ReplicaView) {
	if leader != nil && leader.PartitionEpoch > s.PartitionEpoch {
		return // the leader knows newer metadata than this picture shows
	}
	w.c.turn(wCandidateComplete)
	high := p.committed()
	for _, r := range replicas {
		if (!slices.Contains(s.ISR, r.Broker) && !slices.Contains(s.ELR, r.Broker)) || !v.electable(r.Broker) {
			delete(p.suspects, r.Broker)
			continue
		}
		w.c.cur.Inputs++
		if r.LogEnd >= high {
			delete(p.suspects, r.Broker)
			continue
		}
		sus, ok := p.suspects[r.Broker]
		if !ok || sus.partitionEpoch != s.PartitionEpoch {
			p.suspects[r.Broker] = suspect{since: v.Time, partitionEpoch: s.PartitionEpoch}
			continue
		}
		if sus.told || v.Time-sus.since < confirmAfter {
			continue
		}
		sus.told = true
		p.suspects[r.Broker] = sus
		since := p.before(r.LogEnd)
		now := election{at: v.Time, state: len(p.states)}
		if p.tainted(r.Broker, r.LogEnd, since, &now) {
			w.c.excused(&p.partition, r.LogEnd, fmt.Sprintf("broker %d had lost bytes to %s", r.Broker, p.faultsOn([]int32{r.Broker}, since, v.Time)))
			continue
		}
		if ruling := p.excuseCommitted(r.LogEnd, since); ruling.excused {
			w.c.excused(&p.partition, r.LogEnd, ruling.reason)
			p.lower(v.Time, s.LeaderEpoch, r.LogEnd)
			return
		}
		w.c.found(&p.partition, int64(r.Broker), r.LogEnd, v.Time, fmt.Sprintf(
			"broker %d could be elected leader of %s (ISR %v, ELR %v) with its log ending at offset %d, but everything below %d was committed, at %s",
			r.Broker, p.tp, s.ISR, s.ELR, r.LogEnd, high, clock(v.Time)),
			fmt.Sprintf("broker %d was in this state since %s, in leader epoch %d, its high watermark at %d", r.Broker, clock(sus.since), r.LeaderEpoch, r.HighWatermark),
			fmt.Sprintf("offset %d was not yet known to be committed at %s", r.LogEnd, clock(max(0, since))),
			"it had lost no bytes to a fault since then")
	}
}

func (v *ClusterView) electable(broker int32) bool {
	for _, b := range v.Brokers {
		if b.Broker == broker {
			return b.Running && b.Registered
		}
	}
	return false
}

// logMatching compares each follower with the leader, batch by batch, below
// both high watermarks; every batch once.
func (w *Watcher) logMatching(p *watched, leader *ReplicaView, replicas []*ReplicaView, at time.Duration) {
	if leader.Log == nil {
		return
	}
	w.c.turn(wLogMatching)
	for _, r := range replicas {
		if r == leader || r.Log == nil {
			continue
		}
		from := max(p.matched[r.Broker], leader.LogStart, r.LogStart)
		to := min(leader.HighWatermark, r.HighWatermark)
		if from >= to {
			continue
		}
		n, upTo, a, b, err := compareBatches(leader.Log, r.Log, from, to)
		w.c.cur.Inputs += n
		p.matched[r.Broker] = upTo
		switch {
		case err != nil:
			w.c.giveUp(fmt.Sprintf("%s on broker %d: %v", p.tp, r.Broker, err))
		case a != b:
			offset := max(from, firstOf(a, b))
			ruling := p.excuseDiffering(a, b, offset)
			if ruling.excused {
				w.c.excused(&p.partition, offset, ruling.reason)
				continue // until the follower has followed
			}
			p.matched[r.Broker] = to // told once
			w.c.found(&p.partition, int64(r.Broker), offset, at, fmt.Sprintf(
				"below the high watermark, %s differs: %s on leader %d, %s on broker %d, at %s", p.tp, a, leader.Broker, b, r.Broker, clock(at)), ruling.against...)
		}
	}
}

// String tells a batch in a few words.
func (b BatchID) String() string {
	if b == (BatchID{}) {
		return "nothing"
	}
	return fmt.Sprintf("offsets %d to %d of epoch %d (CRC %08x)", b.BaseOffset, b.LastOffset, b.LeaderEpoch, b.CRC)
}

// firstOf is the offset from which on two logs differ that hold a and b next,
// one of which may be nothing.
func firstOf(a, b BatchID) int64 {
	switch (BatchID{}) {
	case a:
		return b.BaseOffset
	case b:
		return a.BaseOffset
	}
	return min(a.BaseOffset, b.BaseOffset)
}

// excuseDiffering decides about a follower that holds b where its leader holds a,
// both committed once: an election took b, which the follower has not followed
// yet. It is the one that began the epoch of a, or one between the epochs of the
// two that cut below them, or, if a is of an older epoch than b, one that made a
// leader of somebody who had a already. Batches of the same epoch never differ. A follower that holds nothing there is just cutting
// what it held: any of these elections may be what it follows.
func (p *watched) excuseDiffering(a, b BatchID, offset int64) *ruling {
	ruled := &ruling{}
	cut := b == BatchID{}
	if cut {
		b.LeaderEpoch = None
	}
	if a == (BatchID{}) || a.LeaderEpoch == b.LeaderEpoch {
		return ruled
	}
	for i := range p.elect {
		e := &p.elect[i]
		if e.epoch <= b.LeaderEpoch || e.epoch < a.LeaderEpoch && !e.cuts(offset) {
			continue
		}
		r := p.excuseAt(e, offset, -1)
		if r.excused {
			return r
		}
		ruled.against = append(ruled.against, r.against...)
		if e.epoch >= a.LeaderEpoch && a.LeaderEpoch > b.LeaderEpoch && !cut {
			break
		}
	}
	return ruled
}

// compareBatches returns how many batches that begin in [from, to) it compared,
// the offset up to which they are the same, and the first pair that differs
// (equal values if none does).
func compareBatches(a, b LogView, from, to int64) (n, upTo int64, x, y BatchID, err error) {
	upTo = from
	var want []BatchID
	if err = a.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		want = append(want, id)
		return true
	}); err != nil {
		return
	}
	i := 0
	err = b.Batches(from, math.MaxInt64, func(id BatchID) bool {
		if id.BaseOffset >= to {
			return false
		}
		n++
		if i >= len(want) || want[i] != id {
			if y = id; i < len(want) {
				x = want[i]
			}
			return false
		}
		upTo = id.LastOffset + 1
		i++
		return true
	})
	if err == nil && x == y && i < len(want) {
		x = want[i]
	}
	return
}
