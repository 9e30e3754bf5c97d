package storage

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A sync that fails leaves bytes in the page cache that no later sync writes, of
// this process or another (fsyncgate). Who opens the log after that must write them
// anew: else the next loss of power takes them from the middle of what was synced.
func TestBytesOfAFailedSyncAreWrittenAnew(t *testing.T) {
	for _, unproven := range []bool{true, false} {
		t.Run(fmt.Sprintf("unproven %v", unproven), func(t *testing.T) {
			cfg := Config{SegmentBytes: 4000, Unproven: unproven}
			e := newMemEnv(t)
			l := mustOpen(t, e, cfg)
			add := func(n int) {
				for range n {
					_, err := l.AppendLeader(testBatch("some record of a hundred bytes or so, to fill a page before long, and a few more"), 0, AppendOptions{})
					require.NoError(t, err)
				}
			}
			add(10)
			require.NoError(t, l.Sync())
			add(40)
			e.files.failAfter("sync", 1, syscall.EIO, false)
			require.ErrorIs(t, l.Sync(), syscall.EIO)
			require.Error(t, l.Close())
			for range 2 {
				e = &testEnv{Env: e.Env, files: e.files.processCrash()}
				l = mustOpen(t, e, cfg)
				require.EqualValues(t, 50, l.EndOffset())
			}
			add(30)
			require.NoError(t, l.Sync())
			l = mustOpen(t, &testEnv{Env: e.Env, files: e.files.powerLoss(func(int) int { return 1 })}, Config{SegmentBytes: 4000})
			read := int64(0)
			for read < l.EndOffset() {
				data, err := l.Read(read, l.EndOffset(), 1<<20, true)
				if err != nil {
					break
				}
				for b, err := range Batches(data) {
					require.NoError(t, err)
					read = b.NextOffset()
				}
			}
			require.Equal(t, unproven, read == 80, "%d of 80 records can be read", read)
		})
	}
}
