package storage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// syncWatchEnv is a machine that does something once when a segment is synced.
type syncWatchEnv struct {
	env.Env
	syncing func()
}

type syncWatchFS struct {
	env.FS
	e *syncWatchEnv
}

type syncWatchFile struct {
	env.File
	e *syncWatchEnv
}

func (e *syncWatchEnv) FS() env.FS { return syncWatchFS{e.Env.FS(), e} }

func (w syncWatchFS) Create(name string) (env.File, error) {
	f, err := w.FS.Create(name)
	return syncWatchFile{f, w.e}, err
}

func (f syncWatchFile) Sync() error {
	if then := f.e.syncing; then != nil && strings.HasSuffix(f.Name(), logSuffix) {
		f.e.syncing = nil
		then()
	}
	return f.File.Sync()
}

// Records that wait for the sync of flush.messages are not shown, nor
// acknowledged, because others have come behind them that would not wait, or
// because the setting has changed.
func TestNothingIsShownBeforeTheSyncItWaitsFor(t *testing.T) {
	for _, later := range []int64{3, 0} {
		e := &syncWatchEnv{Env: newTestEnv(t)}
		l, _, err := Open(e, "log", Config{FlushMessages: 3})
		require.NoError(t, err)
		for range 2 {
			_, err = l.AppendLeader(testBatch("a"), 1, AppendOptions{})
			require.NoError(t, err)
		}
		waiting, err := l.BeginAppendLeader(testBatch("b"), 1, AppendOptions{})
		require.NoError(t, err)
		require.True(t, waiting.Unsynced)
		behind := func() {
			l.SetConfig(Config{FlushMessages: later})
			got, err := l.BeginAppendLeader(testBatch("c"), 1, AppendOptions{})
			require.NoError(t, err)
			require.True(t, got.Unsynced)
			require.EqualValues(t, 2, l.EndOffset())
		}
		behind()
		e.syncing = behind // while the sync is under way
		require.NoError(t, l.AwaitSync(waiting.LastOffset+1))
		require.GreaterOrEqual(t, l.SyncedOffset(), waiting.LastOffset+1)
		require.NoError(t, l.Sync())
		require.EqualValues(t, 5, l.EndOffset())
		require.NoError(t, l.Close())
	}
}
