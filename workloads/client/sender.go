package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/weirlab/weir/env"
)

// sender sends one broker's batches. The producer's lock guards it.
type sender struct {
	p    *Producer
	node int32
	wake env.Cond

	active   []*partition // with something queued
	turn     int          // where in active to begin
	inflight int          // requests not answered
	conn     *conn
	version  int16 // of Produce, on conn
	failures int32 // to connect, in a row
	retryAt  time.Duration

	frame [][]byte          // scratch
	spare []*produceRequest // answered, for reuse
}

func newSender(p *Producer, node int32) *sender {
	return &sender{p: p, node: node, wake: p.e.NewCond(p.mu)}
}

func (s *sender) deactivate(pt *partition) {
	if pt.active {
		pt.active = false
		if i := slices.Index(s.active, pt); i >= 0 {
			s.active = slices.Delete(s.active, i, i+1)
		}
	}
}

func (s *sender) run() {
	p := s.p
	p.mu.Lock()
	for !p.stopped {
		now := p.e.Now()
		switch {
		case s.inflight >= p.cfg.MaxInFlight || len(s.active) == 0:
			s.wake.Wait()
		case now < s.retryAt:
			s.wake.WaitTimeout(s.retryAt - now)
		default:
			s.step(now)
		}
	}
	p.mu.Unlock()
}

// step sends one request, or waits until it is worth trying again. The lock is
// held, and released meanwhile.
func (s *sender) step(now time.Duration) {
	p := s.p
	r := s.request()
	r.size = 0
	wait := s.collect(now, r)
	if len(p.settled) > 0 { // a renewed sequence has given up batches
		p.unlockAndTell()
		p.mu.Lock()
	}
	if len(r.batches) == 0 {
		s.spare = append(s.spare, r)
		switch {
		case wait == env.Forever:
			s.wake.Wait()
		case wait > 0:
			s.wake.WaitTimeout(wait)
		case s.conn == nil:
			s.connect()
		}
		return
	}
	s.send(r)
}

func (s *sender) request() *produceRequest {
	if n := len(s.spare); n > 0 {
		r := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return r
	}
	return &produceRequest{s: s}
}

// collect moves one batch of each partition that may send into the request, up
// to max.request.size. What lingers goes along with what does not, as in
// Kafka's RecordAccumulator.drain. If there is none, collect says how long to
// wait; zero means that a connection is needed first.
func (s *sender) collect(now time.Duration, r *produceRequest) time.Duration {
	for i := 0; i < len(s.active); {
		if len(s.active[i].queue) == 0 {
			s.drop(i)
		} else {
			i++
		}
	}
	s.turn++
	if s.turn >= len(s.active) {
		s.turn = 0
	}
	wait, lingering := s.gather(now, r, false)
	if lingering && len(r.batches) > 0 {
		s.gather(now, r, true)
	}
	if len(r.batches) > 1 {
		slices.SortStableFunc(r.batches, func(a, b *batch) int {
			switch {
			case a.to.topic < b.to.topic:
				return -1
			case a.to.topic > b.to.topic:
				return 1
			}
			return 0
		})
	}
	return wait
}

// gather is one round over the partitions: of those that do not linger, or of
// all. It reports whether any was left lingering.
func (s *sender) gather(now time.Duration, r *produceRequest, all bool) (wait time.Duration, lingering bool) {
	wait = env.Forever
	for i := range s.active {
		at := s.turn + i
		if at >= len(s.active) {
			at -= len(s.active)
		}
		pt := s.active[at]
		if len(pt.queue) == 0 || all && len(pt.inflight) > 0 && pt.inflight[len(pt.inflight)-1].in == r {
			continue // it has given one
		}
		ok, d := true, time.Duration(0)
		if !all {
			if d = pt.lingers(now); d > 0 {
				ok, lingering = false, true
			}
		}
		if ok {
			ok, d = pt.sendable(now, s.conn)
		}
		switch {
		case !ok:
			if d != env.Forever && (wait == env.Forever || d < wait) {
				wait = d
			}
			continue
		case s.conn == nil:
			return 0, lingering
		case r.size > 0 && r.size+len(pt.queue[0].buf) > int(s.p.cfg.MaxRequestBytes):
			continue
		}
		r.size += len(pt.queue[0].buf)
		r.batches = append(r.batches, pt.take(now, s.conn, r))
	}
	return wait, lingering
}

// drop removes an idle partition from the active ones.
func (s *sender) drop(i int) {
	s.active[i].active = false
	last := len(s.active) - 1
	s.active[i] = s.active[last]
	s.active[last] = nil
	s.active = s.active[:last]
}

// connect opens the connection. The lock is held, and released meanwhile.
func (s *sender) connect() {
	p := s.p
	p.mu.Unlock()
	k, err := p.c.connect(s.node, forProduce)
	var version int16
	if err == nil {
		version, err = k.version(produceKey, p.produceVersion())
		if err == nil && version < produceMinVersion {
			err = fmt.Errorf("%s supports Produce only up to version %d: %w", k.addr, version, errUnsupported)
		}
	}
	if err != nil {
		p.c.refresh()
	}
	p.mu.Lock()
	if err != nil {
		s.failures++
		s.retryAt = p.e.Now() + p.c.backoff(s.failures)
		for _, pt := range s.active {
			if len(pt.queue) > 0 {
				pt.queue[0].lastErr = err
			}
		}
		return
	}
	s.failures = 0
	s.conn, s.version = k, version
}

// send writes a request. The lock is held, and released meanwhile.
func (s *sender) send(r *produceRequest) {
	p := s.p
	k := s.conn
	r.version = s.version
	if p.txn != nil && !p.txn.implicit {
		r.version = min(r.version, maxVersion(produceKey))
	}
	frame, size := appendProduce(s.frame[:0], r.batches, r.version, p.c.cfg.ClientID, p.cfg.TransactionalID, p.cfg.Acks, p.c.cfg.RequestTimeout)
	s.inflight++
	var to responder = r
	if p.cfg.Acks == AcksNone {
		to = nil
	}
	known := len(p.parts)
	p.mu.Unlock()
	p.e.Work("client.partition", int64(known))
	p.e.Work("client.send", int64(size))
	err := k.send(frame, size, r.version >= 9, p.c.cfg.RequestTimeout, to)
	p.mu.Lock()
	clear(frame)
	s.frame = frame
	switch {
	case err != nil && errors.Is(err, errNotSent):
		s.inflight--
		if s.conn == k {
			s.conn = nil
		}
		for _, b := range r.batches {
			if b.in == r {
				b.to.untake(b)
			}
		}
		s.recycle(r)
	case to == nil:
		s.inflight--
		for _, b := range r.batches {
			if b.in != r {
				continue
			}
			b.in = nil
			if err != nil {
				b.indefinite++
				p.giveUp(b, err)
			} else {
				b.finish(OutcomeOK, nil, -1, -1)
				p.settle(b)
			}
		}
		if err != nil && s.conn == k {
			s.conn = nil
		}
		s.recycle(r)
		p.unlockAndTell()
		p.mu.Lock()
	}
}

func (s *sender) recycle(r *produceRequest) {
	clear(r.batches)
	r.batches = r.batches[:0]
	s.spare = append(s.spare, r)
}

// ownsBody implements responder: a produce response is read in place.
func (r *produceRequest) ownsBody() bool { return false }

// response implements responder.
func (r *produceRequest) response(body []byte, err error) {
	s := r.s
	p := s.p
	p.mu.Lock()
	s.inflight--
	if err == nil {
		err = r.decode(body)
		if err == nil {
			err = errUnanswered
		}
	} else {
		s.conn = nil
	}
	for _, b := range r.batches {
		if b.in == r {
			b.in = nil
			s.failed(b, err, OutcomeInfo, true)
		}
	}
	for _, b := range r.batches {
		if b.to.sender != s && len(b.to.queue) > 0 {
			b.to.activate() // it was waiting for the old leader's answer
		}
	}
	s.recycle(r)
	if len(s.active) > 0 {
		s.wake.Signal()
	}
	p.unlockAndTell()
}

var errUnanswered = fmt.Errorf("%w: the response leaves out the partition", ErrDisconnected)

// answer settles a batch by the broker's answer, or puts it back to be tried
// again. The lock is held.
func (s *sender) answer(b *batch, a *partitionAnswer) {
	b.in = nil
	outcome := ProduceOutcome(a.code)
	if outcome == OutcomeOK {
		if b.to.owns(b) {
			b.to.acked = true
		}
		offset := a.offset
		if a.code != 0 {
			offset = -1 // the broker knows that it has the batch, not where
		}
		b.finish(OutcomeOK, nil, offset, a.appendMillis)
		s.p.settle(b)
		return
	}
	var message *string
	if len(a.message) > 0 {
		text := string(a.message)
		message = &text
	}
	s.failed(b, errorFor(a.code, message), outcome, s.again(b, a.code))
}

// again reports whether a refused batch is to be tried once more, and notes
// what the refusal says of the sequence.
func (s *sender) again(b *batch, code int16) bool {
	pt := b.to
	if s.p.txn != nil {
		return !s.p.txn.hopeless(pt, b, code)
	}
	switch code {
	case kerr.OutOfOrderSequenceNumber.Code, kerr.UnknownProducerID.Code:
		if !pt.owns(b) {
			return b.numbered && b.producerID >= 0
		}
		// Behind a batch that is still to be retried this is what a broker
		// must say. Otherwise the leader has lost what came before.
		if pt.first(b) {
			pt.broken = true
			b.refuse(kerr.ErrorForCode(code))
		}
		return true
	case kerr.InvalidProducerEpoch.Code, kerr.ProducerFenced.Code:
		if pt.owns(b) {
			pt.broken, pt.refused = true, true
		}
		return b.numbered && b.producerID >= 0
	}
	return kerr.IsRetriable(kerr.ErrorForCode(code))
}

// failed counts an attempt that did not succeed and either puts the batch back
// in its place or gives it up. The lock is held.
func (s *sender) failed(b *batch, err error, outcome Outcome, again bool) {
	p := s.p
	if outcome == OutcomeInfo {
		b.indefinite++
	}
	b.lastErr = err
	now := p.e.Now()
	switch {
	case p.stopped:
		p.giveUp(b, fmt.Errorf("%w: %w", ErrClosed, err))
	case p.txn != nil && (p.txn.aborting || p.txn.err != nil):
		p.giveUp(b, fmt.Errorf("%w: %w", ErrAborted, err))
	case !again, p.cfg.Retries == NoRetries, p.cfg.Retries > 0 && int(b.attempts) > p.cfg.Retries:
		p.giveUp(b, err)
	case now >= b.deadline:
		p.giveUp(b, fmt.Errorf("%w: %w", ErrDeliveryTimeout, err))
	default:
		pt := b.to
		pt.requeue(b)
		pt.retryAt = now + p.c.backoff(b.attempts)
	}
	p.c.refresh()
}
