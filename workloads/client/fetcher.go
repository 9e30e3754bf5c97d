package client

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// fetcher fetches from one broker, one request at a time, all positions that
// are ready and not full. The consumer's lock guards it.
type fetcher struct {
	k    *Consumer
	node int32
	wake env.Cond

	failures int32
	retryAt  time.Duration

	session fetchSession // of the task alone
}

// asked is one partition of a fetch under way. What it says must still hold
// when the answer comes, or the answer is void.
type asked struct {
	pt          *position
	session     int64
	offset      int64
	leaderEpoch int32
}

func (a *asked) valid(node int32) bool {
	pt := a.pt
	return pt.stage == ready && pt.session == a.session && pt.fetch == a.offset &&
		pt.source() == node && pt.leaderEpoch == a.leaderEpoch
}

// metadataChanged sends positions to their new leaders.
func (k *Consumer) metadataChanged() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, pt := range k.parts {
		k.advance(pt)
	}
}

// advance does what a position needs next. The lock is held.
func (k *Consumer) advance(pt *position) {
	if k.stopped {
		return
	}
	leader, epoch := k.c.leader(pt.tp)
	if epoch > pt.leaderEpoch && pt.leaderEpoch >= 0 && pt.stage == ready && pt.fetchEpoch >= 0 {
		pt.stage = wantValid
	}
	if leader != pt.leader || epoch != pt.leaderEpoch {
		pt.near = -1
	}
	pt.leader, pt.leaderEpoch = leader, epoch
	switch {
	case pt.stage == halted:
	case pt.stage != ready:
		if !pt.locator {
			pt.locator = true
			session := pt.session
			k.e.Go("client-locate", func() { k.locate(pt, session) })
		}
	case leader >= 0 && !k.full(pt):
		k.fetcher(pt.source()).wake.Signal()
	}
}

// full reports whether enough is buffered of a position.
func (k *Consumer) full(pt *position) bool { return pt.buffered >= int(k.cfg.PartitionMaxBytes) }

func (k *Consumer) fetcher(node int32) *fetcher {
	f := k.fetchers[node]
	if f == nil {
		f = &fetcher{k: k, node: node, wake: k.e.NewCond(k.mu)}
		k.fetchers[node] = f
		k.order = append(k.order, f)
		k.e.Go("client-fetch", f.run)
	}
	return f
}

func (f *fetcher) run() {
	k := f.k
	k.mu.Lock()
	for !k.stopped {
		now := k.e.Now()
		if now < f.retryAt {
			f.wake.WaitTimeout(f.retryAt - now)
			continue
		}
		parts, wait := f.due(now)
		if len(parts) == 0 {
			if wait == env.Forever {
				f.wake.Wait()
			} else {
				f.wake.WaitTimeout(wait)
			}
			continue
		}
		k.mu.Unlock()
		resp, err := k.c.once(f.node, k.own, f.request(parts), k.cfg.MaxWait+k.c.cfg.RequestTimeout)
		if err != nil {
			k.c.refresh()
		}
		k.mu.Lock()
		if err != nil {
			f.session.lost()
			f.failures++
			f.retryAt = k.e.Now() + k.c.backoff(f.failures)
			f.leave()
			continue
		}
		f.failures = 0
		f.apply(parts, resp.(*kmsg.FetchResponse))
	}
	k.mu.Unlock()
}

// due lists the partitions to fetch now, or how long until there may be one.
func (f *fetcher) due(now time.Duration) ([]asked, time.Duration) {
	k := f.k
	var parts []asked
	wait := env.Forever
	for _, pt := range k.parts {
		if pt.near >= 0 && now >= pt.nearUntil {
			k.askLeader(pt)
		}
		if pt.stage != ready || pt.source() != f.node || k.full(pt) {
			continue
		}
		if now < pt.retryAt {
			if d := pt.retryAt - now; wait == env.Forever || d < wait {
				wait = d
			}
			continue
		}
		parts = append(parts, asked{pt, pt.session, pt.fetch, pt.leaderEpoch})
	}
	return parts, wait
}

// request is a fetch request, in full unless there are sessions.
//
// Version history: 4 has isolation levels, 9 the leader epoch (KIP-320), 11
// the rack, 12 is flexible; from 13 on topics go by id.
func (f *fetcher) request(parts []asked) *kmsg.FetchRequest {
	cfg := &f.k.cfg
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(cfg.MaxWait / time.Millisecond)
	req.MinBytes = cfg.MinBytes
	req.MaxBytes = cfg.MaxBytes
	req.Rack = cfg.Rack
	if cfg.ReadCommitted {
		req.IsolationLevel = 1
	}
	for _, a := range parts { // sorted by topic, as the consumer's positions are
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != a.pt.tp.Topic {
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic = a.pt.tp.Topic
			req.Topics = append(req.Topics, topic)
		}
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition = a.pt.tp.Partition
		part.CurrentLeaderEpoch = a.leaderEpoch
		part.FetchOffset = a.offset
		part.PartitionMaxBytes = cfg.PartitionMaxBytes
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, part)
	}
	if cfg.FetchSessions {
		f.session.describe(req)
	}
	return req
}

// apply takes over a response. The lock is held.
func (f *fetcher) apply(parts []asked, resp *kmsg.FetchResponse) {
	k := f.k
	f.session.answered(resp)
	if sessionTrouble(resp.ErrorCode) {
		return // the next request begins another one
	}
	if err := errorFor(resp.ErrorCode, nil); err != nil {
		f.failures++
		f.retryAt = k.e.Now() + k.c.backoff(f.failures)
		return
	}
	next := 0 // answers usually come in the order of the request
	for t := range resp.Topics {
		topic := &resp.Topics[t]
		for i := range topic.Partitions {
			got := &topic.Partitions[i]
			for j := range parts {
				at := next + j
				if at >= len(parts) {
					at -= len(parts)
				}
				a := &parts[at]
				if a.pt.tp.Partition == got.Partition && a.pt.tp.Topic == topic.Topic {
					next = at + 1
					if a.valid(f.node) {
						f.arrived(a.pt, got)
					}
					break
				}
			}
		}
	}
}

// arrived takes over one partition's answer. The lock is held.
func (f *fetcher) arrived(pt *position, got *kmsg.FetchResponseTopicPartition) {
	k := f.k
	if got.ErrorCode != 0 && pt.near >= 0 {
		// The leader knows whether it is so: a follower may lag in all it says.
		pt.failures++
		pt.retryAt = k.e.Now() + k.c.backoff(pt.failures)
		k.askLeader(pt)
		k.c.refresh()
		return
	}
	switch got.ErrorCode {
	case 0:
		if near := got.PreferredReadReplica; near >= 0 && near != f.node {
			pt.near, pt.nearUntil = near, k.e.Now()+k.c.cfg.MetadataMaxAge
			k.advance(pt)
			return
		}
		pt.failures = 0
		f.keep(pt, got)
		return
	case kerr.OffsetOutOfRange.Code:
		if pt.fetch == pt.next {
			k.outOfRange(pt)
			return
		}
		// Once Poll has caught up it will be seen whether that is so.
	default:
		err := errorFor(got.ErrorCode, nil)
		if !retriable(err) && got.ErrorCode != kerr.UnknownServerError.Code {
			k.report(pt, fmt.Errorf("fetching offset %d from broker %d: %w", pt.fetch, f.node, err))
			pt.stage = halted
			return
		}
		k.c.refresh()
	}
	pt.failures++
	pt.retryAt = k.e.Now() + k.c.backoff(pt.failures)
}

// leave has everything that was to be read from this broker, and is led by
// another, read from its leader again. The lock is held.
func (f *fetcher) leave() {
	for _, pt := range f.k.parts {
		if pt.near == f.node {
			f.k.askLeader(pt)
		}
	}
}

// askLeader goes back to the leader of a position, which may say where else to
// go. The lock is held.
func (k *Consumer) askLeader(pt *position) {
	pt.near = -1
	k.advance(pt)
}

// keep buffers fetched batches and moves the fetch position behind them. The
// lock is held.
func (f *fetcher) keep(pt *position, got *kmsg.FetchResponseTopicPartition) {
	k := f.k
	c := chunk{data: got.RecordBatches, size: len(got.RecordBatches), wm: got.HighWatermark}
	if k.cfg.ReadCommitted {
		c.wm = got.LastStableOffset
		for _, a := range got.AbortedTransactions {
			c.aborted = append(c.aborted, abortedTransaction{a.ProducerID, a.FirstOffset})
		}
		sortAborted(c.aborted)
	}
	moved := false
	for rest := c.data; ; {
		b, whole, err := readBatch(rest, false)
		if err != nil {
			moved = true // Poll comes upon it in its place, and fetches anew
			pt.retryAt = k.e.Now() + k.c.cfg.RetryBackoffMax
			break
		}
		if !whole {
			break
		}
		rest = rest[b.bytes:]
		c.sound += b.bytes
		if b.last >= pt.fetch {
			pt.fetch, pt.fetchEpoch = b.last+1, b.leaderEpoch
			moved = true
		}
	}
	switch {
	case moved:
		pt.chunks = append(pt.chunks, c)
		pt.buffered += c.size
		k.changed.Signal()
	case c.size > 0:
		// A broker sends at least one whole batch if there is one.
		pt.failures++
		pt.retryAt = k.e.Now() + k.c.backoff(pt.failures)
		k.report(pt, fmt.Errorf("%w: broker %d answered a fetch of offset %d with %d bytes that reach no record at or after it", ErrCorrupt, f.node, pt.fetch, c.size))
	}
}
