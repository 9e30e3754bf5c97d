package controller

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// snapshotting is when this node writes snapshots. Every node does so by itself,
// by the bytes and the age of what came after the one before (as in Kafka).
type snapshotting struct {
	store   snapshots
	last    quorum.SnapshotID // the newest there is, or that is being written
	at      time.Duration     // when it was begun
	bytes   int64             // committed since
	running bool
}

// snapshotWritten is the end of the task that writes a snapshot.
type snapshotWritten struct {
	id  quorum.SnapshotID
	err error
}

// snapshotDue is when the age of what is not in a snapshot calls for one.
func (l *loop) snapshotDue() time.Duration {
	s := &l.snapshots
	if s.running || l.n.cfg.SnapshotInterval <= 0 || l.committed.Offset()+1 <= s.last.End {
		return env.Forever
	}
	return s.at + l.n.cfg.SnapshotInterval
}

// maybeSnapshot begins to write a snapshot if it is time. Images do not change,
// so it is written beside everything else.
func (l *loop) maybeSnapshot() {
	s, n := &l.snapshots, l.n
	if l.fatal != nil || s.running || l.committed.Offset()+1 <= s.last.End {
		return
	}
	due := l.snapshotDue()
	// The settings say when at the latest. Not all the time, though: a node that
	// fetches a snapshot has to come to its end before it is gone.
	if n.e.Now()-s.at > 2*time.Second && n.lab.Rare("controller/snapshot-now") {
		due = n.e.Now()
	}
	if s.bytes < n.cfg.SnapshotBytes && (due == env.Forever || n.e.Now() < due) {
		return
	}
	img := l.committed
	id := quorum.SnapshotID{End: img.Offset() + 1, Epoch: img.Epoch()}
	s.running, s.last, s.at, s.bytes = true, id, n.e.Now(), 0
	store, wall := s.store, l.wallMillis()
	task := n.e.Go("metadata-snapshot", func() {
		n.post(snapshotWritten{id, store.write(id, encodeSnapshot(img, wall))})
	})
	n.mu.Lock()
	n.snapshotTask = task
	n.mu.Unlock()
}

// snapshotWritten lets the log begin later, now that there is a snapshot. That
// there is none, because the disk is full, say, only makes the log longer.
func (l *loop) snapshotWritten(w snapshotWritten) {
	l.snapshots.running = false
	if w.err != nil {
		l.n.e.Event("snapshot-failed", env.Text("error", w.err.Error()))
		return
	}
	l.n.e.Event("snapshot", env.Int("end", w.id.End), env.Int("epoch", w.id.Epoch))
	l.step(quorum.Snapshotted{ID: w.id})
}

// dropBefore makes the log begin at base.
func (l *loop) dropBefore(base quorum.SnapshotID) error {
	if err := l.n.log.DeleteRecordsBefore(base.End); err != nil {
		return fmt.Errorf("controller: begin the metadata log at %d: %w", base.End, err)
	}
	return l.snapshots.store.removeBefore(base.End)
}

// install makes a fetched snapshot the state of this node. Each step leaves
// something from which a new process goes on: the old log, or, once the
// snapshot has its name, the snapshot (quorum.Recover).
func (l *loop) install(id quorum.SnapshotID) error {
	n, s := l.n, &l.snapshots
	img, err := s.store.fetched(id)
	if err != nil {
		n.e.Event("snapshot-damaged", env.Text("file", snapshotName(id)), env.Text("error", err.Error()))
		l.next = append(l.next, quorum.Installed{ID: id})
		return nil
	}
	if err := n.checkCluster(img); err != nil {
		return err
	}
	if err := s.store.finish(id, fetchSuffix); err != nil {
		return err
	}
	if err := n.log.TruncateFullyAndStartAt(id.End); err != nil {
		return fmt.Errorf("controller: begin the metadata log at %d: %w", id.End, err)
	}
	if err := s.store.removeBefore(id.End); err != nil {
		return err
	}
	n.e.Event("snapshot-installed", env.Int("end", id.End), env.Int("epoch", id.Epoch), env.Int("before", l.committed.Offset()+1))
	l.dirty = false
	s.last, s.at, s.bytes = id, n.e.Now(), 0
	delta := metadata.Between(l.committed, img)
	l.committed = img
	n.publish(img, delta)
	l.next = append(l.next, quorum.Installed{ID: id, OK: true})
	return nil
}
