package storage

import (
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// Suffixes of segment files that are not yet part of the log, as in Kafka.
const (
	cleanedSuffix = logSuffix + ".cleaned" // being written
	swapSuffix    = logSuffix + ".swap"    // whole, durable, and to take the place of others
)

// swapRange is the offsets [base, end) whose segments another one replaces. The
// zero value is none.
type swapRange struct{ base, end int64 }

// AllowGaps lets the log have gaps from now on, durably: a scan after a crash
// would take the first for damage. Errors are *IOError.
func (l *Log) AllowGaps() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	if l.gaps {
		l.mu.Unlock()
		return nil
	}
	l.gaps = true
	rp := l.recovery
	l.mu.Unlock()
	return l.aside(l.saveState(rp))
}

// replaceByCleaned puts the segment that writeCleaned has written in the place of
// the group's. They must lie before the recovery point. It is what compaction does
// to a log, and a crash at any point of it leaves the log as it was or as it is to
// be:
//
//  1. The new segment has been written aside as .cleaned and synced. Open removes
//     it.
//  2. The index of aborted transactions that goes with it is written. It leaves out
//     only transactions of which the old log, too, has nothing but a marker.
//  3. Which offsets it replaces, and that there may be gaps, is noted in
//     log-state.
//  4. It is renamed to .swap, durably. From here on Open finishes what follows.
//  5. The replaced segments but the first go, and the indexes.
//  6. It is renamed to .log, in the place of the first.
//  7. The note in log-state is taken back.
//
// An error for which Interrupted holds says that the segments are not what they
// were when they were read, or that the log behind them was cut since: Kafka's
// cleaner, too, ends when a log is truncated (LogManager.truncateTo). Errors after step 4 fence the log.
func (l *Log) replaceByCleaned(g segmentGroup, fresh *segment) error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.mu.Lock()
	from := slices.Index(l.segments, g.old[0])
	to := from + len(g.old)
	if from < 0 || to >= len(l.segments) || !slices.Equal(l.segments[from:to], g.old) || l.segments[to].base != g.end || l.Cuts() != g.cuts || l.usable() != nil {
		l.mu.Unlock()
		return l.discard(fresh, errCleanedAside)
	}
	rp, wasGaps := l.recovery, l.gaps
	for _, seg := range g.old {
		fresh.abortedSaved = fresh.abortedSaved || seg.abortedSaved
	}
	l.mu.Unlock()
	if g.end > rp.segment {
		return l.discard(fresh, &IOError{Op: "replace", File: g.old[0].name(), Position: -1, Err: errNotDurable})
	}
	if err := fresh.saveAborted(l.fs); err != nil {
		return l.discard(fresh, l.aside(err))
	}
	l.mu.Lock()
	l.gaps, l.swap = true, swapRange{fresh.base, g.end}
	l.mu.Unlock()
	if err := l.saveState(rp); err != nil {
		l.mu.Lock()
		l.gaps, l.swap = wasGaps, swapRange{}
		l.mu.Unlock()
		return l.discard(fresh, l.aside(err))
	}
	if len(g.old) > 1 && planted.Is("remove-before-swap") {
		if err := l.removeReplaced(g.old[1:]); err != nil {
			return l.fenceFor(err)
		}
	}
	if err := l.renameDurably(fresh, cleanedSuffix, swapSuffix); err != nil {
		_ = fresh.file.Close()
		return l.fenceFor(err)
	}

	l.mu.Lock()
	l.segments = slices.Replace(slices.Clone(l.segments), from, to, fresh)
	for _, seg := range g.old {
		l.size.Add(-seg.size)
	}
	l.size.Add(fresh.size)
	l.gen.Add(1)
	l.mu.Unlock()
	for _, seg := range g.old {
		if err := seg.file.Close(); err != nil {
			return l.fence("close", seg.name(), -1, err)
		}
	}
	if err := l.finishSwap(fresh, g.old[1:]); err != nil {
		return l.fenceFor(err)
	}
	l.mu.Lock()
	l.swap = swapRange{}
	l.mu.Unlock()
	if err := fresh.saveIndex(l.fs); err != nil {
		return l.aside(err)
	}
	return l.aside(l.saveState(rp))
}

// writeCleaned writes aside the segment that is to replace a group's, from the
// batches that fill gives it, and syncs it. No lock is held, and whatever happens
// to the log meanwhile replaceByCleaned notices.
func (l *Log) writeCleaned(g segmentGroup, fill func(write func(Batch) error) error) (*segment, error) {
	fresh := newSegment(l.Dir(), g.old[0].base, nil)
	name := fresh.path + cleanedSuffix
	f, err := l.fs.Create(name)
	if err != nil {
		return nil, l.besides(&IOError{Op: "create", File: name, Position: -1, Err: err})
	}
	fresh.file = f
	l.mu.Lock()
	interval := l.cfg.IndexIntervalBytes
	l.mu.Unlock()
	out := bufferedFile{file: f}
	err = fill(func(b Batch) error {
		if err := out.write(b); err != nil {
			return l.besides(&IOError{Op: "write", File: name, Position: out.at, Err: err})
		}
		fresh.note(b, interval)
		return nil
	})
	if err == nil {
		err = out.flush()
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			err = l.besides(&IOError{Op: "sync", File: name, Position: -1, Err: err})
		}
	}
	if err != nil {
		return nil, l.discard(fresh, err)
	}
	fresh.next = g.end
	fresh.index.noteTime(fresh.base)
	return fresh, nil
}

// besides is aside for files that are no part of the log yet: a log that is being
// closed or removed is no failure.
func (l *Log) besides(err error) error {
	if l.stopCleaning.Load() {
		return errCleanedAside
	}
	return l.aside(err)
}

// discard removes a segment that was written aside, because of err, which it
// returns. What it cannot remove Open will.
func (l *Log) discard(fresh *segment, err error) error {
	_ = fresh.file.Close()
	_ = l.fs.Remove(fresh.path + cleanedSuffix)
	return err
}

// bufferedFile writes a new file in large pieces.
type bufferedFile struct {
	file env.File
	at   int64 // bytes written
	buf  []byte
}

const bufferedFileBytes = 256 << 10

func (w *bufferedFile) write(p []byte) error {
	if len(w.buf)+len(p) > bufferedFileBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, p...)
	return nil
}

func (w *bufferedFile) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := writeFull(w.file, w.buf, w.at); err != nil {
		return err
	}
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// renameDurably renames the segment's log file from one suffix to another.
func (l *Log) renameDurably(seg *segment, from, to string) error {
	if err := l.fs.Rename(seg.path+from, seg.path+to); err != nil {
		return &IOError{Op: "rename to " + seg.path + to, File: seg.path + from, Position: -1, Err: err}
	}
	return l.syncDir()
}

// finishSwap does what is left once the segment that replaces others is a .swap:
// it can be done again from any point.
func (l *Log) finishSwap(fresh *segment, gone []*segment) error {
	if err := l.removeReplaced(gone); err != nil {
		return err
	}
	if err := l.removeIndexFiles(fresh); err != nil {
		return err
	}
	if err := l.syncDir(); err != nil {
		return err
	}
	return l.renameDurably(fresh, swapSuffix, logSuffix)
}

// removeReplaced removes the files of segments that another one replaces.
func (l *Log) removeReplaced(gone []*segment) error {
	for _, seg := range gone {
		if err := l.fs.Remove(seg.name()); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: seg.name(), Position: -1, Err: err}
		}
		if err := l.fs.Remove(seg.abortedName()); err != nil && !isMissing(err) {
			return &IOError{Op: "remove", File: seg.abortedName(), Position: -1, Err: err}
		}
		if err := l.removeIndexFiles(seg); err != nil {
			return err
		}
	}
	return nil
}

// finishSwaps removes what was being written aside when the process ended, and
// finishes a replacement that had got to its .swap.
func (o *opener) finishSwaps(infos []env.FileInfo) error {
	for _, info := range infos {
		if strings.HasSuffix(info.Name, cleanedSuffix) {
			if err := o.remove(info.Name); err != nil {
				return err
			}
		}
		base, ok := parseBase(info.Name, swapSuffix)
		if !ok {
			continue
		}
		// The process that died may not have come to make the name durable.
		if err := o.syncDir(); err != nil {
			return err
		}
		fresh := newSegment(o.Dir(), base, nil)
		end := o.state.swap.end
		if o.state.swap.base != base || end == 0 {
			var err error
			if end, err = o.swapEnd(fresh); err != nil {
				return err
			}
		}
		var gone []*segment
		for _, other := range infos {
			if b, ok := parseBase(other.Name, logSuffix); ok && b > base && b < end {
				gone = append(gone, newSegment(o.Dir(), b, nil))
			}
		}
		if err := o.finishSwap(fresh, gone); err != nil {
			return err
		}
		o.changed, o.gaps = true, true
		o.rec.FinishedSwaps = append(o.rec.FinishedSwaps, path.Join(o.Dir(), info.Name))
	}
	return nil
}

// swapEnd is where a .swap of which log-state tells nothing ends: after its last
// batch. What it replaced behind that, if anything, stays beside it.
func (o *opener) swapEnd(fresh *segment) (int64, error) {
	name := fresh.path + swapSuffix
	f, err := o.fs.Open(name)
	if err != nil {
		return 0, &IOError{Op: "open", File: name, Position: -1, Err: err}
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Size()
	if err != nil {
		return 0, &IOError{Op: "size of", File: name, Position: -1, Err: err}
	}
	r := &batchReader{file: f, name: name, end: size, at: continuation{next: fresh.base, last: -1, epoch: -1, gaps: true}}
	for {
		if _, _, err := r.next(); err != nil {
			return r.at.next, nil //nolint:nilerr // what is damaged there its readers will be told of
		}
	}
}
