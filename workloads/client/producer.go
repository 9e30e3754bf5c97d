package client

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// ErrDeliveryTimeout is the reason for giving up a record that was not
// acknowledged within delivery.timeout.ms. It wraps what the last attempt met
// with, if there was one.
var ErrDeliveryTimeout = errors.New("delivery timed out")

// ErrMaxBlock is the reason for refusing a record because Produce had to wait
// longer than max.block.ms.
var ErrMaxBlock = errors.New("producer buffer full")

// Producer sends records: it batches them per partition and keeps several
// requests in flight to each leader. Its methods may be called from any task.
type Producer struct {
	c   *Client
	e   env.Env
	cfg ProducerConfig

	// outstanding counts records without a result. Atomic, so that callbacks
	// need no lock.
	outstanding atomic.Int64

	mu       env.Mutex // guards what follows
	changed  env.Cond  // memory was freed, or nothing is outstanding any more
	expiring env.Cond  // a batch is due before expireAt
	topics   map[string]*producerTopic
	parts    []*partition // in the order they came into use
	senders  map[int32]*sender
	order    []*sender // in the order they came into use
	rand     *env.Rand

	buffered int64 // bytes charged to batches without a result
	blocked  int   // tasks waiting for memory
	flushing int   // tasks waiting in Flush: nothing lingers meanwhile
	stopped  bool
	fatal    error         // why the producer can never get a producer id
	txn      *transactions // nil without a transactional id

	producerID int64 // for partitions that need one; -1 while there is none
	epoch      int16
	acquiring  bool

	expireAt time.Duration // when the expirer looks next
	settled  []*batch      // finished, to be told with the lock released
}

// producerTopic is a topic's partitions, by number.
type producerTopic struct {
	parts []*partition
	next  int32 // the sticky or last partition
	stuck bool  // next is a sticky partition that has been chosen
}

// NewProducer starts a producer.
func (c *Client) NewProducer(cfg ProducerConfig) (*Producer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Producer{
		c: c, e: c.e, cfg: cfg,
		mu:         c.e.NewMutex(),
		topics:     map[string]*producerTopic{},
		senders:    map[int32]*sender{},
		rand:       c.e.Rand("client-partitioner", c.cfg.ClientID),
		producerID: -1,
	}
	if cfg.TransactionalID != "" {
		p.txn = newTransactions(p, cfg.TransactionalID)
	}
	p.changed = c.e.NewCond(p.mu)
	p.expiring = c.e.NewCond(p.mu)
	c.addWatcher(p)
	c.e.Go("client-expire", p.expireLoop)
	return p, nil
}

// Produce hands over a record and returns as soon as it is in a batch. It
// blocks up to MaxBlock for buffer memory or for the topic's first metadata.
// Key, value and headers are copied.
//
// done is called exactly once with the record and its result, mostly on one of
// the client's tasks: it must neither wait nor call Produce. Results of one
// partition arrive in the order of Produce, except for records that are given
// up.
func (p *Producer) Produce(r *Record, done func(*Record, Result)) {
	if err := p.enqueue(r, done); err != nil {
		done(r, Result{
			Outcome: OutcomeFail, Err: err, Partition: r.Partition, Offset: -1,
			LeaderID: -1, LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, Sequence: -1,
			LogAppendMillis: -1,
		})
	}
}

// ProduceSync produces one record and waits for its result.
func (p *Producer) ProduceSync(r *Record) Result {
	var result Result
	settled := p.e.NewSignal()
	p.Produce(r, func(_ *Record, res Result) {
		result = res
		settled.Set()
	})
	settled.Wait(env.Forever)
	return result
}

func (p *Producer) enqueue(r *Record, done func(*Record, Result)) error {
	p.e.Work("client.record", 1)
	ts := r.TimestampMillis
	if ts == 0 {
		ts = p.e.Wall().UnixMilli()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.topic(r.Topic)
	if err != nil {
		return err
	}
	// An upper bound: the deltas take no more than this.
	need := recordBytes(r, 1<<40, 1<<30) + 5
	if err := p.checkSize(need); err != nil {
		return err
	}
	index, sticky := r.Partition, false
	if index == PartitionAny {
		index, sticky = t.choose(p.cfg.Partitioner, r, p.rand)
	}
	if index < 0 || int(index) >= len(t.parts) {
		return errNoPartition(r.Topic, len(t.parts), index)
	}
	end := p.e.Now() + p.cfg.MaxBlock
	for {
		if p.txn != nil {
			if err := p.txn.join(TopicPartition{r.Topic, index}); err != nil {
				return err
			}
		}
		pt := t.parts[index]
		b := pt.open()
		if b != nil {
			if size := recordBytes(r, ts-b.firstTS, b.count); b.stream == nil && b.holds(size, p.cfg.BatchBytes) {
				p.outstanding.Add(1)
				b.add(r, ts, size, done)
				return nil
			}
			pt.complete(b)
		}
		if sticky {
			index, sticky = t.moveOn(p.rand), false
			continue
		}
		memory := p.batchMemory(need)
		if waited, err := p.reserve(memory, end); err != nil {
			return err
		} else if waited {
			continue // somebody else may have begun a batch meanwhile
		}
		size := recordBytes(r, 0, 0)
		p.outstanding.Add(1)
		next := newBatch(pt, max(size, p.usual(pt)))
		next.add(r, ts, size, done)
		p.begin(next, memory)
		return nil
	}
}

func errNoPartition(topic string, count int, index int32) error {
	return fmt.Errorf("topic %q has partitions 0 to %d, not %d", topic, count-1, index)
}

// checkSize refuses a record that no request can hold. need is an upper bound
// of its size in a batch.
func (p *Producer) checkSize(need int) error {
	if need+batchHeaderBytes > int(p.cfg.MaxRequestBytes) {
		return fmt.Errorf("record of %d bytes is larger than max.request.size (%d bytes)", need, p.cfg.MaxRequestBytes)
	}
	return nil
}

// batchMemory is what a batch that begins with a record is charged to
// buffer.memory: all of batch.size at once, as Kafka's BufferPool does it.
func (p *Producer) batchMemory(need int) int64 {
	return min(int64(max(int(p.cfg.BatchBytes), need+batchHeaderBytes)), p.cfg.BufferBytes)
}

// usual is how much room a partition's next batch is expected to need for
// records: as much as the batch before it, and some more.
func (p *Producer) usual(pt *partition) int {
	return min(int(p.cfg.BatchBytes)-batchHeaderBytes, pt.usualBytes+pt.usualBytes/8)
}

// begin queues a batch that has its first record. The lock is held.
func (p *Producer) begin(b *batch, memory int64) {
	pt := b.to
	now := p.e.Now()
	p.buffered += memory
	b.memory = memory
	b.ripe = now + p.cfg.Linger
	b.deadline = now + p.cfg.DeliveryTimeout
	b.ordinal = pt.nextOrdinal
	pt.nextOrdinal++
	pt.queue = append(pt.queue, b)
	if len(pt.queue) == 1 {
		pt.activate()
	}
	p.expireBy(b.deadline)
}

// topic returns a topic's partitions, waiting for metadata if they are not
// known. The lock is held, and released meanwhile.
func (p *Producer) topic(name string) (*producerTopic, error) {
	for {
		switch {
		case p.stopped:
			return nil, ErrClosed
		case p.fatal != nil:
			return nil, p.fatal
		}
		if t := p.topics[name]; t != nil {
			return t, nil
		}
		p.mu.Unlock()
		meta, err := p.c.waitTopic(name, p.cfg.MaxBlock)
		p.mu.Lock()
		if err != nil {
			return nil, err
		}
		if p.topics[name] == nil {
			p.topics[name] = &producerTopic{}
			p.grow(name, p.topics[name], len(meta.parts))
		}
	}
}

// grow makes partitions up to count. The lock is held.
func (p *Producer) grow(name string, t *producerTopic, count int) {
	for i := len(t.parts); i < count; i++ {
		pt := &partition{p: p, topic: name, index: int32(i), producerID: -1, leader: -1}
		t.parts = append(t.parts, pt)
		p.parts = append(p.parts, pt)
		p.route(pt)
	}
}

// reserve waits until n bytes of buffer memory are free, or end, and reports
// whether it had to wait. The lock is held, and released meanwhile.
func (p *Producer) reserve(n int64, end time.Duration) (waited bool, err error) {
	if p.buffered == 0 || p.buffered+n <= p.cfg.BufferBytes {
		return false, nil
	}
	p.blocked++
	defer func() { p.blocked-- }()
	p.wakeAll() // nothing lingers while somebody waits for memory
	for p.buffered > 0 && p.buffered+n > p.cfg.BufferBytes {
		left := end - p.e.Now()
		if left <= 0 {
			return true, fmt.Errorf("%w: no room for %d bytes within %s (buffer.memory is %d bytes)", ErrMaxBlock, n, p.cfg.MaxBlock, p.cfg.BufferBytes)
		}
		p.changed.WaitTimeout(left)
		if p.stopped {
			return true, ErrClosed
		}
	}
	return true, nil
}

// expireBy makes sure that the expirer looks at the instant at. The lock is
// held.
func (p *Producer) expireBy(at time.Duration) {
	if at < p.expireAt {
		p.expireAt = at
		p.expiring.Signal()
	}
}

// Flush sends what lingers and waits until no record is without a result, or
// timeout has passed; it reports whether none is.
func (p *Producer) Flush(timeout time.Duration) bool {
	end := p.e.Now() + timeout
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushing++
	defer func() { p.flushing-- }()
	p.wakeAll()
	for p.outstanding.Load() > 0 {
		left := end - p.e.Now()
		if left <= 0 {
			return false
		}
		p.changed.WaitTimeout(left)
	}
	return true
}

// Close flushes for up to timeout and then gives up what is left, before it
// returns: with OutcomeFail what was never sent or always refused, with
// OutcomeInfo the rest.
func (p *Producer) Close(timeout time.Duration) {
	p.Flush(timeout)
	p.c.removeWatcher(p)
	p.mu.Lock()
	p.stopped = true
	for _, pt := range p.parts {
		for _, b := range slices.Clone(pt.inflight) {
			b.in = nil // the answer, should it come, is no longer of interest
			b.indefinite++
			p.giveUp(b, ErrClosed)
		}
		for _, b := range slices.Clone(pt.queue) {
			p.giveUp(b, ErrClosed)
		}
	}
	p.wakeAll()
	p.expiring.Broadcast()
	p.changed.Broadcast()
	p.unlockAndTell()
}

// wakeAll has every sender look again. The lock is held.
func (p *Producer) wakeAll() {
	for _, s := range p.order {
		s.wake.Signal()
	}
}

// metadataChanged routes partitions to their leaders.
func (p *Producer) metadataChanged() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range env.SortedKeys(p.topics) {
		if meta := p.c.topic(name); meta != nil {
			p.grow(name, p.topics[name], len(meta.parts))
		}
	}
	for _, pt := range p.parts {
		p.route(pt)
	}
}

// route gives a partition to the sender of its leader. The lock is held.
func (p *Producer) route(pt *partition) {
	leader, epoch := p.c.leader(TopicPartition{pt.topic, pt.index})
	if leader == pt.leader && epoch == pt.leaderEpoch && pt.sender != nil {
		return
	}
	pt.leader, pt.leaderEpoch = leader, epoch
	if leader < 0 {
		return // the old sender keeps trying to learn better
	}
	if pt.sender != nil && pt.sender.node == leader {
		// A new epoch of the same leader: what it refused it may now take.
		pt.activate()
		return
	}
	if pt.sender != nil {
		pt.sender.deactivate(pt)
	}
	s := p.senders[leader]
	if s == nil && !p.stopped {
		s = newSender(p, leader)
		p.senders[leader] = s
		p.order = append(p.order, s)
		p.e.Go("client-send", s.run)
	}
	pt.sender = s
	if len(pt.queue) > 0 {
		pt.activate()
	}
}

// giveUp settles a batch that will not be tried again and takes it out of its
// partition. The lock is held.
func (p *Producer) giveUp(b *batch, err error) {
	if b.finished {
		return
	}
	b.giveUp(err)
	p.settle(b)
	if t := p.txn; t != nil {
		t.gap = t.gap || b.numbered
		t.failed(t.refused(err))
		return
	}
	if b.numbered && b.producerID >= 0 && b.indefinite == 0 && b.to.owns(b) {
		// Its sequence numbers are surely not in the log, so nothing after
		// them will be accepted.
		b.to.broken = true
	}
}

// settle takes a finished batch out of its partition and frees its memory.
// The lock is held.
func (p *Producer) settle(b *batch) {
	b.to.remove(b)
	p.buffered -= b.memory
	if p.blocked > 0 {
		p.changed.Broadcast()
	}
	p.settled = append(p.settled, b)
}

// unlockAndTell releases the lock and calls back for what is settled.
func (p *Producer) unlockAndTell() {
	switch len(p.settled) {
	case 0:
		p.mu.Unlock()
	case 1:
		b := p.settled[0]
		p.settled[0] = nil
		p.settled = p.settled[:0]
		p.mu.Unlock()
		p.tell(b)
	default:
		settled := p.settled
		p.settled = nil
		p.mu.Unlock()
		for _, b := range settled {
			p.tell(b)
		}
	}
}

func (p *Producer) tell(b *batch) {
	n := int64(b.count)
	b.tell()
	if p.outstanding.Add(-n) == 0 {
		p.mu.Lock()
		if p.flushing > 0 {
			p.changed.Broadcast()
		}
		p.mu.Unlock()
	}
}

// expireLoop gives up batches that wait to be sent past their delivery
// timeout. Batches in flight are settled by their answers.
func (p *Producer) expireLoop() {
	p.mu.Lock()
	for !p.stopped {
		now := p.e.Now()
		first := time.Duration(-1)
		for _, pt := range p.parts {
			for len(pt.queue) > 0 && pt.queue[0].deadline <= now {
				b := pt.queue[0]
				err := ErrDeliveryTimeout
				if b.lastErr != nil {
					err = fmt.Errorf("%w: %w", ErrDeliveryTimeout, b.lastErr)
				}
				p.giveUp(b, err)
			}
			if len(pt.queue) > 0 && (first < 0 || pt.queue[0].deadline < first) {
				first = pt.queue[0].deadline
			}
		}
		if len(p.settled) > 0 {
			p.wakeAll()
			p.unlockAndTell()
			p.mu.Lock()
			continue
		}
		switch {
		case first >= 0:
			p.expireAt = first
			p.expiring.WaitTimeout(first - now)
		case p.buffered > 0:
			// New batches are due later than this. Looking once in a while
			// costs less than being woken by each.
			p.expireAt = now + p.cfg.DeliveryTimeout
			p.expiring.WaitTimeout(p.cfg.DeliveryTimeout)
		default:
			p.expireAt = 1<<63 - 1
			p.expiring.Wait()
		}
	}
	p.mu.Unlock()
}

// needID starts getting a producer id unless there is one or it is under way.
// The lock is held.
func (p *Producer) needID() {
	if p.producerID < 0 && !p.acquiring && p.fatal == nil && !p.stopped {
		p.acquiring = true
		p.e.Go("client-producer-id", p.acquireID)
	}
}

// acquireID asks for a producer id until it has one (KIP-98; without a
// transactional id any broker will do, and each answer is a new id).
func (p *Producer) acquireID() {
	for failures := int32(1); ; failures++ {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 60000
		resp, err := p.c.Request(anyBroker, req, p.c.cfg.RequestTimeout)
		var id *kmsg.InitProducerIDResponse
		if err == nil {
			id = resp.(*kmsg.InitProducerIDResponse)
			err = errorFor(id.ErrorCode, nil)
		}
		p.mu.Lock()
		done := p.stopped || err == nil || !retriable(err)
		if done {
			p.acquiring = false
			switch {
			case err == nil:
				p.producerID, p.epoch = id.ProducerID, id.ProducerEpoch
			case !p.stopped:
				p.fatal = fmt.Errorf("no producer id: %w", err)
				for _, pt := range p.parts {
					for _, b := range slices.Clone(pt.queue) {
						p.giveUp(b, p.fatal)
					}
				}
			}
			p.wakeAll()
			p.unlockAndTell()
			return
		}
		p.mu.Unlock()
		p.e.Sleep(p.c.backoff(failures))
	}
}
