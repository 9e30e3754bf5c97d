package replication

import (
	"fmt"
	"path"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// LogDir is a log directory of the broker: one of log.dirs.
type LogDir struct {
	Name     string // as clients name it
	Path     string // below the root of the file system
	ID       metadata.DirectoryID
	Unproven bool  // see storage.Config
	Failed   error // why it could not be opened, nil if it was
}

// logDir is a log directory in use. Each has its own checkpoints, so that what is
// in one means the same whatever becomes of the others.
type logDir struct {
	LogDir

	// failure is why the directory is offline, nil while it is not. Once it is, it
	// stays so until the broker starts again.
	failure atomic.Pointer[error]

	// marks are the high watermarks as last written or read; replaced, never
	// changed. The manager's mu guards it.
	marks map[replicaKey]int64
}

func newLogDirs(dirs []LogDir) []*logDir {
	all := make([]*logDir, 0, len(dirs))
	for _, dir := range dirs {
		d := &logDir{LogDir: dir}
		if dir.Failed != nil {
			d.failure.Store(&dir.Failed)
		}
		all = append(all, d)
	}
	return all
}

// offline reports whether the directory has failed and the broker goes on without.
func (d *logDir) offline() bool { return d.failure.Load() != nil }

// storageError takes in that a log in d, or d itself, takes no more writes. The
// directory goes offline with all that is in it: who has lost one write may have
// lost others. Without any that is left the broker ends, and nothing here
// changes. It may be called with the lock of a log.
func (m *Manager) storageError(d *logDir, err error) {
	last := !slices.ContainsFunc(m.dirs, func(o *logDir) bool { return o != d && !o.offline() })
	if !last {
		if !d.failure.CompareAndSwap(nil, &err) {
			return
		}
		m.e.Event("log-dir-failed", env.Text("dir", d.Name), env.Text("error", err.Error()))
	}
	if m.deps.OnDirFailed != nil {
		m.deps.OnDirFailed(d.ID, last, err)
	}
	if !last {
		m.removals.start(m.e, nil, func() { m.takeOffline(d) })
	}
}

// FailDir takes in that something else than a log failed in a directory.
func (m *Manager) FailDir(id metadata.DirectoryID, err error) {
	if i := slices.IndexFunc(m.dirs, func(d *logDir) bool { return d.ID == id }); i >= 0 {
		m.storageError(m.dirs[i], err)
	}
}

// FailedDirs are the ids of the directories that went offline since the start.
func (m *Manager) FailedDirs() (ids []metadata.DirectoryID) {
	for _, d := range m.dirs {
		if d.offline() && d.Failed == nil {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// takeOffline answers whoever waits for replicas in d. They stay what they are
// until the controller has moved their leaderships, and answer with
// KAFKA_STORAGE_ERROR.
func (m *Manager) takeOffline(d *logDir) {
	for _, p := range m.sorted() {
		if p.dir == d {
			p.takeOffline()
		}
	}
}

func (p *partition) takeOffline() {
	p.log.Fence(*p.dir.failure.Load())
	p.mu.Lock()
	defer p.mu.Unlock()
	const reason = "the log directory of the replica has failed"
	p.unsynced.failAll(kerr.KafkaStorageError.Code, reason)
	p.appends.failAll(kerr.KafkaStorageError.Code, reason)
	p.followers, p.consumers = wake(p.followers), wake(p.consumers)
}

// DirView describes a log directory.
type DirView struct {
	Name    string
	Path    string
	ID      metadata.DirectoryID
	Offline error // why it is offline, nil if it is not
}

// Dirs describes the log directories.
func (m *Manager) Dirs() []DirView {
	all := make([]DirView, 0, len(m.dirs))
	for _, d := range m.dirs {
		v := DirView{Name: d.Name, Path: d.Path, ID: d.ID}
		if err := d.failure.Load(); err != nil {
			v.Offline = *err
		}
		all = append(all, v)
	}
	return all
}

// placement is where the replicas of a broker are.
type placement struct {
	found map[replicaKey]*logDir // by what was in the directories at the start
	count map[*logDir]int
}

// lookAround finds the logs that are in the directories, and removes those of
// topics that were deleted, or given to others, while this broker was away.
func (m *Manager) lookAround(image *metadata.Image) {
	m.place = placement{found: map[replicaKey]*logDir{}, count: map[*logDir]int{}}
	fsys := m.e.FS()
	for _, d := range m.dirs {
		if d.offline() {
			continue
		}
		entries, err := fsys.ReadDir(d.Path)
		if err != nil {
			// With one directory, opening the logs tells.
			if len(m.dirs) > 1 {
				m.storageError(d, fmt.Errorf("replication: %w", &storage.IOError{Op: "list", File: d.Path, Position: -1, Err: err}))
			}
			continue
		}
		for _, entry := range entries {
			id, n, ok := ParseLogDir(entry.Name)
			if !entry.IsDir || !ok {
				continue
			}
			key := replicaKey{id, n}
			if part := m.assigned(image, key); part != nil && m.keep(part, key, d) {
				continue
			}
			m.removeStray(d, entry.Name)
		}
	}
}

// keep notes that a log is in d, and reports false if it is to be removed since it
// is elsewhere too: there where metadata says, or else where it was found first.
func (m *Manager) keep(part *metadata.Partition, key replicaKey, d *logDir) bool {
	other := m.place.found[key]
	if other != nil && part.Directory(m.cfg.BrokerID) != d.ID {
		return false
	}
	m.place.found[key] = d
	if other == nil {
		m.place.count[d]++
		return true
	}
	m.removeStray(other, logDirName(part.TP(), part.TopicID))
	m.place.count[other]--
	m.place.count[d]++
	return true
}

func (m *Manager) removeStray(d *logDir, name string) {
	attrs := []env.Attr{env.Text("dir", name)}
	if err := m.e.FS().RemoveAll(path.Join(d.Path, name)); err != nil {
		attrs = append(attrs, env.Text("error", err.Error()))
	}
	m.e.Event("stray-log-removed", attrs...)
}

// assigned is the partition of which this broker is to have that replica, nil if
// there is none.
func (m *Manager) assigned(image *metadata.Image, key replicaKey) *metadata.Partition {
	t := image.TopicByID(key.topic)
	if t == nil {
		return nil
	}
	part := image.Partition(metadata.TopicPartition{Topic: t.Name, Partition: key.partition})
	if part == nil || !part.HasReplica(m.cfg.BrokerID) {
		return nil
	}
	return part
}

// choose is the directory of a replica whose log is to be opened, nil if it is in
// one that is offline. One that is new goes where the fewest are, as in Kafka.
//
// While a directory is offline, a replica that was placed before and is nowhere to
// be seen is taken to be in that, wherever metadata has it: an empty log must not
// come in the place of one that is relied on.
func (m *Manager) choose(part *metadata.Partition) *logDir {
	key := replicaKey{part.TopicID, part.Partition}
	d := m.place.found[key]
	if d == nil {
		placed := !part.Directory(m.cfg.BrokerID).Unassigned()
		offline := slices.ContainsFunc(m.dirs, (*logDir).offline)
		if placed && offline {
			return nil
		}
		d = m.fewest()
		m.place.found[key] = d
		m.place.count[d]++
	}
	if d == nil || d.offline() {
		return nil
	}
	return d
}

// fewest is the directory with the fewest replicas of those that are online.
func (m *Manager) fewest() (best *logDir) {
	for _, d := range m.dirs {
		if !d.offline() && (best == nil || m.place.count[d] < m.place.count[best]) {
			best = d
		}
	}
	if best == nil {
		return m.dirs[0] // the broker is ending
	}
	return best
}

// forgetPlace notes that a replica is gone.
func (m *Manager) forgetPlace(key replicaKey) {
	if d := m.place.found[key]; d != nil {
		delete(m.place.found, key)
		m.place.count[d]--
	}
}
