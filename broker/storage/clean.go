package storage

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// CleanParams say what one cleaning does.
type CleanParams struct {
	// FirstDirty is where the last cleaning ended: below it each key is there
	// once. UpTo is where this one ends at the latest. Both as Cleanable has them.
	FirstDirty, UpTo int64

	// NowWallMillis is the wall clock, by which delete horizons are set and pass.
	NowWallMillis int64

	// RemoveBelow is the offset below which tombstones and markers go when their
	// horizon has passed. math.MaxInt64 is Kafka's way.
	RemoveBelow int64

	// BufferBytes and LoadPercent bound the map of keys.
	// [log.cleaner.dedupe.buffer.size, log.cleaner.io.buffer.load.factor]
	BufferBytes int64
	LoadPercent int

	// Spent, if set, hears how many bytes were read or written, and may wait. The
	// cleaning ends early if it returns false.
	Spent func(bytes int64) bool
}

// CleanResult is what one cleaning did.
type CleanResult struct {
	NextDirty   int64 // where the next one begins
	BytesBefore int64 // of the segments that were looked at
	BytesAfter  int64
	Removed     int64 // records
	Pending     int64 // tombstones and markers that stay for the time being
	Segments    int   // that were replaced
}

// Cleanable is what there is of a log to clean.
type Cleanable struct {
	FirstDirty, UpTo      int64
	CleanBytes            int64 // before FirstDirty
	DirtyBytes            int64 // from there to UpTo
	EarliestDirtyMillis   int64 // the first timestamp of the dirty part but for the active segment, -1 if there is none
	MinDirtyPPM           int64 // [min.cleanable.dirty.ratio], in millionths
	MaxLagMillis          int64 // [max.compaction.lag.ms]
	DeleteRetentionMillis int64 // [delete.retention.ms]
}

// Cleanable tells what there is to clean from firstDirty on, where the last
// cleaning ended, when records below lastStable are decided and committed. As in
// Kafka the active segment stays as it is, and whatever is younger than
// min.compaction.lag.ms; so does what is not known to be durable. A firstDirty
// that the log no longer has, or does not reach, is the log's start.
func (l *Log) Cleanable(firstDirty, lastStable, nowMillis int64) Cleanable {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := l.start.Load()
	c := Cleanable{FirstDirty: firstDirty, EarliestDirtyMillis: -1, MinDirtyPPM: l.cfg.MinCleanableDirtyPPM,
		MaxLagMillis: l.cfg.MaxCompactionLagMillis, DeleteRetentionMillis: l.cfg.DeleteRetentionMillis}
	if firstDirty < start || firstDirty > l.active().base {
		c.FirstDirty = start
	}
	c.UpTo = min(l.active().base, lastStable, l.recovery.segment)
	if sealed := min(l.active().base, l.recovery.segment); c.UpTo < sealed && planted.Is("clean-past-last-stable") {
		c.UpTo = sealed
	}
	for _, seg := range l.segments[:len(l.segments)-1] {
		if seg.next <= c.FirstDirty {
			c.CleanBytes += seg.size
			continue
		}
		if lag := l.cfg.MinCompactionLagMillis; lag > 0 && seg.index.maxTimestamp > nowMillis-lag {
			c.UpTo = min(c.UpTo, seg.base)
		}
		if seg.firstTimestamp >= 0 && (c.EarliestDirtyMillis < 0 || seg.firstTimestamp < c.EarliestDirtyMillis) {
			c.EarliestDirtyMillis = seg.firstTimestamp
		}
		if seg.base < c.UpTo {
			c.DirtyBytes += seg.size
		}
	}
	c.UpTo = max(c.UpTo, c.FirstDirty)
	return c
}

// Due reports whether the log is to be cleaned now: enough of it is dirty, or its
// dirty part has waited for as long as max.compaction.lag.ms lets it.
func (c *Cleanable) Due(nowMillis int64) bool {
	if c.DirtyBytes == 0 || c.UpTo <= c.FirstDirty {
		return false
	}
	overdue := c.EarliestDirtyMillis >= 0 && c.MaxLagMillis < math.MaxInt64 && nowMillis-c.EarliestDirtyMillis > c.MaxLagMillis
	return overdue || c.DirtyPPM() > c.MinDirtyPPM
}

const million = 1_000_000

// DirtyPPM is how much of the log is dirty, in millionths.
func (c *Cleanable) DirtyPPM() int64 {
	total := c.CleanBytes + c.DirtyBytes
	if total == 0 {
		return 0
	}
	return c.DirtyBytes/total*million + c.DirtyBytes%total*million/total // a log has less than 2^43 bytes
}

// errCleanedAside says that the log was closed or changed while it was cleaned,
// or its cleaner told to stop: what was cleaned so far stands.
var errCleanedAside = errors.New("the log was changed meanwhile")

// Interrupted reports whether an error of Clean only says that the log was
// closed or changed meanwhile, or that Spent ended it.
func Interrupted(err error) bool { return errors.Is(err, errCleanedAside) }

// Clean compacts the log's sealed segments below p.UpTo: of each key the last
// record stays (cleaning says what exactly). Appends and reads go on meanwhile.
// Only one cleaning of a log runs at a time.
//
// Errors: one for which Interrupted holds; *CorruptError if a batch cannot be
// read, *IOError. Whatever was not replaced yet is as it was; NextDirty counts
// only without an error.
func (l *Log) Clean(p CleanParams) (CleanResult, error) {
	l.cleaning.Lock()
	defer l.cleaning.Unlock()
	result := CleanResult{NextDirty: p.FirstDirty}
	keys := newOffsetMap(p.BufferBytes, p.LoadPercent)
	gen, cuts := l.gen.Load(), l.Cuts()
	if err := l.fillMap(keys, &p); err != nil {
		return result, l.cleanError(err, gen)
	}
	if keys.latest < p.FirstDirty {
		result.NextDirty = p.UpTo // nothing is there but a gap
		return result, nil
	}
	c := &cleaning{
		keys: keys, txns: newCleanedTransactions(l.AbortedTransactions(l.StartOffset(), p.UpTo)),
		epoch: -1, nowMillis: p.NowWallMillis, removeBelow: p.RemoveBelow,
	}
	l.mu.Lock()
	c.retentionMillis = l.cfg.DeleteRetentionMillis
	c.last = l.producers.lastBatches()
	groups := l.groupsToClean(keys.latest+1, cuts)
	l.mu.Unlock()
	for i, g := range groups {
		if i > 0 && planted.Is("cleaner-forgets-transactions") {
			c.txns = newCleanedTransactions(l.AbortedTransactions(g.old[0].base, g.end))
		}
		for _, seg := range g.old {
			result.BytesBefore += seg.size
		}
		gen = l.gen.Load()
		after, replaced, err := l.cleanGroup(g, c, &p)
		if err != nil {
			return result, l.cleanError(err, gen)
		}
		result.BytesAfter += after
		if replaced {
			result.Segments += len(g.old)
		}
	}
	result.NextDirty, result.Removed, result.Pending = keys.latest+1, c.removed, c.pending
	l.env.Event("log-cleaned", env.Text("dir", l.Dir()), env.Int("from", p.FirstDirty), env.Int("to", result.NextDirty),
		env.Int("bytes_before", result.BytesBefore), env.Int("bytes_after", result.BytesAfter),
		env.Int("removed", result.Removed), env.Int("pending", result.Pending))
	return result, nil
}

// segmentGroup is segments that one is to replace; the next begins at end.
type segmentGroup struct {
	old []*segment
	end int64

	// cuts is [Log.Cuts] from before it was known what stays: what has been cut since
	// supersedes nothing.
	cuts uint64
}

// maxCleanedIndexBytes bounds the offset index of segments that are put together,
// and their time index: Kafka's default of segment.index.bytes.
const maxCleanedIndexBytes = 10 << 20

// groupsToClean divides the sealed segments that begin below end into such as
// fit into one segment each. mu is held.
func (l *Log) groupsToClean(end int64, cuts uint64) (groups []segmentGroup) {
	var bytes, offsets, times int64
	for i, seg := range l.segments[:len(l.segments)-1] {
		if seg.base >= end {
			break
		}
		next := l.segments[i+1].base
		o, t := int64(len(seg.index.offsets)*offsetEntryBytes), int64(len(seg.index.times)*timeEntryBytes)
		if n := len(groups); n > 0 && bytes+seg.size <= l.cfg.SegmentBytes && next-groups[n-1].old[0].base <= math.MaxInt32 &&
			offsets+o <= maxCleanedIndexBytes && times+t <= maxCleanedIndexBytes {
			groups[n-1].old, groups[n-1].end = append(groups[n-1].old, seg), next
			bytes, offsets, times = bytes+seg.size, offsets+o, times+t
			continue
		}
		groups = append(groups, segmentGroup{old: []*segment{seg}, end: next, cuts: cuts})
		bytes, offsets, times = seg.size, o, t
	}
	return groups
}

// fillMap reads the dirty part, as far as the map takes it.
func (l *Log) fillMap(keys *offsetMap, p *CleanParams) error {
	txns := newCleanedTransactions(l.AbortedTransactions(max(p.FirstDirty, l.StartOffset()), p.UpTo))
	l.mu.Lock()
	var dirty []*batchReader
	for _, seg := range l.segments[:len(l.segments)-1] {
		if seg.next > p.FirstDirty && seg.base < p.UpTo {
			dirty = append(dirty, seg.reader(0, -1, l.gaps))
		}
	}
	l.mu.Unlock()
	for _, r := range dirty {
		err := l.walk(r, p, func(b Batch) error {
			if b.BaseOffset() >= p.UpTo {
				return io.EOF
			}
			room, err := mapKeys(keys, &txns, b, p.FirstDirty)
			switch {
			case err != nil:
				return l.undecodable(b, err)
			case !room && keys.latest < p.FirstDirty:
				return fmt.Errorf("storage: the batch at offset %d of %s has more keys than log.cleaner.dedupe.buffer.size, %d bytes, has room for", b.BaseOffset(), l.Dir(), p.BufferBytes)
			case !room:
				return errMapFull
			}
			return nil
		})
		if err == errMapFull { //nolint:errorlint // never wrapped
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errMapFull = errors.New("the map of keys is full")

// walk gives fn each batch of a segment, until one of them returns io.EOF.
func (l *Log) walk(r *batchReader, p *CleanParams, fn func(Batch) error) error {
	for {
		b, _, err := r.next()
		if err == nil {
			l.env.Work("storage.append", int64(len(b))) // each record is looked at, as when it was appended
			err = fn(b)
		}
		if err == io.EOF { //nolint:errorlint // never wrapped
			return nil
		}
		if err != nil {
			return err
		}
		if l.stopCleaning.Load() || p.Spent != nil && !p.Spent(int64(len(b))) {
			return errCleanedAside
		}
	}
}

// cleanGroup writes what stays of a group's segments and puts it in their place.
func (l *Log) cleanGroup(g segmentGroup, c *cleaning, p *CleanParams) (bytes int64, replaced bool, _ error) {
	changed := len(g.old) > 1
	fresh, err := l.writeCleaned(g, func(write func(Batch) error) error {
		for _, seg := range g.old {
			l.mu.Lock()
			r := seg.reader(0, -1, l.gaps)
			l.mu.Unlock()
			if err := l.walk(r, p, func(b Batch) error {
				if b.BaseOffset() >= p.UpTo {
					return write(b) // what is not decided yet stays as it is
				}
				out, err := c.filter(b)
				if err != nil {
					return l.undecodable(b, err)
				}
				changed = changed || out == nil || &out[0] != &b[0]
				if out == nil {
					return nil
				}
				return write(out)
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	fresh.aborted = c.txns.takeLeft()
	l.mu.Lock()
	for _, seg := range g.old {
		for _, a := range seg.aborted {
			if a.LastOffset >= p.UpTo {
				fresh.aborted = append(fresh.aborted, a)
			}
		}
	}
	l.mu.Unlock()
	if !changed && len(fresh.aborted) == len(g.old[0].aborted) {
		return fresh.size, false, l.discard(fresh, nil)
	}
	if p.Spent != nil && !p.Spent(fresh.size) {
		return 0, false, l.discard(fresh, errCleanedAside)
	}
	return fresh.size, true, l.replaceByCleaned(g, fresh)
}

// cleanError is an error of a cleaning, or, if the log was closed or changed under
// it since gen, one that says so.
func (l *Log) cleanError(err error, gen uint64) error {
	if l.stopCleaning.Load() || l.gen.Load() != gen && l.Failed() == nil {
		return errCleanedAside
	}
	return err
}

// lastBatches are the last batches of all producers.
func (t *producerTable) lastBatches() map[int64]lastOfProducer {
	last := make(map[int64]lastOfProducer, len(t.byID))
	for id, st := range t.byID { //weir:ordered from one map into another
		of := lastOfProducer{offset: -1, epoch: st.epoch}
		if st.n > 0 {
			of.offset = st.batches[st.n-1].last
		}
		last[id] = of
	}
	return last
}
