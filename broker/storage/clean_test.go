package storage

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/env"
)

var cleanConfig = Config{SegmentBytes: 500, IndexIntervalBytes: 100, CleanupPolicy: CleanupCompact, DeleteRetentionMillis: 1000}

// keyedHistory is all that was ever appended to a compacted log.
type keyedHistory struct {
	records map[int64]Record
	aborted map[int64]bool // offsets of records that count for nothing
	stable  int64          // below it everything is decided
}

// fold is what the records below upTo leave of each key.
func (h *keyedHistory) fold(upTo int64) map[string]string {
	values := map[string]string{}
	for _, off := range env.SortedKeys(h.records) {
		if off < upTo && !h.aborted[off] {
			apply(values, h.records[off])
		}
	}
	return values
}

func apply(values map[string]string, r Record) {
	if r.Value == nil {
		delete(values, string(r.Key))
		return
	}
	values[string(r.Key)] = string(r.Value)
}

// committedOf lists the records below upTo that a reader of committed records gets.
func committedOf(t require.TestingT, l *Log, upTo int64) (list []Record) {
	aborted := l.AbortedTransactions(l.StartOffset(), upTo)
	all, err := readAll(l)
	require.NoError(t, err)
	for b, err := range Batches(all) {
		require.NoError(t, err)
		require.NoError(t, b.Verify())
		if b.IsControl() || b.LastOffset() >= upTo {
			continue
		}
		if b.IsTransactional() && slices.ContainsFunc(aborted, func(a AbortedTransaction) bool {
			return a.ProducerID == b.ProducerID() && a.FirstOffset <= b.BaseOffset() && b.BaseOffset() < a.LastOffset
		}) {
			continue
		}
		for r, err := range b.Records() {
			require.NoError(t, err)
			list = append(list, r)
		}
	}
	return list
}

// compressed is the batch with its records in another codec.
func compressed(codec compression.Codec, b Batch) Batch {
	enc := newEncoder(codec, slices.Clone(b[:HeaderBytes]), math.MaxInt32)
	_, _ = enc.Write(b[HeaderBytes:])
	out, err := enc.finish()
	if err != nil {
		panic(err)
	}
	out.updateCRC()
	return out
}

// TestCleanedLogHoldsWhatTheUncleanedOneDid appends, in transactions and outside,
// cleans at random and crashes: at every offset from where the last cleaning ended
// the log folds to what all that was appended folds to, what is left is what was
// appended, no tombstone goes too early, and producers are known as before.
func TestCleanedLogHoldsWhatTheUncleanedOneDid(t *testing.T) {
	base := newMemEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		e := &testEnv{Env: base.Env, files: newMemFS()}
		l := mustOpen(t, e, cleanConfig)
		h := &keyedHistory{records: map[int64]Record{}, aborted: map[int64]bool{}}
		open := map[int64][]int64{} // offsets of open transactions by producer
		sequence := map[int64]int32{}
		met := map[int64]int64{} // when a cleaning first met a tombstone
		dirty, cleanedTo, removeBelow, now := int64(0), int64(0), int64(0), int64(10_000)
		removed := map[int64]bool{}
		records := func() (list []Record) {
			for i := range rapid.IntRange(1, 4).Draw(t, "n") {
				r := Record{TimestampMillis: now + int64(i), Key: []byte(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "key"))}
				if rapid.IntRange(0, 3).Draw(t, "tombstone") > 0 {
					r.Value = fmt.Appendf(nil, "v%d", len(h.records)+i)
				}
				list = append(list, r)
			}
			return list
		}
		appendTo := func(producer int64, txn bool) {
			list := records()
			o := NoProducer()
			opts := AppendOptions{}
			if producer >= 0 {
				o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = producer, 0, sequence[producer], txn
				opts = inTxn
			}
			b := Batch(BuildBatch(nil, o, list))
			if codec := rapid.SampledFrom([]compression.Codec{compression.None, compression.Gzip, compression.Lz4, compression.Zstd}).Draw(t, "codec"); codec != compression.None {
				b = compressed(codec, b)
			}
			res, err := l.AppendLeader(b, 0, opts)
			require.NoError(t, err)
			sequence[producer] += int32(len(list))
			for i, r := range list {
				r.Offset = res.BaseOffset + int64(i)
				h.records[r.Offset] = r
				if txn {
					open[producer] = append(open[producer], r.Offset)
				}
			}
		}
		end := func(producer int64, commit bool) {
			if len(open[producer]) == 0 {
				return
			}
			_, err := l.AppendLeader(txnMarker(producer, 0, commit, 0), 0, marker)
			require.NoError(t, err)
			for _, off := range open[producer] {
				h.aborted[off] = !commit
			}
			delete(open, producer)
		}
		check := func() {
			h.stable = l.LastStableOffset(l.EndOffset())
			left := committedOf(t, l, h.stable)
			values, seen := map[string]string{}, map[int64]bool{}
			for i, r := range left {
				was, ok := h.records[r.Offset]
				require.True(t, ok && !h.aborted[r.Offset], "offset %d", r.Offset)
				require.Equal(t, was, r)
				seen[r.Offset] = true
				apply(values, r)
				next := h.stable
				if i+1 < len(left) {
					next = left[i+1].Offset
				}
				for upTo := max(r.Offset+1, cleanedTo); upTo <= next; upTo++ {
					require.Equal(t, h.fold(upTo), values, "below offset %d", upTo)
				}
			}
			last := map[string]int64{}
			for _, off := range env.SortedKeys(h.records) {
				if off < h.stable && !h.aborted[off] {
					last[string(h.records[off].Key)] = off
				}
			}
			for key, off := range last {
				if h.records[off].Value != nil || seen[off] {
					require.True(t, seen[off], "the last value of %s, at offset %d, is gone", key, off)
					continue
				}
				if !removed[off] {
					at, ok := met[off]
					require.True(t, ok && now >= at+cleanConfig.DeleteRetentionMillis && off < removeBelow,
						"the tombstone at offset %d is gone too early", off)
					removed[off] = true
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append":     func(t *rapid.T) { appendTo(-1, false) },
			"idempotent": func(t *rapid.T) { appendTo(rapid.Int64Range(1, 2).Draw(t, "producer"), false) },
			"in transaction": func(t *rapid.T) {
				appendTo(rapid.Int64Range(3, 5).Draw(t, "producer"), true)
			},
			"end": func(t *rapid.T) {
				end(rapid.Int64Range(3, 5).Draw(t, "producer"), rapid.Bool().Draw(t, "commit"))
			},
			"time": func(t *rapid.T) { now += rapid.Int64Range(1, 1500).Draw(t, "ms") },
			"clean": func(t *rapid.T) {
				e.runTasks()
				h.stable = l.LastStableOffset(l.EndOffset())
				what := l.Cleanable(dirty, h.stable, now)
				if rapid.Bool().Draw(t, "some replica has cleaned as far") {
					removeBelow = max(removeBelow, rapid.Int64Range(0, what.UpTo).Draw(t, "remove below"))
				}
				res, err := l.Clean(CleanParams{FirstDirty: what.FirstDirty, UpTo: what.UpTo, NowWallMillis: now, RemoveBelow: removeBelow,
					BufferBytes: rapid.SampledFrom([]int64{5 * offsetSlotBytes, 1 << 20}).Draw(t, "buffer"), LoadPercent: 100})
				require.NoError(t, err)
				require.GreaterOrEqual(t, res.NextDirty, dirty)
				require.LessOrEqual(t, res.NextDirty, what.UpTo)
				dirty = res.NextDirty
				cleanedTo = max(cleanedTo, dirty)
				for off, r := range h.records {
					if _, ok := met[off]; !ok && off < dirty && r.Value == nil {
						met[off] = now
					}
				}
			},
			"again": func(t *rapid.T) {
				e.runTasks()
				before := l.Producers()
				if rapid.Bool().Draw(t, "close") {
					require.NoError(t, l.Close())
				}
				e.runTasks()
				e = e.crash()
				for name := range e.files.names {
					if strings.HasSuffix(name, snapshotSuffix) {
						delete(e.files.names, name)
					}
				}
				l = mustOpen(t, e, cleanConfig)
				after := l.Producers()
				require.Len(t, after, len(before))
				for i := range after {
					require.Equal(t, before[i].ID, after[i].ID)
					require.Equal(t, before[i].Epoch, after[i].Epoch)
					require.Equal(t, before[i].LastSequence, after[i].LastSequence)
					require.Equal(t, before[i].TransactionStart, after[i].TransactionStart)
				}
			},
			"": func(t *rapid.T) { check() },
		})
	})
}

// The last stable offset may lie in the middle of a segment. What is behind it is
// not decided for good, and stays with what is known of it.
func TestWhatIsNotStableIsNotCleaned(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, cleanConfig)
	one := func(producer int64, key string) {
		o := NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = producer, 0, 0, producer >= 0
		opts := AppendOptions{}
		if producer >= 0 {
			opts = inTxn
		}
		_, err := l.AppendLeader(BuildBatch(nil, o, []Record{{TimestampMillis: 1, Key: []byte(key), Value: []byte("v")}}), 0, opts)
		require.NoError(t, err)
	}
	one(-1, "a")
	one(-1, "a")
	one(3, "a")
	one(5, "b")
	_, err := l.AppendLeader(txnMarker(5, 0, false, 0), 0, marker)
	require.NoError(t, err)
	for len(l.segments) < 2 {
		one(-1, "a")
	}
	e.runTasks()
	require.Greater(t, l.segments[1].base, int64(4))
	what := l.Cleanable(0, l.LastStableOffset(l.EndOffset()), 1000)
	require.EqualValues(t, 2, what.UpTo)
	_, err = l.Clean(CleanParams{UpTo: what.UpTo, NowWallMillis: 1000, RemoveBelow: math.MaxInt64, BufferBytes: 1 << 20, LoadPercent: 90})
	require.NoError(t, err)
	_, err = l.AppendLeader(txnMarker(3, 0, true, 0), 0, marker)
	require.NoError(t, err)
	for _, r := range committedOf(t, l, l.EndOffset()) {
		require.Equal(t, "a", string(r.Key), "offset %d is of an aborted transaction", r.Offset)
	}
	require.Equal(t, []AbortedTransaction{{ProducerID: 5, FirstOffset: 3, LastOffset: 4, LastStableOffset: 2}}, l.AbortedTransactions(0, l.EndOffset()))
}

// cleanable is a log with keys, tombstones and transactions in several segments.
func cleanable(t testing.TB) (*testEnv, *Log) {
	e := newMemEnv(t)
	l := mustOpen(t, e, cleanConfig)
	makeCleanable(t, l)
	e.runTasks()
	require.GreaterOrEqual(t, len(l.segments), 4)
	return e, l
}

func cleanAll(t testing.TB, l *Log, from, now int64) CleanResult {
	what := l.Cleanable(from, l.EndOffset(), now)
	res, err := l.Clean(CleanParams{FirstDirty: what.FirstDirty, UpTo: what.UpTo, NowWallMillis: now, RemoveBelow: math.MaxInt64, BufferBytes: 1 << 20, LoadPercent: 90})
	require.NoError(t, err)
	return res
}

func foldOf(t testing.TB, l *Log) map[string]string {
	values := map[string]string{}
	for _, r := range committedOf(t, l, l.EndOffset()) {
		apply(values, r)
	}
	return values
}

// TestCleaningSurvivesEveryCrash crashes at each write, sync, rename and removal of
// two cleanings, the second of which removes the tombstones, and at each of those
// of the recovery after that.
func TestCleaningSurvivesEveryCrash(t *testing.T) {
	e, l := cleanable(t)
	want, end, sealed := foldOf(t, l), l.EndOffset(), l.active().base
	var images []*memFS
	record := func(fs *memFS, into *[]*memFS) {
		fs.fail = func(op, _ string, bytes int) (int, error) {
			if op != "read" {
				*into = append(*into, fs.image())
			}
			return bytes, nil
		}
	}
	record(e.files, &images)
	size := l.SizeBytes()
	res := cleanAll(t, l, 0, 5000)
	require.Positive(t, res.Removed)
	require.Positive(t, res.Pending)
	cleanAll(t, l, 0, 7000)
	e.files.fail = nil
	require.Less(t, l.SizeBytes(), size*2/3)
	images = append(images, e.files.image())
	random := rand.New(rand.NewSource(1))
	crashes := func(image *memFS, n int) (all []*memFS) {
		image.mu.Lock()
		defer image.mu.Unlock()
		all = append(all, image.image().processCrash())
		for range n {
			all = append(all, image.image().powerLoss(random.Intn))
		}
		return all
	}
	recovered := func(files *memFS, deeper *[]*memFS) {
		if deeper != nil {
			record(files, deeper)
		}
		l, rec, err := Open(&testEnv{Env: e.Env, files: files}, "d/log", cleanConfig)
		require.NoError(t, err)
		files.fail = nil
		require.Zero(t, rec.LostSyncedTo, rec.String())
		require.GreaterOrEqual(t, l.EndOffset(), sealed)
		if l.EndOffset() == end { // the active segment was never synced
			require.Equal(t, want, foldOf(t, l))
		}
		for name := range files.names {
			require.NotContains(t, name, ".cleaned")
			require.NotContains(t, name, ".swap")
		}
		require.NoError(t, l.Close())
	}
	require.Greater(t, len(images), 20)
	for i, image := range images {
		for _, files := range crashes(image, 2) {
			var deeper []*memFS
			recovered(files, &deeper)
			if i%8 > 0 {
				continue
			}
			for _, again := range deeper {
				for _, files := range crashes(again, 1) {
					recovered(files, nil)
				}
			}
		}
	}
}

// Readers by offset and by time, and a follower, get on in a log with gaps.
func TestCleanedLogIsReadFromEveryOffset(t *testing.T) {
	_, l := cleanable(t)
	cleanAll(t, l, 0, 5000)
	cleanAll(t, l, 0, 7000)
	left := batchesOf(t, l)
	for off := l.StartOffset(); off < l.EndOffset(); off++ {
		got, err := l.Read(off, l.EndOffset(), 1, true)
		require.NoError(t, err)
		i := slices.IndexFunc(left, func(b Batch) bool { return b.LastOffset() >= off })
		require.Equal(t, []byte(left[i]), got, "offset %d", off)
	}
	all := committedOf(t, l, l.EndOffset())
	for ts := int64(1000); ts < 1030; ts++ {
		at, found, err := l.OffsetForTimestamp(ts)
		require.NoError(t, err)
		i := slices.IndexFunc(all, func(r Record) bool { return r.TimestampMillis >= ts })
		require.Equal(t, i >= 0, found)
		if found {
			require.Equal(t, all[i].Offset, at.Offset)
		}
	}
	at, found, err := l.OffsetOfMaxTimestamp()
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(1023), at.Timestamp)

	e := newMemEnv(t)
	follower := mustOpen(t, e, cleanConfig)
	for _, b := range left {
		_, err := follower.AppendFollower(slices.Clone(b))
		require.NoError(t, err)
	}
	require.Equal(t, l.EndOffset(), follower.EndOffset())
	require.Equal(t, foldOf(t, l), foldOf(t, follower))
	require.Len(t, l.Epochs(), 3)
	require.Equal(t, l.Epochs(), follower.Epochs(), "whoever copies the log knows where its leader epochs began")
	for off := l.EndOffset(); off > 0; off-- {
		require.NoError(t, follower.TruncateTo(off))
		require.LessOrEqual(t, follower.EndOffset(), off)
	}
	for off := l.StartOffset(); off <= l.EndOffset(); off += 5 {
		require.NoError(t, l.DeleteRecordsBefore(off))
		got, err := l.Read(off, l.EndOffset(), 1, true)
		require.NoError(t, err)
		require.Equal(t, off == l.EndOffset(), len(got) == 0)
	}
}

// A log of which everything but its end is gone still ends where it did, for
// whoever copies it, and segments are put together again.
func TestTheEndOfTheCleanedPartStays(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, cleanConfig)
	for i := range 60 {
		_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), []Record{{TimestampMillis: int64(i), Key: []byte("k")}}), 0, AppendOptions{})
		require.NoError(t, err)
	}
	l.mu.Lock()
	_, err := l.roll() // as before an append that fails
	l.mu.Unlock()
	require.NoError(t, err)
	e.runTasks()
	cleanAll(t, l, 0, 1000)
	cleanAll(t, l, 0, 3000)
	require.Len(t, l.segments, 2)
	left := batchesOf(t, l)
	require.Len(t, left, 2)
	require.Zero(t, left[0].BaseOffset(), "where the leader epoch began")
	require.Equal(t, int64(59), left[1].LastOffset())
	require.Zero(t, left[0].NumRecords()+left[1].NumRecords())
	require.Equal(t, int64(60), l.EndOffset())
}

// A segment that is gone, cut or closed while it was read is not replaced.
func TestCleaningGivesWay(t *testing.T) {
	for name, change := range map[string]func(l *Log) error{
		"trimmed": func(l *Log) error { return l.DeleteRecordsBefore(20) },
		"cut":     func(l *Log) error { return l.TruncateTo(3) },
		"cut behind what is read, where a record supersedes what is read": func(l *Log) error { return l.TruncateTo(l.active().base - 1) },
		"restarted": func(l *Log) error { return l.TruncateFullyAndStartAt(100) },
	} {
		t.Run(name, func(t *testing.T) {
			_, l := cleanable(t)
			what := l.Cleanable(0, l.EndOffset(), 5000)
			calls := 0
			before, err := readAll(l)
			require.NoError(t, err)
			for _, b := range batchesOf(t, l) {
				if b.BaseOffset() < what.UpTo {
					calls--
				}
			}
			res, err := l.Clean(CleanParams{FirstDirty: 0, UpTo: what.UpTo, NowWallMillis: 5000, BufferBytes: 1 << 20, LoadPercent: 90, Spent: func(int64) bool {
				if calls++; calls == 2 { // the map is filled, and the first segment half read
					require.NoError(t, change(l))
				}
				return true
			}})
			require.True(t, Interrupted(err), "%v: %v", res, err)
			require.NoError(t, l.Failed())
			after, err := readAll(l)
			require.NoError(t, err)
			if strings.HasPrefix(name, "cut") {
				require.True(t, bytes.HasPrefix(before, after), "nothing is superseded by what is cut")
			}
		})
	}
	_, l := cleanable(t)
	what := l.Cleanable(0, l.EndOffset(), 5000)
	_, err := l.Clean(CleanParams{UpTo: what.UpTo, BufferBytes: 1 << 20, LoadPercent: 90, Spent: func(int64) bool { return false }})
	require.True(t, Interrupted(err))
}

// What cannot be cleaned is told and changes nothing.
func TestMapTooSmallForOneBatchIsTold(t *testing.T) {
	_, l := cleanable(t)
	before := batchesOf(t, l)
	what := l.Cleanable(0, l.EndOffset(), 5000)
	_, err := l.Clean(CleanParams{UpTo: what.UpTo, BufferBytes: 2 * offsetSlotBytes, LoadPercent: 90})
	require.ErrorContains(t, err, "log.cleaner.dedupe.buffer.size")
	require.False(t, Interrupted(err))
	require.Equal(t, before, batchesOf(t, l))
}

func TestCleanableByLagAndRatio(t *testing.T) {
	_, l := cleanable(t)
	cfg := cleanConfig
	cfg.MinCleanableDirtyPPM = 500_000
	l.SetConfig(cfg)
	all := l.Cleanable(0, l.EndOffset(), 5000)
	require.Equal(t, l.active().base, all.UpTo)
	require.True(t, all.Due(5000))
	require.Equal(t, int64(million), all.DirtyPPM())
	half := l.Cleanable(l.segments[2].base, l.EndOffset(), 5000)
	require.False(t, half.DirtyPPM() > 500_000 && !half.Due(5000))
	tail := l.Cleanable(l.segments[len(l.segments)-2].base, l.EndOffset(), 5000)
	require.Positive(t, tail.DirtyBytes)
	require.False(t, tail.Due(5000))
	cfg.MaxCompactionLagMillis = 100
	l.SetConfig(cfg)
	tail = l.Cleanable(l.segments[len(l.segments)-2].base, l.EndOffset(), 5000)
	require.True(t, tail.Due(5000), "it has waited for long enough")
	cfg.MinCompactionLagMillis = 5000 - 1010
	l.SetConfig(cfg)
	young := l.Cleanable(0, l.EndOffset(), 5000)
	require.Less(t, young.UpTo, all.UpTo)
	require.Equal(t, int64(3), l.Cleanable(0, 3, 5000).UpTo, "nothing undecided is cleaned")
}

// TestOffsetMapIsAMap compares the map with one that has the keys.
func TestOffsetMapIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newOffsetMap(rapid.Int64Range(0, 40*offsetSlotBytes).Draw(t, "bytes"), rapid.IntRange(0, 110).Draw(t, "load"))
		model := map[string]int64{}
		full := false
		for off := range int64(rapid.IntRange(0, 80).Draw(t, "n")) {
			key := rapid.StringN(0, 2, 2).Draw(t, "key")
			_, known := model[key]
			if m.put([]byte(key), off) {
				require.False(t, full && !known)
				model[key] = off
			} else {
				require.False(t, known)
				full = true
			}
			require.Equal(t, len(model), m.n)
			require.LessOrEqual(t, len(m.slots), m.maxSlots)
		}
		for key, off := range model {
			require.Equal(t, off, m.get([]byte(key)))
		}
		require.Equal(t, int64(-1), m.get([]byte("never")))
	})
}

// A batch that is written anew keeps its offsets, and its records their times,
// with any codec and any horizon.
func TestRebuiltBatchKeepsOffsetsAndTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var records []Record
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			records = append(records, Record{TimestampMillis: rapid.Int64Range(-1, 1<<50).Draw(t, "ts"), Key: []byte{1}, Value: []byte("x")})
		}
		o := NoProducer()
		o.BaseOffset = 77
		b := Batch(BuildBatch(nil, o, records))
		if codec := compression.Codec(rapid.IntRange(0, 4).Draw(t, "codec")); codec != 0 {
			b = compressed(codec, b)
		}
		var kept []Record
		for r, err := range b.Records() {
			require.NoError(t, err)
			if rapid.Bool().Draw(t, "keep") {
				kept = append(kept, r)
			}
		}
		if len(kept) == 0 {
			e := emptied(b)
			require.NoError(t, e.Verify())
			require.Equal(t, []int64{b.BaseOffset(), b.LastOffset()}, []int64{e.BaseOffset(), e.LastOffset()})
			return
		}
		horizon := rapid.Int64Range(0, math.MaxInt64).Draw(t, "horizon")
		marked := rapid.Bool().Draw(t, "marked")
		out, err := withOnly(b, kept, horizon, marked)
		require.NoError(t, err)
		require.NoError(t, out.Verify())
		require.Equal(t, b.Compression(), out.Compression())
		require.Equal(t, []int64{b.BaseOffset(), b.LastOffset()}, []int64{out.BaseOffset(), out.LastOffset()})
		at, is := out.DeleteHorizon()
		require.Equal(t, marked, is)
		if marked {
			require.Equal(t, horizon, at)
		}
		var got []Record
		for r, err := range out.Records() {
			require.NoError(t, err)
			got = append(got, r)
		}
		require.Equal(t, kept, got)
	})
}
