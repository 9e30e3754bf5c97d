package coordinator

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// shard is one partition while this broker leads it in one epoch.
type shard[M Machine[O], O any] struct {
	r         *Runtime[M, O]
	partition int32
	epoch     int32
	over      env.Signal    // set when gone is
	pause     time.Duration // before it is loaded

	mu        env.Mutex
	work      env.Cond // there is something for run
	behind    env.Cond // there is something for watch
	loading   bool
	gone      bool
	queue     []func(At) Turn[O]
	reads     []func(At) Answer[O]
	waiters   map[Ref]*waiter[O]
	lastRef   Ref
	written   int64 // where the log ends, as far as this shard wrote it
	committed int64 // up to where it is committed

	// Only the task of run looks at these.
	machine M
	rand    *env.Rand
	settled int64 // up to where what is held has been let go
	held    []held[O]
}

// waiter is a request waiting for its answer.
type waiter[O any] struct {
	done   env.Signal
	answer O
	code   int16
}

// held is what waits for the log to be committed up to an offset. The deadlines
// of a shard's list never go back.
type held[O any] struct {
	after    int64
	deadline time.Duration
	answers  []Answer[O]
	then     func(At, Outcome) Turn[O]
}

func newShard[M Machine[O], O any](r *Runtime[M, O], partition, epoch int32) *shard[M, O] {
	s := &shard[M, O]{
		r: r, partition: partition, epoch: epoch, over: r.env.NewSignal(),
		mu: r.env.NewMutex(), loading: true, waiters: make(map[Ref]*waiter[O]),
		rand: r.env.Rand(r.cfg.Name+" coordinator", fmt.Sprintf("partition %d epoch %d", partition, epoch)),
	}
	s.work, s.behind = r.env.NewCond(s.mu), r.env.NewCond(s.mu)
	return s
}

// unload ends the shard. Whoever waits gets NOT_COORDINATOR.
func (s *shard[M, O]) unload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	s.queue, s.reads = nil, nil
	for _, ref := range env.SortedKeys(s.waiters) {
		s.waiters[ref].code = kerr.NotCoordinator.Code
		s.waiters[ref].done.Set()
	}
	clear(s.waiters)
	s.over.Set()
	s.work.Broadcast()
	s.behind.Broadcast()
}

// run is the shard's task.
func (s *shard[M, O]) run() {
	if !s.load() {
		return
	}
	s.take(s.machine.Loaded(s.at()))
	s.mu.Lock()
	s.loading = false
	s.mu.Unlock()
	for {
		steps, reads, committed, ok := s.next()
		if !ok {
			return
		}
		s.settle(committed)
		// The task may be late at any time.
		if d := s.r.lab.Late("coordinator/step-late", 50*time.Millisecond); d > 0 {
			s.over.Wait(d)
		}
		for _, step := range steps {
			s.take(step(s.at()))
		}
		for at, due := s.tick(); due; at, due = s.tick() {
			s.take(s.machine.Tick(at))
		}
		s.read(reads)
	}
}

// next waits until there is something to do.
func (s *shard[M, O]) next() (steps []func(At) Turn[O], reads []func(At) Answer[O], committed int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.gone && len(s.queue) == 0 && len(s.reads) == 0 && s.committed <= s.settled {
		at, any := s.machine.NextTick()
		if len(s.held) > 0 && (!any || s.held[0].deadline < at) {
			at, any = s.held[0].deadline, true
		}
		switch left := at - s.r.env.Now(); {
		case !any:
			s.work.Wait()
		case left > 0:
			s.work.WaitTimeout(left)
		default:
			return nil, nil, s.committed, true
		}
	}
	// What is left is taken next time, in the same order.
	k := s.r.lab.Fewer("coordinator/take-fewer", int64(len(s.queue)))
	steps, reads = s.queue[:k:k], s.reads
	if s.queue, s.reads = s.queue[k:], nil; len(s.queue) == 0 {
		s.queue = nil
	}
	return steps, reads, s.committed, !s.gone
}

func (s *shard[M, O]) at() At {
	return At{Now: s.r.env.Now(), WallMillis: s.r.env.Wall().UnixMilli(), Rand: s.rand}
}

// tick reports whether the machine wants time to pass.
func (s *shard[M, O]) tick() (At, bool) {
	at := s.at()
	next, ok := s.machine.NextTick()
	// It is asked again at once: what came meanwhile goes first.
	return at, ok && next <= at.Now && !s.r.lab.Rare("coordinator/tick-late")
}

// take does what a turn wants.
func (s *shard[M, O]) take(t Turn[O]) {
	after := t.After
	if len(t.Records) > 0 || t.Marker != nil {
		end, code := s.append(t)
		if code != 0 {
			s.give(t.Answers, code)
			if t.Then != nil {
				s.take(t.Then(s.at(), Outcome{Code: code}))
			}
			return
		}
		after = max(after, end)
	}
	h := held[O]{after: after, answers: t.Answers, then: t.Then}
	switch {
	case after <= s.settled || planted.Is("answer-before-commit"):
		s.let(h, Outcome{})
	case len(h.answers) > 0 || h.then != nil:
		h.deadline = s.r.env.Now() + s.r.cfg.AnswerTimeout
		// Whoever hears of a time-out knows as little as after a real one. The
		// deadlines of the list must not go back.
		if len(s.held) == 0 && s.r.lab.Seldom("coordinator/answer-times-out") {
			h.deadline = s.r.env.Now()
		}
		s.held = append(s.held, h)
	}
	if t.Next != nil {
		s.take(t.Next(s.at()))
	}
}

// append writes what a turn has for the local log and makes it count.
func (s *shard[M, O]) append(t Turn[O]) (end int64, code int16) {
	if s.r.lab.Seldom("coordinator/append-refused") {
		return 0, kerr.NotEnoughReplicas.Code // as from a log whose ISR is small for a moment
	}
	if s.over.IsSet() {
		return 0, kerr.NotCoordinator.Code // another has the partition, or it has been loaded again
	}
	batch, more := s.batch(t)
	base, code := s.r.log.Append(s.partition, s.epoch, batch, more)
	if s.r.lab != nil {
		s.r.lab.Reached("coordinator "+s.r.cfg.Name, "append", codeName(code))
	}
	if code == kerr.KafkaStorageError.Code {
		s.r.again(s) // the log may hold the records or not: what is in memory may be wrong
	}
	if code != 0 {
		return 0, code
	}
	if t.Applied != nil {
		t.Applied(base)
	}
	end = base + max(1, int64(len(t.Records)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = end
	s.behind.Signal()
	return end, 0
}

// batch is what a turn has for the log. As Kafka's coordinators do, it numbers
// no batches of a producer: they are one coordinator's, in the order of its turns.
func (s *shard[M, O]) batch(t Turn[O]) ([]byte, storage.AppendOptions) {
	if t.Marker != nil {
		return storage.BuildMarker(nil, *t.Marker, s.r.env.Wall().UnixMilli()),
			storage.AppendOptions{ControlBatches: true, TransactionVersion: t.MarkerVersion}
	}
	opts := storage.NoProducer()
	if t.Producer.Transactional {
		opts.ProducerID, opts.ProducerEpoch, opts.BaseSequence, opts.Transactional = t.Producer.ID, t.Producer.Epoch, 0, true
	}
	return storage.BuildBatch(nil, opts, t.Records), storage.AppendOptions{Coordinator: true, Verified: t.Producer.Verified}
}

// codeName is what Kafka calls an error code.
func codeName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return "NONE"
}

// read answers the reads that wait, behind one barrier.
func (s *shard[M, O]) read(reads []func(At) Answer[O]) {
	if len(reads) == 0 {
		return
	}
	at := s.at()
	t := Turn[O]{Records: []storage.Record{s.r.cfg.Barrier(at.WallMillis)}}
	if planted.Is("read-without-barrier") {
		t.Records = nil
	}
	for _, read := range reads {
		t.Answers = append(t.Answers, read(at))
	}
	s.take(t)
}

// settle lets go what waits for what is now committed, and what has waited too
// long.
func (s *shard[M, O]) settle(committed int64) {
	s.settled = max(s.settled, committed)
	now := s.r.env.Now()
	waiting := s.held
	s.held = nil
	var free []held[O]
	var late []held[O]
	kept := waiting[:0]
	for _, h := range waiting {
		switch {
		case h.after <= s.settled:
			free = append(free, h)
		case h.deadline <= now:
			s.r.lab.Reached("coordinator "+s.r.cfg.Name, "times out", "")
			late = append(late, h)
		default:
			kept = append(kept, h)
		}
	}
	clear(waiting[len(kept):])
	s.held = kept
	for _, h := range free {
		s.let(h, Outcome{})
	}
	for _, h := range late {
		s.let(h, Outcome{Code: kerr.RequestTimedOut.Code, Appended: true})
	}
}

// let lets go what was held.
func (s *shard[M, O]) let(h held[O], outcome Outcome) {
	s.give(h.answers, outcome.Code)
	if h.then != nil {
		s.take(h.then(s.at(), outcome))
	}
}

// give answers requests.
func (s *shard[M, O]) give(answers []Answer[O], code int16) {
	if len(answers) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		w := s.waiters[a.Ref]
		if w == nil {
			continue
		}
		delete(s.waiters, a.Ref)
		if w.code = code; code == 0 {
			w.answer = a.Value
		}
		w.done.Set()
	}
}

// watchPatience bounds how long a task of a shard that is gone may wait.
const watchPatience = time.Second

// watch is the task that learns how far the log is committed.
func (s *shard[M, O]) watch() {
	for {
		s.mu.Lock()
		for !s.gone && s.written <= s.committed {
			s.behind.Wait()
		}
		gone, committed := s.gone, s.committed
		s.mu.Unlock()
		if gone {
			return
		}
		committed, leading := s.r.log.AwaitCommitted(s.partition, s.epoch, committed, watchPatience)
		if !leading {
			s.unload()
			return
		}
		// Who waits for a commit hears of it at any time after.
		if d := s.r.lab.Late("coordinator/commit-told-late", 100*time.Millisecond); d > 0 {
			s.over.Wait(d)
		}
		s.mu.Lock()
		if committed > s.committed {
			s.committed = committed
			s.work.Signal()
		}
		s.mu.Unlock()
	}
}
