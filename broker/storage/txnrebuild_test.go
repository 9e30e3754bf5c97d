package storage

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
)

// rebuilt is what a log's batches alone say of producers and transactions.
type rebuilt struct {
	producers producerTable
	aborted   []AbortedTransaction
}

func rebuild(t require.TestingT, l *Log) rebuilt {
	r := rebuilt{producers: newProducerTable()}
	for _, seg := range l.segments {
		if seg.size == 0 {
			continue
		}
		for reader := seg.reader(0, -1, l.gaps); reader.pos < reader.end; {
			b, _, err := reader.next()
			require.NoError(t, err)
			if a, ok := r.producers.update(b, 0); ok {
				r.aborted = append(r.aborted, a)
			}
		}
	}
	return r
}

// checkRebuilt compares what a log has kept, or read from its snapshots, with
// what its batches say. Of a producer whose batches were in part removed the log
// may know more, never less and nothing else.
func checkRebuilt(t require.TestingT, l *Log) {
	want := rebuild(t, l)
	whole := l.segments[0].base == 0
	if whole {
		require.Equal(t, env.SortedKeys(want.producers.byID), env.SortedKeys(l.producers.byID))
	}
	for _, id := range env.SortedKeys(want.producers.byID) {
		w, g := want.producers.byID[id], l.producers.byID[id]
		require.NotNil(t, g, "producer %d is forgotten", id)
		require.Equal(t, w.epoch, g.epoch)
		require.Equal(t, w.lastTimestamp, g.lastTimestamp)
		if whole || w.coordinatorEpoch >= 0 {
			require.Equal(t, w.coordinatorEpoch, g.coordinatorEpoch)
		}
		require.GreaterOrEqual(t, g.n, w.n)
		if w.n > 0 {
			require.Equal(t, w.batches[:w.n], g.batches[g.n-w.n:g.n], "producer %d", id)
		}
		switch {
		case whole:
			require.Equal(t, w.txnFirst, g.txnFirst, "transaction of producer %d", id)
		case w.txnFirst >= 0:
			require.GreaterOrEqual(t, g.txnFirst, int64(0), "transaction of producer %d", id)
			require.LessOrEqual(t, g.txnFirst, w.txnFirst)
		case g.txnFirst >= 0:
			require.Less(t, g.txnFirst, l.segments[0].base)
		}
	}
	for _, o := range l.producers.txns.open {
		require.Equal(t, o.first, l.producers.byID[o.producerID].txnFirst)
	}
	require.True(t, slices.IsSortedFunc(l.producers.txns.open, func(a, b openTransaction) int { return int(a.first - b.first) }))
	require.Equal(t, len(l.producers.txns.open) > 0, len(l.OpenTransactions()) > 0)
	var kept []AbortedTransaction
	for _, seg := range l.segments {
		kept = append(kept, seg.aborted...)
	}
	if whole {
		require.Equal(t, want.aborted, kept)
	}
	for _, a := range want.aborted {
		i := slices.IndexFunc(kept, func(k AbortedTransaction) bool { return k.LastOffset == a.LastOffset })
		require.GreaterOrEqual(t, i, 0, "aborted transaction %v is not in the index", a)
		require.Equal(t, a.ProducerID, kept[i].ProducerID)
		require.LessOrEqual(t, kept[i].FirstOffset, a.FirstOffset)
	}
	// Of a log whose ends are all committed nothing hides, and nothing undecided shows.
	stable := l.EndOffset()
	for _, id := range env.SortedKeys(want.producers.byID) {
		if first := want.producers.byID[id].txnFirst; first >= 0 {
			stable = min(stable, max(first, l.StartOffset()))
		}
	}
	require.LessOrEqual(t, l.LastStableOffset(l.EndOffset()), stable)
	if whole {
		require.Equal(t, max(stable, l.StartOffset()), l.LastStableOffset(l.EndOffset()))
	}
}

// TestTransactionStateIsWhatTheSegmentsSay lets producers, coordinators, another
// leader, retention and restarts act on a log of small segments, with crashes and
// losses of power at any step of any of it.
func TestTransactionStateIsWhatTheSegmentsSay(t *testing.T) {
	base := newTestEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		e := &testEnv{Env: base, files: newMemFS()}
		cfg := Config{SegmentBytes: 400, IndexIntervalBytes: 150, CleanupPolicy: CleanupDelete}
		l := mustOpen(t, e, cfg)
		epochs := map[int64]int16{}
		leader := int32(0)
		var steps []*memFS // as the disk stood at some steps of what is done
		watch := func() {
			e.files.fail = func(op, _ string, n int) (int, error) {
				if op != "read" && len(steps) < 40 {
					steps = append(steps, e.files.image())
				}
				return n, nil
			}
		}
		watch()
		reopen := func(files *memFS) *Log {
			env := &testEnv{Env: base, files: files}
			opened := mustOpen(t, env, cfg)
			checkRebuilt(t, opened)
			return opened
		}
		batch := func(p int64) []byte {
			st := l.producers.byID[p]
			seq := int32(0)
			if st != nil && st.epoch == epochs[p] && st.n > 0 {
				seq = addSequence(st.batches[st.n-1].lastSeq, 1)
			}
			if st != nil && st.epoch > epochs[p] { // it was fenced by a marker
				epochs[p] = st.epoch
				if st.n > 0 {
					seq = addSequence(st.batches[st.n-1].lastSeq, 1)
				}
			}
			if p%2 == 0 && (st == nil || st.txnFirst < 0) {
				return plainBatch(p, epochs[p], seq, "v")
			}
			return txnBatch(p, epochs[p], seq, "v", "w")
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				e.files.fail = nil
				if len(steps) > 0 && pick(3) == 0 {
					crashed := steps[pick(len(steps))]
					if pick(2) == 0 {
						crashed = crashed.powerLoss(pick)
					}
					require.NoError(t, reopen(crashed).Close())
				}
				steps = nil
				checkRebuilt(t, l)
				watch()
			},
			"write": func(t *rapid.T) {
				_, err := l.AppendLeader(batch(int64(pick(4))), leader, inTxn)
				require.NoError(t, err)
			},
			"end": func(t *rapid.T) {
				p := int64(pick(4))
				if st := l.producers.byID[p]; st != nil {
					epochs[p] = max(epochs[p], st.epoch)
				}
				epochs[p] += int16(pick(2))
				_, err := l.AppendLeader(txnMarker(p, epochs[p], pick(2) == 0, leader), leader, marker)
				require.NoError(t, err)
			},
			"next leader": func(*rapid.T) { leader++; l.AssignEpoch(leader) },
			"copy from a leader": func(t *rapid.T) {
				p := int64(pick(4))
				b := Batch(batch(p))
				b.SetBaseOffset(l.NextOffset())
				b.SetLeaderEpoch(leader)
				_, err := l.AppendFollower(b)
				require.NoError(t, err)
			},
			"seal":     func(*rapid.T) { e.runTasks() },
			"truncate": func(t *rapid.T) { require.NoError(t, l.TruncateTo(max(0, l.EndOffset()-int64(pick(12))))) },
			"delete records": func(t *rapid.T) {
				if pick(4) == 0 {
					require.NoError(t, l.DeleteRecordsBefore(l.StartOffset()+int64(pick(int(l.EndOffset()-l.StartOffset())+1))))
				}
			},
			"begin at a leader's start": func(t *rapid.T) {
				if pick(6) == 0 {
					require.NoError(t, l.TruncateFullyAndStartAt(l.EndOffset()+int64(pick(5))))
				}
			},
			"stop": func(t *rapid.T) {
				e.files.fail = nil
				require.NoError(t, l.Close())
				e = &testEnv{Env: base, files: e.files}
				l = mustOpen(t, e, cfg)
				watch()
			},
			"crash": func(*rapid.T) {
				e = &testEnv{Env: base, files: e.files.processCrash()}
				l = mustOpen(t, e, cfg)
				watch()
			},
			"lose power": func(*rapid.T) {
				e = &testEnv{Env: base, files: e.files.powerLoss(pick)}
				l = mustOpen(t, e, cfg)
				watch()
			},
		})
	})
}
