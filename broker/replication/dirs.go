package replication

import (
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
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
		if p.dir() == d {
			p.takeOffline()
		}
	}
}

func (p *partition) takeOffline() {
	p.log.Fence(*p.dir().failure.Load())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settleDirectory()
	const reason = "the log directory of the replica has failed"
	p.unsynced.failAll(kerr.KafkaStorageError.Code, reason)
	p.appends.failAll(kerr.KafkaStorageError.Code, reason)
	p.followers, p.consumers = wake(p.followers), wake(p.consumers)
}

// settleDirectory has the controller told where the replica is, if it does not know.
// mu is held.
func (p *partition) settleDirectory() {
	at := p.dir()
	if p.move != nil && p.move.told && !at.offline() {
		at = p.move.to
	}
	if p.m.assigner != nil && p.assigned != at.ID {
		p.m.assigner.tell(p.key(), at.ID)
	}
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
