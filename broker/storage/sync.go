package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// opSyncDir is the IOError.Op of a directory's sync.
const opSyncDir = "sync directory"

var (
	errClosed     = errors.New("the log is closed")
	errNotDurable = errors.New("it is not known to be durable yet")
)

// Sync makes everything appended so far durable. An error fences the log: the
// kernel may have dropped what it could not write, and a second Sync would
// then succeed without having written it.
func (l *Log) Sync() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	return l.sync()
}

// sync is Sync with maintenance held.
func (l *Log) sync() error {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	target := l.next
	var dirty []*segment
	for i := len(l.segments) - 1; i >= 0; i-- {
		seg := l.segments[i]
		if seg.dirty {
			seg.dirty = false
			dirty = append(dirty, seg)
		}
		if i < len(l.segments)-1 && seg.next <= l.synced.Load() {
			break
		}
	}
	slices.Reverse(dirty)
	dirDirty := l.dirDirty
	l.dirDirty = false
	l.unflushed = 0
	l.mu.Unlock()

	for _, seg := range dirty {
		l.env.Work("storage.sync", 1)
		if l.isMetadata() && planted.Is("metadata-log-unsynced") {
			continue
		}
		if err := seg.file.Sync(); err != nil {
			return l.fence("sync", seg.name(), -1, err)
		}
	}
	if dirDirty {
		if err := l.syncDir(); err != nil {
			return err
		}
	}
	// Nothing but an append can have changed the log meanwhile.
	if target > l.synced.Load() {
		l.synced.Store(target)
	}
	l.mu.Lock()
	l.publish(target)
	l.mu.Unlock()
	return nil
}

// syncInTime sees to it that what was appended is durable once FlushAfter has
// passed. mu is held.
func (l *Log) syncInTime() {
	if after := l.cfg.FlushAfter; after > 0 && l.timed == nil && !l.closing {
		l.timed = l.env.Go("storage: flush.ms of "+l.Dir(), func() { l.syncAfter(after) })
	}
}

// syncAfter is the task of syncInTime.
func (l *Log) syncAfter(after time.Duration) {
	if l.over.Wait(after) {
		return
	}
	err := l.Sync() // has fenced the log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timed = nil
	if err == nil && l.unflushed > 0 {
		l.syncInTime()
	}
}

// stopTasks has the log's tasks end, and returns what waits until they have. mu is
// held.
func (l *Log) stopTasks() (wait func()) {
	l.closing = true
	l.over.Set()
	flusher, timed := l.flusher, l.timed
	return func() {
		for _, task := range []env.Task{flusher, timed} {
			if task != nil {
				task.Wait()
			}
		}
	}
}

// syncDir makes the names in the log's directory durable, or fences the log.
func (l *Log) syncDir() error {
	if err := l.fs.SyncDir(l.Dir()); err != nil {
		return l.fence(opSyncDir, l.Dir(), -1, err)
	}
	return nil
}

func (l *Log) statePath() string { return path.Join(l.Dir(), stateName) }

func (l *Log) snapshotPath(offset int64) string {
	return path.Join(l.Dir(), baseName(offset)+snapshotSuffix)
}

// keptSnapshots is how many producer snapshots stay: the newest, and one more
// in case that one is damaged.
const keptSnapshots = 2

// saveSnapshot writes the producer table as it stood before offset and removes
// the snapshots that are no longer needed. maintenance is held.
func (l *Log) saveSnapshot(offset int64, data []byte) error {
	if err := writeAtomically(l.fs, l.snapshotPath(offset), data); err != nil {
		return err
	}
	if i, known := slices.BinarySearch(l.kept, offset); !known {
		l.kept = slices.Insert(l.kept, i, offset)
	}
	for len(l.kept) > keptSnapshots {
		if err := l.fs.Remove(l.snapshotPath(l.kept[0])); err != nil {
			return &IOError{Op: "remove", File: l.snapshotPath(l.kept[0]), Position: -1, Err: err}
		}
		l.kept = l.kept[1:]
	}
	return nil
}

// snapshots lists the offsets of the producer snapshots, ascending.
func (l *Log) snapshots() ([]int64, error) {
	infos, err := l.fs.ReadDir(l.Dir())
	if err != nil {
		return nil, &IOError{Op: "list", File: l.Dir(), Position: -1, Err: err}
	}
	var offsets []int64
	for _, info := range infos {
		if off, ok := parseBase(info.Name, snapshotSuffix); ok {
			offsets = append(offsets, off)
		}
	}
	return offsets, nil
}

// Close makes the log durable, notes that it is, so that opening it needs no
// scan, and closes its files. The log cannot be used afterwards, but may be
// opened again. Closing a fenced log only closes its files. When it returns,
// nothing that the log has started is running any more.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closing
	wait := l.stopTasks()
	l.mu.Unlock()
	defer wait()
	l.stopCleaning.Store(true)
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if again {
		return nil
	}
	err := l.Failed()
	if err == nil {
		err = l.aside(l.saveAll())
	}
	return errors.Join(err, l.closeFiles())
}

// saveAll makes everything durable and moves the recovery point to the end.
// maintenance is held and no append can come.
func (l *Log) saveAll() error {
	if err := l.sync(); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		if len(l.sealed) == 0 {
			break
		}
		job := l.sealed[0]
		l.sealed = l.sealed[1:]
		l.mu.Unlock()
		if err := l.finishSealed(job); err != nil {
			return err
		}
	}
	seg := l.active()
	seg.index.noteTime(seg.base)
	producers := l.producers.encode(l.next, l.clocks())
	rp := recoveryPoint{offset: l.next, segment: seg.base, position: seg.size}
	l.mu.Unlock()

	if err := seg.saveIndex(l.fs); err != nil {
		return err
	}
	if err := l.saveSnapshot(rp.offset, producers); err != nil {
		return err
	}
	return l.saveState(rp)
}

// closeFiles closes the segment files. maintenance is held.
func (l *Log) closeFiles() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closing, l.closed = true, true
	l.gen.Add(1)
	var errs []error
	for _, seg := range l.segments {
		if err := seg.file.Close(); err != nil {
			errs = append(errs, &IOError{Op: "close", File: seg.name(), Position: -1, Err: err})
		}
	}
	return errors.Join(errs...)
}

// Delete closes the log without syncing and removes its directory.
func (l *Log) Delete() error {
	l.mu.Lock()
	wait := l.stopTasks()
	l.mu.Unlock()
	defer wait()
	l.stopCleaning.Store(true)
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	// The files are going: an error of closing one says nothing of use.
	_ = l.closeFiles()
	if err := l.fs.RemoveAll(l.Dir()); err != nil {
		return &IOError{Op: "remove", File: l.Dir(), Position: -1, Err: err}
	}
	if err := l.fs.SyncDir(path.Dir(l.Dir())); err != nil {
		return fmt.Errorf("storage: sync directory after removing %s: %w", l.Dir(), err)
	}
	return nil
}
