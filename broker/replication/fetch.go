package replication

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// fetchWaiter is a fetch that waits for any of its partitions to have more.
// It stands in the list of each of them until that list is woken, or until
// somebody needs its place after it is over.
type fetchWaiter struct {
	more env.Signal
	over atomic.Bool
}

// wake wakes a list of waiting fetches and empties it.
func wake(list []*fetchWaiter) []*fetchWaiter {
	for _, w := range list {
		w.more.Set()
	}
	clear(list)
	return list[:0]
}

func enlist(list []*fetchWaiter, w *fetchWaiter) []*fetchWaiter {
	for i := range list {
		if list[i].over.Load() {
			list[i] = w
			return list
		}
	}
	return append(list, w)
}

// fetchRound is one look at all partitions of a fetch.
type fetchRound struct {
	m      *Manager
	params *FetchParams
	first  bool         // a follower's fetch counts once
	wait   bool         // there is time left to wait
	waiter *fetchWaiter // made when first needed
	bytes  int64        // there is so much to read
	urgent bool         // something must be told at once
}

// fetchRange is what one partition of a fetch has to read.
type fetchRange struct {
	p     *partition
	term  int64 // of the replica, when this was looked up
	upTo  int64
	bytes int64 // that this is, at most what the request takes of it; 0 if there is nothing

	throttled bool // what is read counts for the rate of throttled partitions
}

// FetchMemory is memory for one fetch after the other.
type FetchMemory struct {
	results []FetchResult
	ranges  []fetchRange
}

func (m *FetchMemory) take(n int) ([]FetchResult, []fetchRange) {
	if n > cap(m.results) {
		m.results, m.ranges = make([]FetchResult, n), make([]fetchRange, n)
	}
	m.results, m.ranges = m.results[:n], m.ranges[:n]
	return m.results, m.ranges
}

// Release lets go of what the latest results refer to.
func (m *FetchMemory) Release() {
	clear(m.results)
	clear(m.ranges)
	m.results, m.ranges = m.results[:0], m.ranges[:0]
}

func (p *FetchParams) follower() bool { return p.ReplicaID >= 0 }

// noRoomPause is how long a fetch waits that finds no room for its answer.
const noRoomPause = 20 * time.Millisecond

// Fetch answers a consumer's or a follower's fetch, waiting for data as its
// parameters say. Results are in the order of parts. What there is is counted
// until it is enough, and then read once.
func (m *Manager) Fetch(params FetchParams, parts []FetchPartition) []FetchResult {
	params.MaxBytes = min(params.MaxBytes, m.cfg.FetchMaxBytes)
	if params.Memory == nil {
		params.Memory = &FetchMemory{}
	}
	results, ranges := params.Memory.take(len(parts))
	deadline := m.e.Now() + params.MaxWait
	round := fetchRound{m: m, params: &params, first: true, wait: params.MaxWait > 0 && params.MinBytes > 0}
	for {
		for i := range parts {
			ranges[i] = fetchRange{}
			round.look(&parts[i], &results[i], &ranges[i])
		}
		m.e.Work("fetch.partition", int64(len(parts)))
		// A long poll may be answered with nothing at any time.
		if round.urgent || round.enough() || round.waiter == nil || m.lab.Rare("replication/poll-unwaited") {
			break
		}
		left := deadline - m.e.Now()
		more := left > 0 && round.waiter.more.Wait(left)
		round.waiter.over.Store(true)
		// The last look is after the wait even if it was in vain: the high
		// watermark told is never older than the answer.
		round = fetchRound{m: m, params: &params, wait: more && params.Await == nil}
	}
	if round.waiter != nil {
		round.waiter.over.Store(true)
	}
	if params.Await == nil && round.bytes > 0 && !m.read(&params, parts, results, ranges) && params.MaxWait > 0 {
		m.stopping.Wait(min(max(deadline-m.e.Now(), 0), noRoomPause))
	}
	for i := range results {
		if len(results[i].Aborted) > 0 && !round.first && planted.Is("waited-without-aborted") {
			results[i].Aborted = nil
		}
	}
	return results
}

// enough reports whether there is as much to read as the request waits for. A
// request whose answer cannot be that large does not wait for more than that.
func (r *fetchRound) enough() bool {
	return r.bytes >= min(int64(r.params.MinBytes), max(int64(r.params.MaxBytes), 1))
}

func fetchError(code int16) FetchResult {
	return FetchResult{ErrorCode: code, HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, LeaderID: -1, LeaderEpoch: -1,
		PreferredReplica: -1, RemoveBelow: -1}
}

// look fills in one partition's result but for the records, and says what there
// is to read.
func (r *fetchRound) look(req *FetchPartition, result *FetchResult, what *fetchRange) {
	p := r.m.partition(req.TP)
	if p == nil || !req.TopicID.IsZero() && req.TopicID != p.topicID {
		*result, r.urgent = fetchError(r.m.missing(req.TP)), true
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	told := int64(-1)
	if !r.first {
		told = result.RemoveBelow
	}
	*result = p.examine(r, req)
	if result.ErrorCode != 0 || result.Diverging || result.PreferredReplica >= 0 {
		r.urgent = true
		return
	}
	if r.params.follower() && r.m.cfg.RackAware && p.state.Tell(r.params.ReplicaID) {
		r.urgent = true
	}
	result.RemoveBelow = max(result.RemoveBelow, told)
	upTo := result.HighWatermark
	switch {
	case r.params.follower():
		upTo = p.state.Log().End
	case !r.first && upTo < p.state.Log().End && planted.Is("limit-read-again"):
		upTo = p.state.Log().End
	case p.leading.Load() < 0 && upTo < p.state.Log().End && planted.Is("follower-serves-its-end"):
		upTo = p.state.Log().End
	case r.params.ReadCommitted:
		upTo = result.LastStableOffset
	}
	throttled := r.params.follower() && p.throttled.leader
	if req.FetchOffset < upTo && (!throttled || !p.holdsBack(r.params.ReplicaID)) {
		end := upTo
		if req.Until > 0 {
			end = min(end, max(req.Until, req.FetchOffset+1))
		}
		bytes := min(p.log.Extent(req.FetchOffset, end), max(int64(req.MaxBytes), 1))
		*what = fetchRange{p: p, term: p.term.Load(), upTo: upTo, bytes: bytes, throttled: throttled}
		r.bytes += bytes
	}
	if r.wait && !r.urgent && !r.enough() {
		p.enlist(r)
	}
}

// read fills in the records. It reports false if the server has no room for any.
//
// Partitions are read in the order of the request until the answer is full,
// except that those with little to read have their room kept for them: a busy
// partition cannot keep a quiet one waiting, wherever in the request they are.
// The first with anything gets a batch in any case, so that asking for it first
// is sure to bring one on.
func (m *Manager) read(params *FetchParams, parts []FetchPartition, results []FetchResult, ranges []fetchRange) bool {
	total, busy := int64(0), int64(0)
	for i := range ranges {
		if ranges[i].bytes > 0 {
			total, busy = total+ranges[i].bytes, busy+1
		}
	}
	room := max(min(int64(params.MaxBytes), total), 1)
	if params.Reserve != nil {
		room = int64(params.Reserve(int(min(room, 1<<20)), int(room)))
	}
	if room <= 0 {
		return false
	}
	share, kept := room/busy, int64(0)
	for i := range ranges {
		if ranges[i].bytes <= share {
			kept += ranges[i].bytes
		}
	}
	lent := memory{lend: params.Lend, want: min(room, total)}
	read := false
	for i := range ranges {
		what := &ranges[i]
		if what.bytes == 0 {
			continue
		}
		if what.bytes <= share {
			kept -= what.bytes
		}
		limit := min(int64(parts[i].MaxBytes), room-kept)
		if parts[i].Until > 0 {
			limit = min(limit, what.bytes)
		}
		// What is not in this answer is asked for again.
		if limit <= 0 && read || m.lab.Rare("replication/partition-left-out") {
			continue
		}
		n := what.p.read(&results[i], lent.take, parts[i].FetchOffset, what, int32(max(limit, 0)), !read, params.ReadCommitted && !params.follower())
		room -= n
		read = read || n > 0
		if what.throttled && n > 0 {
			m.giving.record(n)
		}
	}
	return true
}

// holdsBack reports whether the leader gives a follower nothing now of a throttled
// partition. One that is in sync stays so, however fast the partition grows
// (Kafka's ReplicaManager.shouldLeaderThrottle). mu is held.
func (p *partition) holdsBack(follower int32) bool {
	return !slices.Contains(p.state.ISR(), follower) && p.m.giving.exceeded()
}

// read reads the records of one partition and returns how many bytes.
func (p *partition) read(result *FetchResult, lend func(int) []byte, offset int64, what *fetchRange, maxBytes int32, minOne, committed bool) int64 {
	// No lock is held: the replica may lose its role, and its log be cut.
	if d := p.m.lab.Late("replication/read-late", time.Second); d > 0 {
		p.m.stopping.Wait(d)
	}
	var records []byte
	var aborted []storage.AbortedTransaction
	var err error
	if committed {
		records, aborted, err = p.log.ReadCommittedInto(lend, offset, what.upTo, maxBytes, minOne)
	} else {
		records, err = p.log.ReadInto(lend, offset, what.upTo, maxBytes, minOne)
	}
	// What was read without the lock counts only if nobody can have cut the
	// log meanwhile (KAFKA-18723).
	if p.term.Load() != what.term && !planted.Is("bytes-of-a-later-epoch") {
		*result = fetchError(kerr.NotLeaderForPartition.Code)
		return 0
	}
	if err != nil {
		*result = p.readError(err)
		return 0
	}
	result.Records, result.Aborted = records, aborted
	return int64(len(records))
}

// memory lends a fetch its memory in few pieces, however many partitions it has.
type memory struct {
	lend func(n int) []byte
	want int64 // so much is expected to be needed yet
	left []byte
}

// memoryPieceBytes is the smallest piece worth lending while more is wanted.
const memoryPieceBytes = 16 << 10

func (m *memory) take(n int) []byte {
	if n > len(m.left) {
		size := max(n, int(min(m.want, memoryPieceBytes)))
		if m.lend != nil {
			m.left = m.lend(size)
		} else {
			m.left = make([]byte, size)
		}
	}
	m.want -= int64(n)
	out := m.left[:n:n]
	m.left = m.left[n:]
	return out
}

// enlist makes the fetch hear of what it waits for here.
func (p *partition) enlist(r *fetchRound) {
	if r.waiter == nil {
		r.waiter = &fetchWaiter{more: r.params.Await}
		if r.params.Await == nil {
			r.waiter.more = r.m.e.NewSignal()
		}
	}
	if r.params.follower() {
		p.followers = enlist(p.followers, r.waiter)
	} else {
		p.consumers = enlist(p.consumers, r.waiter)
	}
}

// examine checks a fetch against the replica's state and, if it is a
// follower's, lets the state take it in.
func (p *partition) examine(r *fetchRound, req *FetchPartition) FetchResult {
	if r.params.follower() && req.CurrentLeaderEpoch != p.state.LeaderEpoch() && planted.Is("fetch-of-any-epoch") {
		req.CurrentLeaderEpoch = p.state.LeaderEpoch()
	}
	code := p.checkReadable(req.CurrentLeaderEpoch)
	if code == 0 && !r.params.AnyReplica {
		code = p.checkEpoch(req.CurrentLeaderEpoch)
	}
	if code != 0 {
		return p.fetchRefusal(code)
	}
	if r.m.cfg.RackAware && r.params.AnyReplica {
		if id := p.state.Nearest(r.params.Rack, req.FetchOffset); id >= 0 {
			result := p.marks()
			result.PreferredReplica = id
			return result
		}
	}
	diverging := false
	foundEpoch, foundEnd := req.LastFetchedEpoch, int64(0)
	if r.first && req.LastFetchedEpoch >= 0 {
		foundEpoch, foundEnd = p.epochEnd(req.LastFetchedEpoch)
		diverging = foundEpoch < req.LastFetchedEpoch || foundEnd < req.FetchOffset
	}
	s := p.state
	switch {
	case r.first && r.params.follower():
		p.out = s.Fetch(p.m.e.Now(), FollowerFetch{
			Replica: r.params.ReplicaID, BrokerEpoch: r.params.ReplicaEpoch, LeaderEpoch: req.CurrentLeaderEpoch,
			Offset: req.FetchOffset, Start: req.LogStartOffset, LastEpoch: req.LastFetchedEpoch, FoundEpoch: foundEpoch, FoundEnd: foundEnd,
		}, p.out)
		verdict := p.out[0]
		p.carryOut()
		switch verdict.Kind {
		case OutReject:
			return p.fetchRefusal(verdict.Code)
		case OutDiverging:
			diverging = true
		}
	case req.FetchOffset < s.Log().Start || !diverging && req.FetchOffset > s.Log().End:
		return p.fetchRefusal(kerr.OffsetOutOfRange.Code)
	}
	result := p.marks()
	if r.params.follower() {
		result.RemoveBelow = p.tellClaims(r, req)
	}
	if diverging {
		result.Diverging, result.DivergingEpoch, result.DivergingEnd = true, foundEpoch, foundEnd
	}
	return result
}

// marks is the result of a fetch but for the records.
func (p *partition) marks() FetchResult {
	mark := p.state.HighWatermark()
	result := fetchError(0)
	result.HighWatermark, result.LastStableOffset, result.LogStartOffset = mark, p.log.LastStableOffset(mark), p.state.Log().Start
	return result
}

// epochEnd is Log.EpochEnd, answered from memory for the epoch most often asked.
func (p *partition) epochEnd(epoch int32) (int32, int64) {
	if ends := p.state.Log(); epoch == ends.Epoch {
		return epoch, ends.End
	}
	found, end := p.log.EpochEnd(epoch)
	if found != epoch && planted.Is("end-without-epoch") {
		found = epoch
	}
	return found, end
}

// checkEpoch fences a request by the epoch its sender believes in; -1 skips that.
// Who believes in another epoch learns that first, of a follower too, as from
// Kafka's Partition.checkCurrentLeaderEpoch.
func (p *partition) checkEpoch(epoch int32) int16 {
	code := p.checkReadable(epoch)
	if code == 0 && p.leading.Load() < 0 {
		return kerr.NotLeaderForPartition.Code
	}
	return code
}

// checkReadable is checkEpoch for whom a follower may answer too (KIP-392).
func (p *partition) checkReadable(epoch int32) int16 {
	switch {
	case p.gone:
		return kerr.NotLeaderForPartition.Code
	case p.dir().offline():
		return kerr.KafkaStorageError.Code
	case epoch >= 0 && epoch < p.state.LeaderEpoch():
		return kerr.FencedLeaderEpoch.Code
	case epoch > p.state.LeaderEpoch():
		return kerr.UnknownLeaderEpoch.Code
	case p.leading.Load() < 0 && p.state.Role() != RoleFollower:
		return kerr.NotLeaderForPartition.Code
	}
	return 0
}

// fetchRefusal is an error with what helps its receiver on.
func (p *partition) fetchRefusal(code int16) FetchResult {
	result := fetchError(code)
	switch code {
	case kerr.NotLeaderForPartition.Code, kerr.FencedLeaderEpoch.Code:
		if s := p.state; s.Leader() >= 0 {
			result.LeaderID, result.LeaderEpoch = s.Leader(), s.LeaderEpoch()
		}
	case kerr.OffsetOutOfRange.Code:
		result.HighWatermark, result.LogStartOffset = p.state.HighWatermark(), p.state.Log().Start
	}
	return result
}

// readError answers a failed read of the log.
func (p *partition) readError(err error) FetchResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	var corrupt *storage.CorruptError
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return p.fetchRefusal(kerr.OffsetOutOfRange.Code)
	case errors.As(err, &corrupt):
		p.check("read", err)
		return fetchError(kerr.CorruptMessage.Code)
	}
	p.check("read", err)
	return fetchError(kerr.KafkaStorageError.Code)
}

// awaitHighWatermark blocks until the replica's high watermark has reached
// offset while it leads in epoch, and reports whether it has.
func (p *partition) awaitHighWatermark(epoch int32, offset func(*State) int64, timeout time.Duration) bool {
	deadline := p.m.e.Now() + timeout
	for {
		p.mu.Lock()
		if p.leading.Load() != epoch {
			p.mu.Unlock()
			return false
		}
		if p.state.HighWatermark() >= offset(p.state) {
			p.mu.Unlock()
			return true
		}
		w := &fetchWaiter{more: p.m.e.NewSignal()}
		p.consumers = enlist(p.consumers, w)
		p.mu.Unlock()
		left := deadline - p.m.e.Now()
		more := left > 0 && w.more.Wait(left)
		w.over.Store(true)
		if !more {
			return false
		}
	}
}
