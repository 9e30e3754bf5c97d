package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
)

// ErrOutOfRange is the reason of a PartitionError: the log does not hold the
// position, and the policy is not to move it.
var ErrOutOfRange = errors.New("offset out of range")

// TruncatedError is the reason of a PartitionError: records that this consumer
// has read are no longer in the log (KIP-320).
type TruncatedError struct {
	Position  int64 // was the next offset to read
	Divergent int64 // the log agrees with what was read up to here, -1 if not known
	Epoch     int32 // leader epoch of the last record read
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("log truncated: read up to offset %d in leader epoch %d, but the log agrees only up to %d", e.Position, e.Epoch, e.Divergent)
}

// PartitionError is a condition of one partition, reported by Poll.
type PartitionError struct {
	TopicPartition
	Err error
}

// PartitionRecords is what one Poll returns of one partition.
type PartitionRecords struct {
	TopicPartition
	// Session changes whenever the position is set other than by reading on:
	// by assignment, Seek, reset, or after truncation.
	Session int64
	// Position was the next offset to read before, Next is it now. Both move
	// past control records and records of aborted transactions.
	Position, Next int64
	// HighWatermark is the broker's as of the fetch (with ReadCommitted, the
	// last stable offset).
	HighWatermark int64
	Records       []ConsumedRecord
}

// Batch is what one Poll returns.
type Batch struct {
	Partitions []PartitionRecords
	Errors     []PartitionError
}

// Len is the number of records.
func (b *Batch) Len() int {
	n := 0
	for i := range b.Partitions {
		n += len(b.Partitions[i].Records)
	}
	return n
}

// Consumer reads partitions. Fetching runs ahead of Poll until
// max.partition.fetch.bytes of a partition are buffered. Its methods may be called from any task, but Poll from
// one at a time.
type Consumer struct {
	c   *Client
	e   env.Env
	cfg ConsumerConfig
	own purpose // of this consumer's fetch connections

	mu       env.Mutex // guards what follows
	changed  env.Cond  // Poll may have something to return
	parts    []*position
	fetchers map[int32]*fetcher
	order    []*fetcher // in the order they came into use
	errs     []PartitionError
	turn     int
	sessions int64
	stopped  bool
	group    *membership
}

// stage says what a position needs before it can be fetched from.
type stage int8

const (
	wantCommitted stage = iota // the group's committed offset
	wantReset                  // the offset that the reset policy says
	wantValid                  // a check against the new leader (KIP-320)
	ready
	halted // waits for Seek
)

// position is where a consumer is in one partition. The consumer's lock guards
// it.
type position struct {
	tp      TopicPartition
	session int64
	stage   stage
	locator bool  // a task is at work on the stage
	resetTo int64 // timestamp to list, with wantReset

	next       int64 // to be returned by Poll
	nextEpoch  int32 // leader epoch of the record before, -1 if not known
	fetch      int64 // to be fetched: behind what is buffered
	fetchEpoch int32
	chunks     []chunk
	buffered   int

	leader      int32
	leaderEpoch int32
	near        int32         // replica that the leader has sent the consumer to, -1 for none
	nearUntil   time.Duration // when the leader is to be asked again
	retryAt     time.Duration
	failures    int32
}

// source is the broker to fetch a position from.
func (pt *position) source() int32 {
	if pt.near >= 0 {
		return pt.near
	}
	return pt.leader
}

// NewConsumer makes a consumer without partitions: Assign or Subscribe next.
func (c *Client) NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.consumers++
	own := forFetch + purpose(c.consumers)
	c.mu.Unlock()
	k := &Consumer{c: c, e: c.e, cfg: cfg, own: own, mu: c.e.NewMutex(), fetchers: map[int32]*fetcher{}}
	k.changed = c.e.NewCond(k.mu)
	c.addWatcher(k)
	return k, nil
}

// Assign replaces the partitions to read. Those that were assigned before keep
// their positions. New ones start at the group's committed offset if there is
// a group and one is committed, else where the reset policy says.
func (k *Consumer) Assign(parts []TopicPartition) {
	for _, tp := range parts {
		k.c.want(tp.Topic)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.assign(parts)
}

// assign is Assign with the lock held.
func (k *Consumer) assign(parts []TopicPartition) {
	sorted := slices.SortedFunc(slices.Values(parts), TopicPartition.Compare)
	sorted = slices.Compact(sorted)
	next := make([]*position, 0, len(sorted))
	for _, tp := range sorted {
		if pt := k.find(tp); pt != nil {
			next = append(next, pt)
			continue
		}
		pt := &position{tp: tp, stage: wantCommitted, leader: -1, leaderEpoch: -1, near: -1}
		if k.cfg.Group == "" {
			pt.stage = wantReset
		}
		k.moved(pt, -1, -1)
		next = append(next, pt)
	}
	for _, pt := range k.parts {
		if !slices.Contains(next, pt) {
			pt.session = -1 // whatever is under way for it is void
		}
	}
	k.parts = next
	for _, pt := range next {
		k.advance(pt)
	}
}

// Assigned lists the partitions being read, in order.
func (k *Consumer) Assigned() []TopicPartition {
	k.mu.Lock()
	defer k.mu.Unlock()
	parts := make([]TopicPartition, len(k.parts))
	for i, pt := range k.parts {
		parts[i] = pt.tp
	}
	return parts
}

// Seek sets the offset to read next of an assigned partition. It reports false
// if the partition is not assigned.
func (k *Consumer) Seek(tp TopicPartition, offset int64) bool {
	return k.seek(tp, func(pt *position) {
		pt.stage = ready
		k.moved(pt, offset, -1)
	})
}

// SeekTime sets the position to the first record at or after a timestamp (ms),
// or to TimestampEarliest or TimestampLatest.
func (k *Consumer) SeekTime(tp TopicPartition, timestamp int64) bool {
	return k.seek(tp, func(pt *position) {
		pt.stage = wantReset
		pt.resetTo = timestamp
		k.moved(pt, -1, -1)
	})
}

func (k *Consumer) seek(tp TopicPartition, set func(*position)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	pt := k.find(tp)
	if pt == nil {
		return false
	}
	set(pt)
	k.advance(pt)
	return true
}

// Position is the offset to be read next and the leader epoch of the record
// before it; -1 where not known.
func (k *Consumer) Position(tp TopicPartition) (offset int64, leaderEpoch int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pt := k.find(tp); pt != nil && pt.stage >= wantValid {
		return pt.next, pt.nextEpoch
	}
	return -1, -1
}

func (k *Consumer) find(tp TopicPartition) *position {
	i, found := slices.BinarySearchFunc(k.parts, tp, func(pt *position, tp TopicPartition) int { return pt.tp.Compare(tp) })
	if !found {
		return nil
	}
	return k.parts[i]
}

// moved sets a position other than by reading on. The lock is held.
func (k *Consumer) moved(pt *position, offset int64, epoch int32) {
	k.sessions++
	pt.session = k.sessions
	pt.next, pt.nextEpoch = offset, epoch
	k.rewind(pt)
	pt.locator = false
	pt.retryAt, pt.failures = 0, 0
}

// rewind drops what is buffered but not returned yet. The lock is held.
func (k *Consumer) rewind(pt *position) {
	pt.fetch, pt.fetchEpoch = pt.next, pt.nextEpoch
	pt.chunks, pt.buffered = nil, 0
}

// report has Poll return an error. The lock is held.
func (k *Consumer) report(pt *position, err error) {
	k.errs = append(k.errs, PartitionError{pt.tp, err})
	k.changed.Broadcast()
}

// Poll returns what has arrived, waiting up to timeout for it. It returns
// early with an empty batch once the consumer is closed.
func (k *Consumer) Poll(timeout time.Duration) Batch {
	var batch Batch
	k.poll(timeout, func() bool {
		batch = k.collect()
		return len(batch.Partitions)+len(batch.Errors) > 0
	})
	if n := batch.Len(); n > 0 {
		k.e.Work("client.record", int64(n))
	}
	return batch
}

// poll calls collect, with the lock held, until it has something to return.
func (k *Consumer) poll(timeout time.Duration, collect func() bool) {
	end := k.e.Now() + timeout
	k.mu.Lock()
	defer k.mu.Unlock()
	for !collect() && !k.stopped {
		left := end - k.e.Now()
		if left <= 0 {
			return
		}
		k.changed.WaitTimeout(left)
	}
}

// collect takes up to MaxPollRecords from the buffers. The lock is held.
func (k *Consumer) collect() Batch {
	var batch Batch
	batch.Errors, k.errs = k.errs, nil
	room := k.cfg.MaxPollRecords
	if k.turn++; k.turn >= len(k.parts) {
		k.turn = 0
	}
	for i := range k.parts {
		if room == 0 {
			break
		}
		pt := k.parts[(i+k.turn)%len(k.parts)]
		if len(pt.chunks) == 0 || pt.stage == halted {
			continue
		}
		got := PartitionRecords{TopicPartition: pt.tp, Session: pt.session, Position: pt.next}
		err := k.take(pt, &got, room)
		room -= len(got.Records)
		if got.Next > got.Position {
			batch.Partitions = append(batch.Partitions, got)
		}
		if err != nil {
			batch.Errors = append(batch.Errors, PartitionError{pt.tp, err})
		}
		k.advance(pt)
	}
	return batch
}

// take decodes up to room records of one partition. The lock is held.
func (k *Consumer) take(pt *position, got *PartitionRecords, room int) error {
	got.Next = pt.next
	for len(pt.chunks) > 0 && len(got.Records) < room {
		c := &pt.chunks[0]
		got.HighWatermark = c.wm
		r := ConsumedRecord{Topic: pt.tp.Topic, Partition: pt.tp.Partition}
		end, ok, err := c.next(pt.next, &r)
		if err != nil {
			return k.spoiled(pt, err)
		}
		pt.next, got.Next = end, end
		if ok {
			pt.nextEpoch = r.LeaderEpoch
			got.Records = append(got.Records, r)
			continue
		}
		k.drop(pt)
	}
	return nil
}

// drop removes a partition's first chunk, which has been read. The lock is
// held.
func (k *Consumer) drop(pt *position) {
	pt.buffered -= pt.chunks[0].size
	pt.chunks = slices.Delete(pt.chunks, 0, 1)
}

// spoiled gives up what is buffered of a partition: what is behind a bad batch
// cannot be trusted to be in place. The lock is held.
func (k *Consumer) spoiled(pt *position, err error) error {
	k.rewind(pt)
	pt.retryAt = k.e.Now() + k.c.cfg.RetryBackoffMax
	return err
}

// Commit makes at most one attempt on the wire to commit offsets in the group,
// as its member if the consumer is one. See Client.CommitOffsets.
func (k *Consumer) Commit(offsets []OffsetCommit, timeout time.Duration) CommitResult {
	k.mu.Lock()
	who := nobody
	if k.group != nil {
		who = k.group.who
	}
	k.mu.Unlock()
	r := k.c.commit(k.cfg.Group, who, offsets, timeout)
	r.Generation = max(0, who.generation)
	return r
}

// CommitPositions commits the positions of all assigned partitions: that is,
// everything Poll has returned.
func (k *Consumer) CommitPositions(timeout time.Duration) CommitResult {
	offsets := k.Positions()
	if len(offsets) == 0 {
		return CommitResult{Outcome: OutcomeOK, Broker: -1}
	}
	return k.Commit(offsets, timeout)
}

// Positions are those of all assigned partitions that are known: what
// CommitPositions commits.
func (k *Consumer) Positions() []OffsetCommit {
	k.mu.Lock()
	defer k.mu.Unlock()
	var offsets []OffsetCommit
	for _, pt := range k.parts {
		if pt.stage >= wantValid && pt.next >= 0 {
			offsets = append(offsets, OffsetCommit{TopicPartition: pt.tp, Offset: pt.next, LeaderEpoch: pt.nextEpoch})
		}
	}
	return offsets
}

// Close stops reading and leaves the group. It does not commit.
func (k *Consumer) Close() {
	k.c.removeWatcher(k)
	k.mu.Lock()
	if k.stopped {
		k.mu.Unlock()
		return
	}
	k.stopped = true
	k.changed.Broadcast()
	for _, f := range k.order {
		f.wake.Broadcast()
	}
	group := k.group
	if group != nil {
		group.wake.Broadcast()
	}
	k.mu.Unlock()
	if group != nil {
		group.task.Wait()
	}
	k.c.disconnect(k.own)
}
