package coordinator

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Config says what a Runtime runs.
type Config[M Machine[O], O any] struct {
	// Name is what tasks and events are called after: "group".
	Name string

	// Machine makes the machine of a shard that is about to be loaded, of the
	// partition that this broker leads in epoch.
	Machine func(partition, epoch int32) M

	// Barrier is a record of no meaning to the machine.
	Barrier func(wallMillis int64) storage.Record

	// AnswerTimeout is how long an answer waits for the log to be committed.
	// [offsets.commit.timeout.ms]
	AnswerTimeout time.Duration
}

// Runtime runs one machine for each partition that this broker leads. O is
// what requests are answered with.
//
// Lock order: Runtime.mu before shard.mu; never two shards at once.
type Runtime[M Machine[O], O any] struct {
	env env.Env
	lab *env.Lab
	cfg Config[M, O]
	log Log

	mu      env.Mutex
	shards  map[int32]*shard[M, O]
	tasks   []env.Task // that may still run
	stopped bool
}

// New returns a runtime of no shard yet.
func New[M Machine[O], O any](e env.Env, cfg Config[M, O], log Log) *Runtime[M, O] {
	return &Runtime[M, O]{env: e, lab: e.Lab(), cfg: cfg, log: log, mu: e.NewMutex(), shards: make(map[int32]*shard[M, O])}
}

// Lead begins a shard: this broker became leader of the partition in epoch. The
// log is read by the shard's own task.
func (r *Runtime[M, O]) Lead(partition, epoch int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	if old := r.shards[partition]; old != nil {
		if old.epoch >= epoch {
			return
		}
		old.unload()
	}
	r.begin(newShard(r, partition, epoch))
}

// again begins a shard anew whose log has failed it: what the machine has is not
// what the log has, and the broker may go on leading the partition in the same epoch,
// as with a disk that was full for a while.
func (r *Runtime[M, O]) again(old *shard[M, O]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old.unload()
	if r.stopped || r.shards[old.partition] != old {
		return
	}
	s := newShard(r, old.partition, old.epoch)
	s.pause = loadRetry
	r.begin(s)
}

// begin starts a shard's tasks. mu is held.
func (r *Runtime[M, O]) begin(s *shard[M, O]) {
	partition, epoch := s.partition, s.epoch
	r.shards[partition] = s
	running := r.tasks[:0]
	for _, t := range r.tasks {
		if !t.Done() {
			running = append(running, t)
		}
	}
	r.tasks = append(running,
		r.env.Go(fmt.Sprintf("%s: partition %d epoch %d", r.cfg.Name, partition, epoch), s.run),
		r.env.Go(fmt.Sprintf("%s: commits of partition %d epoch %d", r.cfg.Name, partition, epoch), s.watch))
}

// Resign ends a shard: this broker no longer leads the partition in epoch.
// Requests that wait get NOT_COORDINATOR.
func (r *Runtime[M, O]) Resign(partition, epoch int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.shards[partition]; s != nil && s.epoch <= epoch {
		delete(r.shards, partition)
		s.unload()
	}
}

// Stop ends all shards. It does not wait for their tasks: see Wait.
func (r *Runtime[M, O]) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, p := range env.SortedKeys(r.shards) {
		r.shards[p].unload()
	}
	clear(r.shards)
}

// Wait waits, after Stop, until no task runs any more. A task that waits for
// the log ends only when the log lets it go.
func (r *Runtime[M, O]) Wait() {
	r.mu.Lock()
	tasks := r.tasks
	r.tasks = nil
	r.mu.Unlock()
	for _, t := range tasks {
		t.Wait()
	}
}

// Partitions lists the partitions that have a shard.
func (r *Runtime[M, O]) Partitions() []int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return env.SortedKeys(r.shards)
}

func (r *Runtime[M, O]) shard(partition int32) *shard[M, O] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards[partition]
}

// Do takes a step on the machine of a partition and waits for the answer to
// ref, which that step or a later one gives. Without an answer it returns a
// Kafka error code: NOT_COORDINATOR if this broker does not lead the
// partition, or ceased to before it could answer; COORDINATOR_LOAD_IN_PROGRESS;
// or what became of the records.
func (r *Runtime[M, O]) Do(partition int32, step func(m M, at At, ref Ref) Turn[O]) (O, int16) {
	return r.Begin(partition, step)()
}

// Begin is Do in two parts: the step has its place among all others when it
// returns, and what it returns waits for the answer.
func (r *Runtime[M, O]) Begin(partition int32, step func(m M, at At, ref Ref) Turn[O]) (wait func() (O, int16)) {
	return r.ask(partition, func(s *shard[M, O], ref Ref) {
		s.queue = append(s.queue, func(at At) Turn[O] { return step(s.machine, at, ref) })
	})
}

// Read looks at the state of a partition. It sees everything that was answered
// before it was called, whichever broker answered. Errors are those of Do.
func (r *Runtime[M, O]) Read(partition int32, look func(m M, at At) O) (O, int16) {
	return r.ask(partition, func(s *shard[M, O], ref Ref) {
		s.reads = append(s.reads, func(at At) Answer[O] { return Answer[O]{ref, look(s.machine, at)} })
	})()
}

func (r *Runtime[M, O]) ask(partition int32, enqueue func(s *shard[M, O], ref Ref)) (wait func() (O, int16)) {
	refuse := func(err *kerr.Error) func() (O, int16) {
		return func() (none O, code int16) { return none, err.Code }
	}
	s := r.shard(partition)
	if s == nil {
		return refuse(kerr.NotCoordinator)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return refuse(kerr.NotCoordinator)
	case s.loading, s.lastRef == 0 && r.lab.Rare("coordinator/not-loaded"): // as in the moment before: it is asked again
		return refuse(kerr.CoordinatorLoadInProgress)
	case r.lab.Seldom("coordinator/not-here"): // as a leader that has just lost the partition; it is looked for, and found here
		return refuse(kerr.NotCoordinator)
	}
	s.lastRef++
	w := &waiter[O]{done: r.env.NewSignal()}
	s.waiters[s.lastRef] = w
	enqueue(s, s.lastRef)
	s.work.Signal()
	return func() (O, int16) {
		w.done.Wait(env.Forever)
		return w.answer, w.code
	}
}

// Each takes a step on every machine, those that are being loaded included, and
// does not wait for it.
func (r *Runtime[M, O]) Each(step func(m M, at At) Turn[O]) {
	for _, p := range r.Partitions() {
		r.Tell(p, step)
	}
}

// Tell takes a step on the machine of a partition, if there is one, and does not
// wait for it.
func (r *Runtime[M, O]) Tell(partition int32, step func(m M, at At) Turn[O]) {
	s := r.shard(partition)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.queue = append(s.queue, func(at At) Turn[O] { return step(s.machine, at) })
		s.work.Signal()
	}
}
