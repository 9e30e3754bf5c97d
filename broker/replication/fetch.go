package replication

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
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
	bytes  int32        // read so far
	urgent bool         // something must be told at once
}

func (p *FetchParams) follower() bool { return p.ReplicaID >= 0 }

// Fetch answers a consumer's or a follower's fetch, waiting for data as its
// parameters say. Results are in the order of parts.
func (m *Manager) Fetch(params FetchParams, parts []FetchPartition) []FetchResult {
	results := make([]FetchResult, len(parts))
	deadline := m.e.Now() + params.MaxWait
	round := fetchRound{m: m, params: &params, first: true, wait: params.MaxWait > 0 && params.MinBytes > 0}
	for {
		for i := range parts {
			round.look(&parts[i], &results[i])
		}
		if round.urgent || round.bytes >= params.MinBytes || round.waiter == nil {
			break
		}
		left := deadline - m.e.Now()
		more := left > 0 && round.waiter.more.Wait(left)
		round.waiter.over.Store(true)
		// The last look is after the wait even if it was in vain: the high
		// watermark told is never older than the answer.
		round = fetchRound{m: m, params: &params, wait: more}
	}
	if round.waiter != nil {
		round.waiter.over.Store(true)
	}
	return results
}

func fetchError(code int16) FetchResult {
	return FetchResult{ErrorCode: code, HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, LeaderID: -1, LeaderEpoch: -1}
}

// look fills in one partition's result.
func (r *fetchRound) look(req *FetchPartition, result *FetchResult) {
	p := r.m.partition(req.TP)
	if p == nil || !req.TopicID.IsZero() && req.TopicID != p.topicID {
		*result, r.urgent = fetchError(r.m.missing(req.TP)), true
		return
	}
	p.mu.Lock()
	*result = p.examine(r, req)
	if result.ErrorCode != 0 || result.Diverging {
		r.urgent = true
		p.mu.Unlock()
		return
	}
	epoch, log := p.leading.Load(), p.log
	upTo := result.HighWatermark
	if r.params.follower() {
		upTo = p.state.Log().End
	}
	room := min(req.MaxBytes, r.params.MaxBytes-r.bytes)
	minOne := r.bytes == 0
	read := req.FetchOffset < upTo && (room > 0 || minOne)
	if r.wait && !r.urgent && r.bytes < r.params.MinBytes && (!read || r.params.MinBytes > 1) {
		p.enlist(r)
	}
	p.mu.Unlock()
	if !read {
		return
	}
	lend := r.params.Lend
	if lend == nil {
		lend = func(n int) []byte { return make([]byte, n) }
	}
	records, err := log.ReadInto(lend, req.FetchOffset, upTo, max(room, 0), minOne)
	// What was read without the lock counts only if nobody can have cut the
	// log meanwhile (KAFKA-18723).
	if p.leading.Load() != epoch {
		*result, r.urgent = fetchError(kerr.NotLeaderForPartition.Code), true
		return
	}
	if err != nil {
		*result, r.urgent = p.readError(err), true
		return
	}
	result.Records = records
	r.bytes += int32(len(records))
}

// enlist makes the fetch hear of what it waits for here.
func (p *partition) enlist(r *fetchRound) {
	if r.waiter == nil {
		r.waiter = &fetchWaiter{more: r.m.e.NewSignal()}
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
	if code := p.checkEpoch(req.CurrentLeaderEpoch); code != 0 {
		return p.fetchRefusal(code)
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
			Offset: req.FetchOffset, LastEpoch: req.LastFetchedEpoch, FoundEpoch: foundEpoch, FoundEnd: foundEnd,
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
	result := FetchResult{HighWatermark: s.HighWatermark(), LastStableOffset: s.HighWatermark(),
		LogStartOffset: s.Log().Start, LeaderID: -1, LeaderEpoch: -1}
	if diverging {
		result.Diverging, result.DivergingEpoch, result.DivergingEnd = true, foundEpoch, foundEnd
	}
	return result
}

// epochEnd is Log.EpochEnd, answered from memory for the epoch most often asked.
func (p *partition) epochEnd(epoch int32) (int32, int64) {
	if ends := p.state.Log(); epoch == ends.Epoch {
		return epoch, ends.End
	}
	return p.log.EpochEnd(epoch)
}

// checkEpoch fences a request by the epoch its sender believes in; -1 skips that.
func (p *partition) checkEpoch(epoch int32) int16 {
	switch {
	case p.gone || p.leading.Load() < 0:
		return kerr.NotLeaderForPartition.Code
	case epoch < 0 || epoch == p.state.LeaderEpoch():
		return 0
	case epoch < p.state.LeaderEpoch():
		return kerr.FencedLeaderEpoch.Code
	}
	return kerr.UnknownLeaderEpoch.Code
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
