package linearizability

import (
	"cmp"
	"fmt"
	"maps"
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
	begun  bool // Began tells of every leader

	quorum quorumWatch

	// Memory for the next picture.
	replicas []*ReplicaView
	batches  []BatchID
}

// watched is what the watcher remembers of one partition.
type watched struct {
	partition
	// true high watermark by time, ascending in both.
	high []mark
	// the highest true high watermark there ever was, lost since or not.
	peak int64
	// the leader seen in each epoch, and its high watermark then.
	leaders map[int32]leaderSeen
	// newest leader epoch seen.
	epoch int32
	// the beginnings of leader epochs that took what was committed, ascending.
	losses []loss
	// what was known to be committed when an epoch began, of those told of.
	known map[int32]int64
	// how far each broker's log has been compared with a leader's.
	matched map[int32]int64
	// why a broker's log could not be compared at the last look.
	unread map[int32]string
	// replicas seen in the last picture.
	present map[int32]bool
	// members of the ISR since the newest leader epoch began, of those told of.
	founders []int32
	// how far each follower's log has been compared with what its leader counts on.
	counted map[int32]countedUpTo
	// what each broker's log knew of itself in the last picture.
	memory map[int32]*logMemory
	// what a reader of each broker's compacted log has kept.
	kept map[int32]*kept
	// electable replicas found short, not yet confirmed, by broker.
	suspects map[int32]suspect
}

type mark struct {
	at     time.Duration
	offset int64
}

// loss is a leader epoch that began without what was committed from an offset
// on: what leaders of older epochs take for committed there is so no longer.
type loss struct {
	epoch int32
	from  int64
}

type leaderSeen struct {
	broker int32
	high   int64
	stable int64
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
	wFollowerComplete
	wSurvives
	wLogStart
	wFenced
	wLeaderInSync
	wRecoveryQuorum
	wQuorumMajority
	wQuorumOwnEpoch
	wStable
	wProgress
	wCounted
	wJoinedLife
	wJoinedStart
	wDistrusted
	wEpochCache
	wProducers
	wRemembers
	wCompacted
	wTombstones
	wQuorumVote
	wQuorumCommit
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
	wFollowerComplete:  {code: "K12", name: "whoever the leader waits for holds all that is committed", unit: "followers seen"},
	wSurvives:          {code: "K12", name: "somebody holds all that is committed", unit: "partitions seen"},
	wLogStart:          {code: "K12", name: "no log begins beyond what is committed", unit: "replicas seen"},
	wFenced:            {code: "K12", name: "no fenced broker is in an ISR", unit: "members seen"},
	wLeaderInSync:      {code: "K12", name: "a leader is in the ISR", unit: "changes of metadata"},
	wRecoveryQuorum:    {code: "K12", name: "min.insync.replicas stay relied on unless they lost something", unit: "changes of metadata"},
	wQuorumMajority:    {code: "K12", name: "a controller without a majority steps down", unit: "controllers seen"},
	wStable:            {code: "K12", name: "the last stable offset is at most the high watermark, and never falls within a leader epoch", unit: "leaders seen"},
	wProgress:          {code: "K12", name: "a leader counts on nothing that a follower has not", unit: "followers seen"},
	wCounted:           {code: "K12", name: "what a leader counts on is what it has itself", unit: "batches compared"},
	wJoinedLife:        {code: "K12", name: "whoever joins an ISR has fetched in its present life", unit: "members seen"},
	wJoinedStart:       {code: "K12", name: "whoever joins an ISR has all that its leader began with", unit: "members seen"},
	wDistrusted:        {code: "K12", name: "no broker that may have lost something is relied on for what it had", unit: "brokers registered anew"},
	wEpochCache:        {code: "K12", name: "a log's leader epochs are those of its batches", unit: "epochs seen"},
	wProducers:         {code: "K13", name: "what a log knows of a producer is what its batches say", unit: "producers seen"},
	wRemembers:         {code: "K13", name: "a log forgets no producer before its time", unit: "producers seen"},
	wCompacted:         {code: "K14", name: "who reads a cleaned log anew has what it had before", unit: "keys compared"},
	wTombstones:        {code: "K14", name: "no tombstone goes that a replica needs", unit: "replicas of tombstones seen"},
	wQuorumVote:        {code: "K12", name: "a voter votes once in an epoch", unit: "votes seen"},
	wQuorumCommit:      {code: "K12", name: "what a voter takes for committed metadata a majority has", unit: "advances seen"},
	wQuorumOwnEpoch:    {code: "K12", name: "metadata is committed through a record of the leader's own epoch", unit: "controllers seen"},
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
// may excuse what follows. Told again when it is over, the watcher learns its end.
func (w *Watcher) AddFault(f Fault) {
	same := func(o Fault) bool {
		return o.Kind == f.Kind && o.Start == f.Start && slices.Equal(o.Brokers, f.Brokers)
	}
	if i := slices.IndexFunc(w.faults, same); i >= 0 && f.End > 0 {
		w.faults[i].End = f.End
		return
	}
	if f.End == 0 && (f.Kind == PowerLoss || f.Kind == Crash) {
		f.End = math.MaxInt64 // it lasts until its end is told
	}
	w.faults = append(w.faults, f)
}

// AddPartitionState tells the watcher of a committed change of a partition's
// metadata, in the order of commitment. Pictures carry the metadata too, but
// may miss a change that is followed by another.
func (w *Watcher) AddPartitionState(s PartitionState) {
	w.addState(w.partition(TopicPartition{s.Topic, s.Partition}), s)
}

// Committed tells the watcher that a client has learned at time at that every
// record below next is committed. See [Log.OnCommitted]. It may have learned it
// from a leader that did not know yet that its epoch was over.
func (w *Watcher) Committed(tp TopicPartition, next int64, epoch int32, at time.Duration) {
	if p := w.partition(tp); !p.taken(epoch, next) {
		p.raise(at, next)
	}
}

// Began tells the watcher of a leader that begins its epoch, when it does. A
// watcher that has ever been told of one takes it that it is told of all: who
// was elected and did not begin has changed nothing.
func (w *Watcher) Began(s EpochStart) {
	w.begun = true
	p := w.partition(TopicPartition{s.Topic, s.Partition})
	p.known[s.LeaderEpoch] = p.committed()
	p.learn(s, nil)
}

// EpochStarts are the beginnings of leader epochs that the watcher was told of
// or pictures showed, for [Log.AddEpochStart].
func (w *Watcher) EpochStarts() []EpochStart {
	var all []EpochStart
	slices.SortFunc(w.order, compareTP)
	for _, tp := range w.order {
		all = append(all, w.parts[tp].starts...)
	}
	return all
}

// Verdict is what was found so far.
func (w *Watcher) Verdict() Verdict {
	for _, tp := range w.order {
		unread := w.parts[tp].unread
		for _, broker := range slices.Sorted(maps.Keys(unread)) {
			w.c.turn(wLogMatching)
			w.c.giveUp(unread[broker])
		}
	}
	return w.c.verdict()
}

func compareTP(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func (w *Watcher) partition(tp TopicPartition) *watched {
	p := w.parts[tp]
	if p == nil {
		p = &watched{leaders: map[int32]leaderSeen{}, epoch: None, known: map[int32]int64{}, matched: map[int32]int64{}, unread: map[int32]string{},
			present: map[int32]bool{}, suspects: map[int32]suspect{}, counted: map[int32]countedUpTo{}, memory: map[int32]*logMemory{}, kept: map[int32]*kept{}}
		p.tp, p.topic = tp, w.c.h.topic(tp.Topic)
		w.parts[tp] = p
		w.order = append(w.order, tp)
	}
	p.begun = w.begun
	return p
}

func (w *Watcher) addState(p *watched, s PartitionState) {
	n := len(p.states)
	if n > 0 && s.PartitionEpoch <= p.states[n-1].PartitionEpoch && s.LeaderEpoch <= p.states[n-1].LeaderEpoch {
		return
	}
	p.faults = concerning(p.tp, w.faults)
	w.leaderInSync(p, &s)
	if n > 0 {
		w.recoveryQuorum(p, &p.states[n-1], &s)
	}
	p.found(&s)
	p.states = append(p.states, s)
	p.elect = elections(&p.partition)
}

func (p *watched) raise(at time.Duration, offset int64) {
	if offset > p.committed() {
		p.high = append(p.high, mark{at, offset})
		p.peak = max(p.peak, offset)
	}
}

// committed is the true high watermark.
func (p *watched) committed() int64 {
	if n := len(p.high); n > 0 {
		return p.high[n-1].offset
	}
	return 0
}

// taken says whether the record before next, appended in a leader epoch, is one
// that the leader of a later epoch began without and was permitted to.
func (p *watched) taken(epoch int32, next int64) bool {
	if next <= p.committed() || epoch == None {
		return false // it is no news, or nobody knows
	}
	return slices.ContainsFunc(p.losses, func(l loss) bool { return l.epoch > epoch && l.from < next }) ||
		slices.ContainsFunc(p.elect, func(e election) bool {
			return e.epoch > epoch && e.start != None && e.cuts(next-1) && p.excuseAt(&e, next-1, -1).excused
		})
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
			w.addState(w.partition(TopicPartition{s.Topic, s.Partition}), s)
		}
	}
	all := w.replicas[:0]
	for i := range v.Replicas {
		all = append(all, &v.Replicas[i])
	}
	w.replicas = all
	slices.SortStableFunc(all, func(a, b *ReplicaView) int { return compareTP(a.tp(), b.tp()) })
	w.unfenced(&v)
	for len(all) > 0 {
		tp, n := all[0].tp(), 1
		for n < len(all) && all[n].tp() == tp {
			n++
		}
		p := w.partition(tp)
		p.faults = concerning(tp, w.faults)
		w.observePartition(p, all[:n], &v, current)
		all = all[n:]
	}
}

func (r *ReplicaView) tp() TopicPartition { return TopicPartition{r.Topic, r.Partition} }

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
			first, news := r.LeaderEpoch > newest, p.learn(EpochStart{Topic: p.tp.Topic, Partition: p.tp.Partition, Time: v.Time,
				LeaderEpoch: r.LeaderEpoch, Leader: r.Broker, StartOffset: r.EpochStart}, r.Log)
			had, told := p.known[r.LeaderEpoch]
			if !told {
				had, told = known, first && p.present[r.Broker]
			}
			if told && (first || news && r.LeaderEpoch == newest) {
				w.leaderComplete(p, r, had, v.Time)
			}
		}
		newest = max(newest, r.LeaderEpoch)
		if !p.taken(r.LeaderEpoch, r.HighWatermark) {
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
	w.logStarts(p, replicas, v.Time)
	w.progress(p, replicas, v)
	w.logState(p, replicas, v)
	w.compacted(p, replicas, v)
	if leader != nil {
		var state *PartitionState
		if current && len(p.states) > 0 {
			state = &p.states[len(p.states)-1]
		}
		w.followers(p, leader, replicas, v, state)
		w.logMatching(p, leader, replicas, v.Time)
	}
	if !current || len(p.states) == 0 {
		return
	}
	state := p.states[len(p.states)-1]
	if leader != nil && leader.LeaderEpoch == state.LeaderEpoch && leader.MaximalISR != nil && leader.PartitionEpoch <= state.PartitionEpoch {
		w.superset(p, leader, &state, v.Time)
	}
	if leader != nil {
		w.joined(p, leader, replicas, &state, v)
	}
	w.distrusted(p, &state, v)
	w.survives(p, replicas, &state, v.Time)
	w.candidates(p, replicas, v, &state, leader)
}
