package storage

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A leader that was elected uncleanly may have other records below where this
// log was trimmed. Wherever the cut is interrupted, the log is the old one or
// takes in the leader's from the cut on: it never begins behind it and empty.
func TestCutBelowTheLogStart(t *testing.T) {
	const cut = 6
	for what, trim := range map[string]int64{"in a batch": 9, "behind all": 12} {
		t.Run(what, func(t *testing.T) {
			for ops, done := 0, false; !done; ops++ {
				require.Less(t, ops, 100)
				e := newMemEnv(t)
				l := mustOpen(t, e, Config{SegmentBytes: 200})
				for range 4 {
					_, err := l.AppendLeader(testBatch("a", "b", "c"), 1, AppendOptions{})
					require.NoError(t, err)
				}
				require.NoError(t, l.DeleteRecordsBefore(trim))
				require.Equal(t, trim, l.StartOffset())
				broken := errors.New("broken")
				e.files.failAfter("", ops+1, broken, true)
				err := l.TruncateTo(cut)
				files := e.files
				if done = err == nil; done {
					require.EqualValues(t, cut, l.StartOffset())
					require.EqualValues(t, cut, l.EndOffset())
				} else {
					require.ErrorIs(t, err, broken)
				}
				for _, left := range []*memFS{files.processCrash(), files.powerLoss(func(int) int { return 0 })} {
					l, rec, err := Open(&testEnv{Env: e.Env, files: left}, "d/log", Config{SegmentBytes: 200})
					require.NoError(t, err)
					require.Zero(t, rec.LostSyncedTo, rec.String())
					if l.StartOffset() > cut { // the old log, at least its epoch
						require.EqualValues(t, 1, l.LatestEpoch(), "after %d operations: %d to %d", ops, l.StartOffset(), l.EndOffset())
					}
					require.NoError(t, l.Close())
				}
			}
		})
	}
}

// However often it is opened, a log from which all was deleted knows the epoch
// that it ended with: a leader is asked whether its own ends there too.
func TestAnEmptiedLogKeepsItsEpoch(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{})
	_, err := l.AppendLeader(testBatch("a", "b"), 3, AppendOptions{})
	require.NoError(t, err)
	require.NoError(t, l.DeleteRecordsBefore(2))
	for range 3 {
		require.NoError(t, l.Close())
		l = mustOpen(t, e, Config{})
		require.Equal(t, []EpochStart{{Epoch: 3, StartOffset: 2}}, l.Epochs())
	}
	_, err = l.AppendLeader(testBatch("c"), 4, AppendOptions{})
	require.NoError(t, err)
	require.Equal(t, []EpochStart{{Epoch: 4, StartOffset: 2}}, l.Epochs())
}
