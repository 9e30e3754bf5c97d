package storage

import (
	"fmt"
	"io"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var swapConfig = Config{SegmentBytes: 320, IndexIntervalBytes: 1, CleanupPolicy: CleanupCompact}

// logToRewrite is a log of several sealed segments with aborted transactions in
// them, and its batches.
func logToRewrite(t testing.TB) (*testEnv, *Log, []Batch) {
	e := newMemEnv(t)
	l := mustOpen(t, e, swapConfig)
	keyed := func(i int) []Record {
		return []Record{{TimestampMillis: int64(1000 + i), Key: fmt.Append(nil, "k", i)}, {Key: []byte("x")}}
	}
	for i := range 14 {
		var err error
		switch i {
		case 3:
			o := NoProducer()
			o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = 9, 0, 0, true
			_, err = l.AppendLeader(BuildBatch(nil, o, keyed(i)), 0, inTxn)
		case 7:
			_, err = l.AppendLeader(txnMarker(9, 0, false, 0), 1, marker)
		default:
			_, err = l.AppendLeader(BuildBatch(nil, NoProducer(), keyed(i)), int32(i/7), AppendOptions{})
		}
		require.NoError(t, err)
	}
	e.runTasks()
	require.GreaterOrEqual(t, len(l.segments), 4)
	return e, l, batchesOf(t, l)
}

// rewriteSegments leaves of the segments from number from to number to the batches
// that keep lets through.
func (l *Log) rewriteSegments(from, to int, keep func(Batch) bool) error {
	g := segmentGroup{old: slices.Clone(l.segments[from:to]), end: l.segments[to].base, cuts: l.Cuts()}
	fresh, err := l.writeCleaned(g, func(write func(Batch) error) error {
		for _, seg := range g.old {
			for r := seg.reader(0, -1, l.gaps); ; {
				b, _, err := r.next()
				if err == io.EOF {
					break
				}
				if err == nil && keep(b) {
					err = write(b)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, seg := range g.old {
		fresh.aborted = append(fresh.aborted, seg.aborted...)
	}
	return l.replaceByCleaned(g, fresh)
}

func batchesOf(t testing.TB, l *Log) []Batch {
	all, err := readAll(l)
	require.NoError(t, err)
	var list []Batch
	for b, err := range Batches(all) {
		require.NoError(t, err)
		list = append(list, b)
	}
	return list
}

// checkRewritten reads a log from every offset, by time and by header.
func checkRewritten(t testing.TB, l *Log, want []Batch) {
	require.Equal(t, want, batchesOf(t, l))
	for off := l.StartOffset(); off < l.EndOffset(); off++ {
		got, err := l.Read(off, l.EndOffset(), 1, true)
		require.NoError(t, err)
		i := slices.IndexFunc(want, func(b Batch) bool { return b.LastOffset() >= off })
		require.Equal(t, []byte(want[i]), got, "offset %d", off)
	}
	var headers []int64
	require.NoError(t, l.Headers(0, l.EndOffset(), func(b Batch) bool { headers = append(headers, b.BaseOffset()); return true }))
	require.Len(t, headers, len(want))
	at, found, err := l.OffsetForTimestamp(1005)
	require.NoError(t, err)
	require.True(t, found)
	require.GreaterOrEqual(t, at.Timestamp, int64(1005))
	require.Equal(t, []AbortedTransaction{{9, 6, 14, 15}}, l.AbortedTransactions(0, l.EndOffset()))
}

// TestReplacementOfSegmentsSurvivesEveryCrash crashes at every step of putting a
// segment in the place of others, and at every step of the recovery after that:
// the log is what it was or what it was to be.
func TestReplacementOfSegmentsSurvivesEveryCrash(t *testing.T) {
	for name, keep := range map[string]func(i int, b Batch) bool{
		"every other batch": func(i int, b Batch) bool { return i%2 == 1 },
		"none of the last":  func(i int, b Batch) bool { return i < 2 },
		"none of the first": func(i int, b Batch) bool { return i > 4 },
		"none at all":       func(i int, b Batch) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			e, l, before := logToRewrite(t)
			const from, to = 0, 3
			end := l.segments[to].base
			i := -1
			kept := func(b Batch) bool { i++; return keep(i, b) }
			var after []Batch
			for n, b := range before {
				if b.BaseOffset() >= end || keep(n, b) {
					after = append(after, b)
				}
			}
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
			require.NoError(t, l.rewriteSegments(from, to, kept))
			e.files.fail = nil
			checkRewritten(t, l, after)
			require.Len(t, l.segments, len(images[0].logs())-(to-from)+1)
			images = append(images, e.files.image())

			wasBefore := 0
			recovered := func(files *memFS, deeper *[]*memFS) {
				if deeper != nil {
					record(files, deeper)
				}
				l, rec, err := Open(&testEnv{Env: e.Env, files: files}, "d/log", swapConfig)
				require.NoError(t, err)
				files.fail = nil
				require.Zero(t, rec.LostSyncedTo, rec.String())
				require.Zero(t, rec.TruncatedBytes, rec.String())
				got := batchesOf(t, l)
				if len(got) != len(before) && len(got) != len(after) {
					t.Fatalf("%d batches: %s finished %v", len(got), rec.String(), rec.FinishedSwaps)
				}
				want := after
				if len(got) == len(before) {
					want = before
					wasBefore++
				}
				require.Equal(t, want, got)
				if deeper != nil {
					checkRewritten(t, l, want)
				}
				for name := range files.names {
					require.NotContains(t, name, ".cleaned")
					require.NotContains(t, name, ".swap")
				}
				require.NoError(t, l.Close())
			}
			random := rand.New(rand.NewSource(1))
			crashes := func(image *memFS, n int) (all []*memFS) {
				image.mu.Lock()
				all = append(all, image.image().processCrash())
				for range n {
					all = append(all, image.image().powerLoss(random.Intn))
				}
				image.mu.Unlock()
				return all
			}
			for _, image := range images {
				for _, files := range crashes(image, 3) {
					var deeper []*memFS
					recovered(files, &deeper)
					for _, again := range deeper {
						for _, files := range crashes(again, 1) {
							recovered(files, nil)
						}
					}
				}
			}
			require.NotZero(t, wasBefore)
		})
	}
}

// When a segment takes the name of the first that it replaces, nothing that
// speaks of the replaced is left: neither their files nor an index of what the
// name stood for before, which a process that dies right then would read by.
func TestNothingOfReplacedSegmentsIsLeftWhenTheNameIsTaken(t *testing.T) {
	e, l, _ := logToRewrite(t)
	var old []string
	for _, seg := range l.segments[:3] {
		old = append(old, strings.TrimSuffix(seg.name(), logSuffix))
	}
	for _, suffix := range []string{indexSuffix, timeSuffix} {
		require.Contains(t, e.files.names, old[0]+suffix)
	}
	require.Contains(t, e.files.names, old[1]+abortedSuffix, "a replaced segment that is not the first has aborted transactions")
	taken := false
	e.files.fail = func(op, name string, bytes int) (int, error) {
		if op != "rename" || name != old[0]+logSuffix {
			return bytes, nil
		}
		taken = true
		for name := range e.files.names {
			for i, of := range old {
				rest, ok := strings.CutPrefix(name, of)
				if ok && (rest == indexSuffix || rest == timeSuffix || i > 0 && (rest == logSuffix || rest == abortedSuffix)) {
					t.Errorf("%s is still there", name)
				}
			}
		}
		return bytes, nil
	}
	require.NoError(t, l.rewriteSegments(0, 3, func(b Batch) bool { return b.BaseOffset()%4 == 0 }))
	e.files.fail = nil
	require.True(t, taken)
}

// What is not known to be durable is not replaced: what a loss of power takes
// of it would be gone from its replacement, too.
func TestOnlyDurableSegmentsAreReplaced(t *testing.T) {
	e, l, before := logToRewrite(t)
	l.mu.Lock()
	l.recovery.segment = l.segments[2].base
	l.mu.Unlock()
	names := len(e.files.names)
	err := l.rewriteSegments(0, 3, func(Batch) bool { return false })
	require.ErrorIs(t, err, errNotDurable)
	require.Len(t, e.files.names, names)
	require.Equal(t, before, batchesOf(t, l))
}

// logs lists the segment files.
func (m *memFS) logs() (names []string) {
	for name := range m.names {
		if base, ok := parseBase(name[len("d/log/"):], logSuffix); ok && base >= 0 {
			names = append(names, name)
		}
	}
	return names
}

// A replica of a log with gaps gets the gaps, and keeps them over a crash; one
// of a log that is not compacted takes none.
func TestFollowerTakesGapsOnlyWhereTheLeaderCompacts(t *testing.T) {
	_, l, before := logToRewrite(t)
	require.NoError(t, l.rewriteSegments(0, 3, func(b Batch) bool { return b.BaseOffset()%4 == 0 }))
	left := batchesOf(t, l)
	require.Less(t, len(left), len(before))

	e := newMemEnv(t)
	follower := mustOpen(t, e, swapConfig)
	for _, b := range left {
		_, err := follower.AppendFollower(slices.Clone(b))
		require.NoError(t, err)
	}
	require.Equal(t, left, batchesOf(t, follower))
	e = e.crash()
	follower = mustOpen(t, e, Config{SegmentBytes: 320}) // the policy has changed meanwhile
	require.Equal(t, left, batchesOf(t, follower))

	dense := mustOpen(t, newMemEnv(t), Config{})
	for i, b := range left {
		_, err := dense.AppendFollower(slices.Clone(b))
		if i > 0 && b.BaseOffset() != left[i-1].NextOffset() {
			require.ErrorContains(t, err, "does not continue")
			return
		}
		require.NoError(t, err)
	}
	t.Fatal("there was no gap")
}

func TestContinuationIsDefinedOnce(t *testing.T) {
	batch := func(base int64, n int, epoch int32) Batch {
		o := NoProducer()
		o.BaseOffset, o.LeaderEpoch = base, epoch
		return BuildBatch(nil, o, make([]Record, n))
	}
	for _, gaps := range []bool{false, true} {
		c := continuation{next: 10, last: -1, epoch: 3, gaps: gaps}
		require.Empty(t, c.misfit(batch(10, 2, 3)))
		require.Empty(t, c.misfit(batch(10, 2, 5)))
		require.NotEmpty(t, c.misfit(batch(9, 2, 3)), "offsets do not go back")
		require.NotEmpty(t, c.misfit(batch(10, 2, 2)), "nor do epochs")
		require.Equal(t, gaps, c.misfit(batch(12, 1, 3)) == "")
		require.True(t, c.joins(10))
		require.False(t, c.joins(9))
		require.Equal(t, gaps, c.joins(11))
		c.take(batch(10, 2, 5))
		require.Equal(t, continuation{next: 12, last: -1, epoch: 5, gaps: gaps}, c)
		c.last = 13
		require.Empty(t, c.misfit(batch(12, 2, 5)))
		require.NotEmpty(t, c.misfit(batch(12, 3, 5)))
		unknown := unknownPlace(gaps)
		require.Empty(t, unknown.misfit(batch(77, 1, 0)))
	}
}
