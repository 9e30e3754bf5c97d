package replication

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// Manager runs every partition replica of one broker.
//
// Lock order: applying, then mu, then partition.changing, then partition.mu,
// then fetcher.mu or proposer.mu or the log's own lock. Nobody holds two
// partitions' locks, and nobody but applying is held while logs are opened,
// closed or removed.
type Manager struct {
	e    env.Env
	lab  *env.Lab
	cfg  Config
	deps Deps
	dirs []*logDir

	// parts is replaced, never changed, so that requests look partitions up
	// without a lock.
	parts     atomic.Pointer[partitions]
	listeners []LeadershipListener

	applying env.Mutex            // held by Apply, and by Stop once it has told Apply to end
	caughtUp bool                 // an image with this broker's registration was applied
	fetchers map[int32][]*fetcher // by broker to copy from; nil where none is needed yet
	lifes    map[int32]int64      // broker epochs as of the last image
	changes  []leadershipChange   // to tell listeners of
	place    placement

	mu      env.Mutex
	loading bool // parts lacks replicas whose logs are yet to be opened
	owed    bool // a high watermark fell while logs were opened

	checkpointing env.Mutex // held while checkpoints are written

	removals removals
	stopped  atomic.Bool
	stopping env.Signal
	proposer *proposer
	assigner *assigner // nil if there is one directory, of which the controller knows
	cleaner  *cleaner
	mover    *mover
	tasks    []env.Task

	giving, taking *throttle // of what followers fetch here, and of what is fetched from leaders
	moving         *throttle // of what moves between directories
}

type leadershipChange struct {
	tp     metadata.TopicPartition
	epoch  int32
	leader bool
}

// NewManager starts the manager's tasks. Partitions appear with Apply.
func NewManager(e env.Env, cfg Config, deps Deps) *Manager {
	m := &Manager{
		e: e, lab: e.Lab(), cfg: cfg.withDefaults(), deps: deps,
		applying: e.NewMutex(), mu: e.NewMutex(), checkpointing: e.NewMutex(), removals: removals{mu: e.NewMutex()}, loading: true, fetchers: map[int32][]*fetcher{}, lifes: map[int32]int64{}, stopping: e.NewSignal(),
	}
	m.parts.Store(&partitions{})
	m.dirs = newLogDirs(cfg.Dirs)
	m.proposer = newProposer(m)
	m.cleaner = newCleaner(m)
	m.mover = &mover{m: m, mu: e.NewMutex()}
	m.place = newPlacement(e)
	m.moving = newThrottle(e, deps.ThrottledRates, func(r ThrottledRates) int64 { return r.Directories })
	m.giving = newThrottle(e, deps.ThrottledRates, func(r ThrottledRates) int64 { return r.Leader })
	m.taking = newThrottle(e, deps.ThrottledRates, func(r ThrottledRates) int64 { return r.Follower })
	for _, d := range m.dirs {
		d.marks = m.readCheckpoint(d)
	}
	m.tasks = []env.Task{
		m.proposer.task,
		m.every("isr-lag", m.cfg.ReplicaLagTimeMax/2, m.checkLag),
		m.every("high-watermark-checkpoint", m.cfg.CheckpointInterval, m.checkpointNow),
		m.every("retention", m.cfg.RetentionCheckInterval, m.applyRetention),
	}
	if len(m.dirs) > 1 {
		m.assigner = newAssigner(m)
		m.tasks = append(m.tasks, m.assigner.task)
	}
	return m
}

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	duration(&c.ReplicaLagTimeMax, 30*time.Second)
	duration(&c.ReplicaFetchWaitMax, 500*time.Millisecond)
	duration(&c.ReplicaFetchBackoff, 100*time.Millisecond)
	duration(&c.ReplicaSocketTimeout, 30*time.Second)
	duration(&c.CheckpointInterval, 5*time.Second)
	duration(&c.RetentionCheckInterval, 5*time.Minute)
	if c.ReplicaFetchMaxBytes <= 0 {
		c.ReplicaFetchMaxBytes = 1 << 20
	}
	if c.ReplicaFetchAnswerBytes <= 0 {
		c.ReplicaFetchAnswerBytes = 10 << 20
	}
	if c.FetchMaxBytes <= 0 {
		c.FetchMaxBytes = 55 << 20
	}
	if c.ReplicaFetchers <= 0 {
		c.ReplicaFetchers = 1
	}
	return c
}

// every starts a task that calls fn at intervals until the manager stops.
func (m *Manager) every(name string, interval time.Duration, fn func()) env.Task {
	return m.e.Go(name, func() {
		for !m.stopping.Wait(interval) {
			fn()
		}
	})
}

// OnLeadership registers a listener. Call it before the first Apply.
func (m *Manager) OnLeadership(l LeadershipListener) { m.listeners = append(m.listeners, l) }

// Stop ends the manager's tasks, answers whoever waits, writes the high
// watermark checkpoint, and syncs and closes the logs. After an error it is
// not certain that the logs are durable: the shutdown was not clean.
func (m *Manager) Stop() error {
	if m.stopped.Swap(true) {
		return nil
	}
	m.stopping.Set()
	m.applying.Lock()
	var fetchers []*fetcher
	for _, id := range env.SortedKeys(m.fetchers) {
		for _, f := range m.fetchers[id] {
			if f != nil {
				fetchers = append(fetchers, f)
			}
		}
	}
	m.applying.Unlock()

	m.proposer.stop()
	if m.assigner != nil {
		m.assigner.stop()
	}
	for _, f := range fetchers {
		f.stop()
	}
	for _, f := range fetchers {
		f.task.Wait()
	}
	for _, t := range m.tasks {
		t.Wait()
	}
	m.cleaner.stop()
	m.mover.wait()
	parts := m.sorted()
	for _, p := range parts {
		p.resign()
	}
	errs := make([]error, len(parts)+1)
	errs[len(parts)] = m.writeCheckpoint()
	inParallel(m.e, "log-closer", len(parts), func(i int) {
		if err := parts[i].close(); !parts[i].dir().offline() { // of which nobody counts on anything
			errs[i] = err
		}
	})
	m.removals.waitAll()
	return errors.Join(errs...)
}

// partitions are the replicas of a broker. A change makes new ones of them.
type partitions struct {
	byTP   map[metadata.TopicPartition]*partition
	sorted []*partition

	// offline are replicas that could not be opened since their directory is offline.
	offline map[metadata.TopicPartition]metadata.TopicID
}

func (m *Manager) partition(tp metadata.TopicPartition) *partition { return m.parts.Load().byTP[tp] }

// sorted lists the partitions by topic and number. Nobody may change the list.
func (m *Manager) sorted() []*partition { return m.parts.Load().sorted }

// missing is the error for a partition that has no replica here. Where there is
// such a partition its replica is elsewhere, or about to be made here, and
// clients should ask again; they give up what does not exist.
func (m *Manager) missing(tp metadata.TopicPartition) int16 {
	if _, ok := m.parts.Load().offline[tp]; ok {
		return kerr.KafkaStorageError.Code
	}
	if m.deps.Exists(tp) {
		return kerr.NotLeaderForPartition.Code
	}
	return kerr.UnknownTopicOrPartition.Code
}

func (m *Manager) checkpointNow() {
	// Marks that are too low are made good by the leader.
	if !m.lab.Rare("replication/checkpoint-skipped") {
		_ = m.writeCheckpoint()
	}
}

func (m *Manager) checkLag() {
	for _, p := range m.sorted() {
		// The next round comes: a follower that lags stays in the ISR for longer,
		// and what is committed waits for it.
		if m.lab.Rare("replication/lag-unchecked") {
			continue
		}
		p.mu.Lock()
		if !p.dir().offline() { // whose followers hear nothing from it
			p.out = p.state.Tick(m.e.Now(), p.out)
			p.carryOut()
		}
		p.mu.Unlock()
	}
}

// applyRetention looks at every replica, led here or not.
func (m *Manager) applyRetention() {
	for _, p := range m.sorted() {
		p.retain(m.e.Wall().UnixMilli())
	}
}

// LocalLeader reports whether this broker leads tp, and in which epoch.
func (m *Manager) LocalLeader(tp metadata.TopicPartition) (epoch int32, ok bool) {
	p := m.partition(tp)
	if p == nil {
		return -1, false
	}
	epoch = p.leading.Load()
	return epoch, epoch >= 0
}

// HighWatermark is the high watermark of the local replica.
func (m *Manager) HighWatermark(tp metadata.TopicPartition) (offset int64, ok bool) {
	p := m.partition(tp)
	if p == nil {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.HighWatermark(), true
}

// Replicas describes every replica of this broker, sorted by topic and
// partition.
func (m *Manager) Replicas() []ReplicaView {
	return m.AppendReplicas(make([]ReplicaView, 0, len(m.sorted())))
}

// AppendReplicas is Replicas, appended to views.
func (m *Manager) AppendReplicas(views []ReplicaView) []ReplicaView {
	for _, p := range m.sorted() {
		views = append(views, p.view())
	}
	return views
}
