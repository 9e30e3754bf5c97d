package replication

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// placement is where the replicas of a broker are, and are to be.
type placement struct {
	mu        env.Mutex
	found     map[replicaKey]*logDir // by what was in the directories at the start
	futures   map[replicaKey]*logDir // where the copies are of those that were moving
	preferred map[metadata.TopicPartition]*logDir
	count     map[*logDir]int
}

func newPlacement(e env.Env) placement {
	return placement{mu: e.NewMutex(), found: map[replicaKey]*logDir{}, futures: map[replicaKey]*logDir{},
		preferred: map[metadata.TopicPartition]*logDir{}, count: map[*logDir]int{}}
}

// lookAround finds the logs that are in the directories, finishes moves between
// them, and removes logs of topics that were deleted, or given to others, while
// this broker was away.
func (m *Manager) lookAround(image *metadata.Image) {
	left := map[replicaKey]*logDir{} // what was replaced by a move
	for _, d := range m.dirs {
		if d.offline() {
			continue
		}
		entries, err := m.e.FS().ReadDir(d.Path)
		if err != nil {
			// With one directory, opening the logs tells.
			if len(m.dirs) > 1 && !errors.Is(err, fs.ErrNotExist) {
				m.storageError(d, fmt.Errorf("replication: %w", &storage.IOError{Op: "list", File: d.Path, Position: -1, Err: err}))
			}
			continue
		}
		for _, entry := range entries {
			name, suffix := cutSuffix(entry.Name)
			id, n, ok := ParseLogDir(name)
			if !entry.IsDir || !ok {
				continue
			}
			key := replicaKey{id, n}
			part := m.assignedHere(image, key)
			switch {
			case part != nil && suffix == storage.FutureSuffix:
				m.place.futures[key] = d
			case part != nil && suffix == storage.ReplacedSuffix:
				left[key] = d
			case part != nil && m.keep(part, key, d):
			default:
				m.removeStray(d, entry.Name)
			}
		}
	}
	m.finishMoves(image, left)
}

// cutSuffix takes apart the name of a log's directory and what a move put behind
// it. An id has 22 characters, so that none of its own is taken for that.
func cutSuffix(name string) (log, suffix string) {
	for _, suffix := range []string{storage.FutureSuffix, storage.ReplacedSuffix} {
		if log, ok := strings.CutSuffix(name, suffix); ok {
			if _, _, ok := ParseLogDir(log); ok {
				return log, suffix
			}
		}
	}
	return name, ""
}

// finishMoves does the rest of moves that a crash cut short, and removes what they
// left. A copy without the log that it is of, when that has not been given up for
// it, is worth nothing: it may lack what was committed.
func (m *Manager) finishMoves(image *metadata.Image, left map[replicaKey]*logDir) {
	for _, t := range image.Topics() {
		for _, part := range t.Partitions {
			key := replicaKey{part.TopicID, part.Partition}
			name := logDirName(part.TP(), part.TopicID)
			old, to := left[key], m.place.futures[key]
			if to != nil && m.place.found[key] == nil {
				delete(m.place.futures, key)
				if old != nil {
					err := storage.FinishMove(m.e.FS(), path.Join(to.Path, name+storage.FutureSuffix), path.Join(to.Path, name))
					if err != nil {
						m.storageError(to, fmt.Errorf("replication: %w", err))
					}
					m.place.found[key] = to
					m.place.count[to]++
				} else {
					m.removeStray(to, name+storage.FutureSuffix)
				}
			}
			if old != nil && m.place.found[key] != nil && !m.place.found[key].offline() {
				m.removeStray(old, name+storage.ReplacedSuffix)
			}
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

// assignedHere is the partition of which this broker is to have that replica, nil
// if there is none.
func (m *Manager) assignedHere(image *metadata.Image, key replicaKey) *metadata.Partition {
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

// choose is the directory of a replica whose log is to be opened, nil if it is
// offline. One that is new goes where the fewest are, as in Kafka, or where an
// administrator wants it.
//
// An empty log must not come in the place of one that is relied on. While a
// directory is offline, a replica that was placed before and is nowhere to be
// seen is taken to be in that, wherever metadata has it. One that is not in the
// directory where metadata has it, which is online, is lost: the controller is
// told so (unopened), and when it no longer relies on it, a new one is made.
func (m *Manager) choose(part *metadata.Partition) *logDir {
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	key := replicaKey{part.TopicID, part.Partition}
	d := m.place.found[key]
	if d == nil {
		in := part.Directory(m.cfg.BrokerID)
		if !in.Unassigned() && (slices.ContainsFunc(m.dirs, (*logDir).offline) || m.lost(in)) {
			return nil
		}
		if d = m.place.preferred[part.TP()]; d == nil || d.offline() {
			d = m.fewest()
		}
		delete(m.place.preferred, part.TP())
		m.place.found[key] = d
		m.place.count[d]++
	}
	if d.offline() {
		return nil
	}
	return d
}

// lost reports whether a replica that is nowhere was to be in a directory that is
// online. With a single one the disk has broken its promise, and nobody hears.
func (m *Manager) lost(in metadata.DirectoryID) bool {
	return len(m.dirs) > 1 && slices.ContainsFunc(m.dirs, func(d *logDir) bool { return d.ID == in && !d.offline() })
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
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	if d := m.place.found[key]; d != nil {
		delete(m.place.found, key)
		m.place.count[d]--
	}
}

// movePlace notes that a replica is in another directory.
func (m *Manager) movePlace(key replicaKey, to *logDir) {
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	if d := m.place.found[key]; d != nil {
		m.place.count[d]--
		m.place.found[key] = to
		m.place.count[to]++
	}
}

// maxPreferred bounds what strangers can have remembered of replicas that are not
// here.
const maxPreferred = 10000

// prefer notes where an administrator wants a replica that is not here yet.
func (m *Manager) prefer(tp metadata.TopicPartition, d *logDir) {
	m.place.mu.Lock()
	defer m.place.mu.Unlock()
	if len(m.place.preferred) < maxPreferred {
		m.place.preferred[tp] = d
	}
}

// goOnMoving goes on with the move of a replica that has a copy elsewhere, once it
// is open.
func (m *Manager) goOnMoving(p *partition) {
	m.place.mu.Lock()
	to := m.place.futures[p.key()]
	delete(m.place.futures, p.key())
	m.place.mu.Unlock()
	if to == nil || to == p.dir() || to.offline() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.move == nil && !p.gone {
		p.beginMove(to)
	}
}
