package storage

import (
	"path"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// ReplacedSuffix ends the name of a directory whose log is in another one now,
// and FutureSuffix that of a log which is to take the place of the one of its
// name (KIP-113).
const (
	ReplacedSuffix = "-delete"
	FutureSuffix   = "-future"
)

// MoveInto makes the log live in the directory of another, which the caller knows
// to hold the same records, under the same name with FutureSuffix, and which is not
// to be used again. Nobody may append to either or cut them meanwhile, but
// everybody read.
// What is left of the old place has ReplacedSuffix; RemoveReplaced removes it.
//
// The steps: everything in the new place is made durable, with the state of
// producers as this log has it; the old name is given up, durably; the new one
// is taken, durably. A crash leaves the old name, or none and both the others, or
// the new one: FinishMove tells which and does the rest. Only behind the last
// step anything is appended that the old place lacks.
//
// An error of the new place leaves the log where it was. One of the old place
// fences it.
func (l *Log) MoveInto(future *Log) error {
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	future.maintenance.Lock()
	defer future.maintenance.Unlock()
	if err := l.prepareMove(future); err != nil {
		return err
	}
	if err := future.aside(future.saveAll()); err != nil {
		return err
	}
	old, to := l.Dir(), path.Join(path.Dir(future.Dir()), path.Base(l.Dir()))
	if err := l.renameDir(old, old+ReplacedSuffix); err != nil {
		return l.fenceFor(err)
	}
	if err := l.renameDir(future.Dir(), to); err != nil {
		_ = future.fenceFor(err)
		if undo := l.renameDir(old+ReplacedSuffix, old); undo != nil {
			return l.fenceFor(undo)
		}
		return err
	}
	l.settleIn(future, to)
	return nil
}

// prepareMove gives a log that takes the place of this one what its batches do not
// say. Of both maintenance is held.
func (l *Log) prepareMove(future *Log) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	future.mu.Lock()
	defer future.mu.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if err := future.writable(); err != nil {
		return err
	}
	// Producers whose batches are gone, and an epoch that has no batch yet.
	future.producers = l.producers
	if epoch := l.epochs.latest(); epoch > future.epochs.latest() {
		future.epochs.note(epoch, future.next)
	}
	if planted.Is("swap-without-epochs") {
		future.epochs = epochCache{}
	}
	return nil
}

// renameDir renames a log's directory, durably.
func (l *Log) renameDir(from, to string) error {
	if err := l.fs.Rename(from, to); err != nil {
		return &IOError{Op: "rename to " + to, File: from, Position: -1, Err: err}
	}
	if err := l.fs.SyncDir(path.Dir(to)); err != nil {
		return &IOError{Op: opSyncDir, File: path.Dir(to), Position: -1, Err: err}
	}
	return nil
}

// settleIn makes the files of another log, which are in dir now, this one's.
func (l *Log) settleIn(future *Log, dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	future.mu.Lock()
	defer future.mu.Unlock()
	l.gen.Add(1)
	future.gen.Add(1)
	old := l.segments
	l.segments = nil
	for _, seg := range future.segments {
		moved := *seg
		moved.path = path.Join(dir, baseName(seg.base))
		moved.log = moved.path + logSuffix
		l.segments = append(l.segments, &moved)
	}
	l.at.Store(&dir)
	l.next, l.epochs, l.gaps = future.next, future.epochs, l.gaps || future.gaps
	l.recovery, l.kept, l.swap, l.sealed = future.recovery, future.kept, swapRange{}, nil
	l.unflushed, l.dirDirty = 0, false
	l.recent.reset()
	l.start.Store(future.start.Load())
	l.end.Store(future.end.Load())
	l.synced.Store(future.synced.Load())
	l.size.Store(future.size.Load())
	future.segments, future.closing, future.closed = nil, true, true
	for _, seg := range old {
		_ = seg.file.Close() // nobody reads it any more
	}
}

// RemoveReplaced removes what MoveInto left of the place that a log was in.
func RemoveReplaced(fsys env.FS, dir string) error {
	dir += ReplacedSuffix
	if err := fsys.RemoveAll(dir); err != nil {
		return &IOError{Op: "remove", File: dir, Position: -1, Err: err}
	}
	if err := fsys.SyncDir(path.Dir(dir)); err != nil {
		return &IOError{Op: opSyncDir, File: path.Dir(dir), Position: -1, Err: err}
	}
	return nil
}

// FinishMove takes the last step of a move that a crash cut short between them:
// the log with FutureSuffix is all there is of it but what has ReplacedSuffix.
func FinishMove(fsys env.FS, future, dir string) error {
	if err := fsys.Rename(future, dir); err != nil {
		return &IOError{Op: "rename to " + dir, File: future, Position: -1, Err: err}
	}
	if err := fsys.SyncDir(path.Dir(dir)); err != nil {
		return &IOError{Op: opSyncDir, File: path.Dir(dir), Position: -1, Err: err}
	}
	return nil
}
