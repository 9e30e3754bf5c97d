package storage

import (
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// brokenRenames fails a change of names, counted from 1, and all that come after in
// the same directory.
type brokenRenames struct {
	env.Env
	files renamesFS
}

type renamesFS struct {
	env.FS
	left   int
	broken string
}

func (b *brokenRenames) FS() env.FS { return &b.files }

func (f *renamesFS) step(dir string) error {
	if f.left--; f.left == 0 {
		f.broken = dir
	}
	if f.broken == dir {
		return syscall.EIO
	}
	return nil
}

func (f *renamesFS) Rename(from, to string) error {
	if err := f.step(path.Dir(to)); err != nil && f.counts(to) {
		return err
	}
	return f.FS.Rename(from, to)
}

// counts passes over the files that are replaced within a log's directory.
func (f *renamesFS) counts(name string) bool { return !strings.HasSuffix(path.Dir(name), "t") }

func (f *renamesFS) SyncDir(dir string) error {
	if dir == "a" || dir == "b" {
		if err := f.step(dir); err != nil {
			return err
		}
	}
	return f.FS.SyncDir(dir)
}

// copyInto appends to a log what another one has beyond its end.
func copyInto(t *testing.T, from, to *Log) {
	for to.EndOffset() < from.EndOffset() {
		records, err := from.Read(to.EndOffset(), from.EndOffset(), 1<<20, true)
		require.NoError(t, err)
		_, err = to.AppendFollower(records)
		require.NoError(t, err)
	}
}

func contentOf(t *testing.T, l *Log) string {
	records, err := l.Read(l.StartOffset(), l.EndOffset(), 1<<30, true)
	require.NoError(t, err)
	return string(records)
}

func TestALogMovesIntoAnotherDirectory(t *testing.T) {
	e := newTestEnv(t)
	cfg := Config{SegmentBytes: 400}
	l, _, err := Open(e, "a/t", cfg)
	require.NoError(t, err)
	makeCleanable(t, l)
	require.NoError(t, l.DeleteRecordsBefore(7))
	l.AssignEpoch(9)
	future, _, err := Open(e, "b/t"+FutureSuffix, cfg)
	require.NoError(t, err)
	require.NoError(t, future.TruncateFullyAndStartAt(7))
	copyInto(t, l, future)
	before, epochs, producers, end := contentOf(t, l), l.Epochs(), l.Producers(), l.EndOffset()

	require.NoError(t, l.MoveInto(future))
	require.NoError(t, RemoveReplaced(e.FS(), "a/t"))
	check := func(l *Log) {
		require.Equal(t, "b/t", l.Dir())
		require.Equal(t, before, contentOf(t, l))
		require.EqualValues(t, 7, l.StartOffset())
		require.Equal(t, producers, l.Producers())
	}
	check(l)
	require.Equal(t, epochs[len(epochs)-1], l.Epochs()[len(l.Epochs())-1])
	require.Equal(t, end, l.SyncedOffset())
	for _, gone := range []string{"a/t", "a/t" + ReplacedSuffix, "b/t" + FutureSuffix} {
		_, err := e.FS().Stat(gone)
		require.Error(t, err, gone)
	}
	require.NoError(t, future.Close())

	// It is the same log for whoever goes on with it, and after a restart.
	_, err = l.AppendLeader(testBatch("x", "y"), 9, AppendOptions{})
	require.NoError(t, err)
	require.NoError(t, l.TruncateTo(end))
	check(l)
	require.NoError(t, l.Close())
	l, rec, err := Open(e, "b/t", cfg)
	require.NoError(t, err)
	require.Zero(t, rec.BatchesChecked, "it was durable")
	check(l)
	require.NoError(t, l.Close())
}

// Whichever change of names fails, the log is where it was or fenced, and what a
// restart finds is all of it.
func TestAMoveThatFailsLosesNothing(t *testing.T) {
	for step := 1; ; step++ {
		e := newTestEnv(t)
		b := &brokenRenames{Env: e, files: renamesFS{FS: e.FS()}}
		l, _, err := Open(b, "a/t", Config{})
		require.NoError(t, err)
		_, err = l.AppendLeader(testBatch("1", "2", "3"), 1, AppendOptions{})
		require.NoError(t, err)
		future, _, err := Open(b, "b/t"+FutureSuffix, Config{})
		require.NoError(t, err)
		copyInto(t, l, future)
		content := contentOf(t, l)

		b.files.left = step
		err = l.MoveInto(future)
		done := b.files.broken == ""
		if done {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, syscall.EIO)
			require.True(t, l.Failed() != nil || l.Dir() == "a/t", "step %d", step)
			require.True(t, l.Failed() != nil || future.Failed() != nil, "step %d", step)
		}
		if l.Failed() == nil {
			require.Equal(t, content, contentOf(t, l))
		}
		_, _ = l.Close(), future.Close()

		names := map[string]bool{}
		for _, name := range []string{"a/t", "a/t" + ReplacedSuffix, "b/t", "b/t" + FutureSuffix} {
			_, err := e.FS().Stat(name)
			names[name] = err == nil
		}
		at := "a/t"
		switch {
		case names["a/t"]:
		case names["b/t"]:
			at = "b/t"
		default:
			require.True(t, names["a/t"+ReplacedSuffix], "step %d", step)
			require.NoError(t, FinishMove(e.FS(), "b/t"+FutureSuffix, "b/t"))
			at = "b/t"
		}
		again, _, err := Open(e, at, Config{})
		require.NoError(t, err)
		require.Equal(t, content, contentOf(t, again), "step %d", step)
		require.NoError(t, again.Close())
		if done {
			require.Greater(t, step, 4)
			return
		}
	}
}
