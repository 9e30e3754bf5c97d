package replication

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// logTasks is how many logs are opened, closed or removed at a time. Each costs
// some waiting for the disk and next to no CPU.
const logTasks = 16

// inParallel calls fn with 0 to n-1, from at most logTasks tasks, and returns
// when all calls have.
func inParallel(e env.Env, name string, n int, fn func(i int)) {
	if n == 1 {
		fn(0)
		return
	}
	var next atomic.Int64
	tasks := make([]env.Task, 0, logTasks)
	for range min(n, logTasks) {
		tasks = append(tasks, e.Go(name, func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		}))
	}
	for _, t := range tasks {
		t.Wait()
	}
}

// openMissing opens or creates the logs of the replicas in tps that this broker
// does not have yet. No lock is held meanwhile: the others go on being read and
// written.
func (m *Manager) openMissing(image *metadata.Image, tps []metadata.TopicPartition) {
	var missing []*metadata.Partition
	for _, tp := range tps {
		if part := image.Partition(tp); part != nil && part.HasReplica(m.cfg.BrokerID) && m.partition(tp) == nil {
			missing = append(missing, part)
		}
	}
	if len(missing) == 0 {
		return
	}
	m.mu.Lock()
	m.loading = true
	m.mu.Unlock()
	opened, where := make([]*partition, len(missing)), make([]*logDir, len(missing))
	for i, part := range missing {
		where[i] = m.choose(part)
	}
	inParallel(m.e, "log-opener", len(missing), func(i int) {
		if part := missing[i]; where[i] != nil && !m.stopping.IsSet() {
			m.removals.wait(replicaKey{part.TopicID, part.Partition})
			opened[i] = m.open(image, part, where[i])
		}
	})
	fell := slices.ContainsFunc(opened, func(p *partition) bool {
		return p != nil && p.state.HighWatermark() < m.markOf(p.dir(), p.key())
	})
	m.replaceParts(func(parts map[metadata.TopicPartition]*partition) {
		for _, p := range opened {
			if p != nil {
				parts[p.tp] = p
			}
		}
	})
	for i, p := range opened {
		switch {
		case p == nil && !m.stopping.IsSet():
			m.unopened(missing[i])
		case p != nil && p.dir().offline():
			p.takeOffline() // the directory failed while the log was opened
		case p != nil:
			m.goOnMoving(p)
		}
	}
	m.mu.Lock()
	m.loading = m.stopping.IsSet()
	fell = fell || m.owed
	m.owed = false
	m.mu.Unlock()
	if fell {
		m.markFell()
	}
}

// open opens or creates a partition's log and makes a replica of it, nil if the
// disk refuses.
func (m *Manager) open(image *metadata.Image, part *metadata.Partition, d *logDir) *partition {
	tp := part.TP()
	// Opening a log takes time, each its own.
	if d := m.lab.Late("replication/open-late", 500*time.Millisecond); d > 0 {
		m.stopping.Wait(d)
	}
	cfg := logConfig(m.topicConfig(image, part.Topic))
	cfg.Unproven = d.Unproven
	p := &partition{m: m, tp: tp, topicID: part.TopicID, changing: m.e.NewMutex(), mu: m.e.NewMutex()}
	p.where.Store(d)
	failed := func(err error) {
		m.storageError(p.dir(), fmt.Errorf("replication: log of %v in %s: %w", tp, p.dir().Name, err))
	}
	cfg.OnFailed = failed
	if hear := m.deps.OnRoll; hear != nil {
		cfg.OnRoll = func(offset int64) { hear(tp, offset) }
	}
	if hear := m.deps.OnFirstAppend; hear != nil {
		cfg.OnFirstAppend = func(epoch int32, offset int64) { hear(tp, epoch, offset) }
	}
	log, recovery, err := storage.Open(m.e, path.Join(d.Path, logDirName(tp, part.TopicID)), cfg)
	if err != nil {
		m.e.Event("storage-error", env.Text("topic", tp.Topic), env.Int("partition", tp.Partition),
			env.Text("op", "open"), env.Text("error", err.Error()))
		failed(err)
		return nil
	}
	if recovery.TruncatedBytes > 0 || recovery.LostSyncedTo > recovery.LostSyncedFrom {
		m.e.Event("recovered", env.Text("topic", tp.Topic), env.Int("partition", tp.Partition), env.Int("end", log.EndOffset()),
			env.Int("truncated-bytes", recovery.TruncatedBytes), env.Text("file", recovery.TruncatedFile),
			env.Int("lost-synced", recovery.LostSyncedTo-recovery.LostSyncedFrom))
	}
	p.log = log
	p.leading.Store(-1)
	p.cleaned.dirtyFrom = m.cleaner.dirtyFrom(p.key(), d, log)
	p.cleaned.own.cleaned(p.cleaned.dirtyFrom, m.e.Now())
	p.state = NewState(m.cfg.BrokerID, m.cfg.ReplicaLagTimeMax, p.ends(), m.markOf(d, p.key()))
	return p
}

// removeGone removes replicas whose topic is gone, or that are no longer
// assigned to this broker. Their files go while metadata moves on.
func (m *Manager) removeGone(image *metadata.Image, delta metadata.Delta) {
	var gone []*partition
	for _, p := range m.suspects(delta) {
		part := image.Partition(p.tp)
		switch {
		case part == nil || part.TopicID != p.topicID,
			!part.HasReplica(m.cfg.BrokerID) && !planted.Is("unassigned-replica-stays"),
			slices.Contains(part.RemovingReplicas, m.cfg.BrokerID) && planted.Is("remove-before-completion"):
			gone = append(gone, p)
		}
	}
	m.forgetOffline(image)
	if len(gone) == 0 {
		return
	}
	m.replaceParts(func(parts map[metadata.TopicPartition]*partition) {
		for _, p := range gone {
			delete(parts, p.tp)
		}
	})
	keys := make(map[replicaKey]bool, len(gone))
	for _, p := range gone {
		keys[replicaKey{p.topicID, p.tp.Partition}] = true
		m.cleaner.forget(p.key())
		m.forgetPlace(p.key())
		if epoch := p.leading.Load(); epoch >= 0 {
			m.changes = append(m.changes, leadershipChange{p.tp, epoch, false})
		}
		p.resign()
	}
	m.removals.start(m.e, keys, func() {
		// Removing files takes time; a topic of the same name has other files.
		if d := m.lab.Late("replication/remove-late", 2*time.Second); d > 0 {
			m.stopping.Wait(d)
		}
		inParallel(m.e, "log-remover", len(gone), func(i int) { gone[i].remove() })
	})
}

// forgetOffline forgets replicas in offline directories that are gone too.
func (m *Manager) forgetOffline(image *metadata.Image) {
	parts := *m.parts.Load()
	if len(parts.offline) == 0 {
		return
	}
	parts.offline = maps.Clone(parts.offline)
	maps.DeleteFunc(parts.offline, func(tp metadata.TopicPartition, id metadata.TopicID) bool {
		part := image.Partition(tp)
		return part == nil || part.TopicID != id || !part.HasReplica(m.cfg.BrokerID)
	})
	m.parts.Store(&parts)
}

// suspects are the replicas here that a change of metadata may have put an end
// to, in order.
func (m *Manager) suspects(delta metadata.Delta) []*partition {
	if delta.FromOffset < 0 {
		return m.sorted()
	}
	tps := slices.Clone(delta.Partitions)
	for _, t := range delta.DeletedTopics {
		for n := range t.Partitions {
			tps = append(tps, metadata.TopicPartition{Topic: t.Name, Partition: n})
		}
	}
	slices.SortFunc(tps, metadata.TopicPartition.Compare)
	var list []*partition
	for _, tp := range slices.Compact(tps) {
		if p := m.partition(tp); p != nil {
			list = append(list, p)
		}
	}
	return list
}

func (m *Manager) replaceParts(change func(map[metadata.TopicPartition]*partition)) {
	old := m.parts.Load()
	byTP := maps.Clone(old.byTP)
	if byTP == nil {
		byTP = map[metadata.TopicPartition]*partition{}
	}
	change(byTP)
	sorted := make([]*partition, 0, len(byTP))
	for _, p := range byTP { //weir:ordered sorted below
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, func(a, b *partition) int { return a.tp.Compare(b.tp) })
	m.parts.Store(&partitions{byTP: byTP, sorted: sorted, offline: old.offline})
}

// unopened notes that a replica is in a directory that is offline, and has the
// controller told if it believes otherwise.
func (m *Manager) unopened(part *metadata.Partition) {
	parts := *m.parts.Load()
	if parts.offline = maps.Clone(parts.offline); parts.offline == nil {
		parts.offline = map[metadata.TopicPartition]metadata.TopicID{}
	}
	parts.offline[part.TP()] = part.TopicID
	m.parts.Store(&parts)
	own := part.Directory(m.cfg.BrokerID)
	if m.assigner != nil && slices.ContainsFunc(m.dirs, func(d *logDir) bool { return d.ID == own && !d.offline() }) {
		m.assigner.tell(replicaKey{part.TopicID, part.Partition}, metadata.LostDirectory)
	}
}

// replicaKey names a replica for ever: a topic that is deleted and created
// again has another id.
type replicaKey struct {
	topic     metadata.TopicID
	partition int32
}

// removals are the replicas whose files are being removed.
type removals struct {
	mu   env.Mutex
	list []removal
}

type removal struct {
	keys map[replicaKey]bool
	task env.Task
}

func (r *removals) start(e env.Env, keys map[replicaKey]bool, remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list[:0]
	for _, old := range r.list {
		if !old.task.Done() {
			list = append(list, old)
		}
	}
	r.list = append(list, removal{keys, e.Go("log-remover", remove)})
}

// wait waits until no files of the replica are being removed.
func (r *removals) wait(key replicaKey) {
	r.each(func(old removal) bool { return old.keys[key] })
}

func (r *removals) waitAll() { r.each(func(removal) bool { return true }) }

func (r *removals) each(match func(removal) bool) {
	r.mu.Lock()
	list := slices.Clone(r.list)
	r.mu.Unlock()
	for _, old := range list {
		if match(old) {
			old.task.Wait()
		}
	}
}
