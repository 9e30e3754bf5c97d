package storage

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever owns the log hears of an error of the disk before the operation that
// met it returns, also where nobody waits for that operation: what is done
// about it must not wait for the next append, before which the process may die.
func TestErrorOfTheDiskIsToldWhereItIsMet(t *testing.T) {
	for name, tc := range map[string]struct {
		op, file string
		err      error
		fails    bool
	}{
		"sync of a sealed segment":      {"sync", ".log", syscall.EIO, true},
		"sync of the directory":         {"syncdir", "d/log", syscall.EIO, true},
		"sync of an index":              {"sync", ".index", syscall.EIO, true},
		"sync of a snapshot":            {"sync", ".snapshot.tmp", syscall.EIO, true},
		"rename of the state":           {"rename", "log-state", syscall.EIO, true},
		"write of the state, disk full": {"write", "log-state.tmp", syscall.ENOSPC, false},
		"write of an index, disk full":  {"write", ".index", syscall.ENOSPC, false},
		"directory sync, disk full":     {"syncdir", "d/log", syscall.ENOSPC, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newMemEnv(t)
			var told error
			l := mustOpen(t, e, Config{SegmentBytes: 150, IndexIntervalBytes: 1, OnFailed: func(err error) {
				require.NoError(t, told, "once")
				told = err
			}})
			for range 5 { // two to a segment
				_, err := l.AppendLeader(testBatch("x"), 0, AppendOptions{})
				require.NoError(t, err)
			}
			e.files.fail = func(op, name string, bytes int) (int, error) {
				if op == tc.op && strings.HasSuffix(name, tc.file) {
					return bytes / 2, tc.err
				}
				return bytes, nil
			}
			e.runTasks() // the flush in the background
			if !tc.fails {
				require.NoError(t, told)
				require.NoError(t, l.Failed())
				e.files.fail = nil
				return
			}
			require.ErrorIs(t, told, tc.err)
			require.ErrorIs(t, l.Failed(), tc.err)
			_, err := l.AppendLeader(testBatch("x"), 0, AppendOptions{})
			require.ErrorIs(t, err, tc.err)
			require.Error(t, l.Close())
		})
	}
}
