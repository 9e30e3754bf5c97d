package storage

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConcurrentUse lets many tasks append, read, sync and trim at once on the
// real file system; run it with -race.
func TestConcurrentUse(t *testing.T) {
	for _, flush := range []int64{0, 1, 7} {
		t.Run(fmt.Sprintf("flush.messages=%d", flush), func(t *testing.T) {
			cfg := Config{SegmentBytes: 4000, IndexIntervalBytes: 300, FlushMessages: flush}
			e := newTestEnv(t)
			l, _, err := Open(e, "log", cfg)
			require.NoError(t, err)
			const writers, each = 4, 60
			var writing, others sync.WaitGroup
			var mu sync.Mutex
			acked := map[int64]string{}
			for w := range writers {
				writing.Go(func() {
					for i := range each {
						value := fmt.Sprintf("writer %d record %d", w, i)
						res, err := l.AppendLeader(testBatch(value), 1, AppendOptions{})
						if err != nil {
							t.Error(err)
							return
						}
						if flush == 1 && l.SyncedOffset() <= res.LastOffset {
							t.Errorf("offset %d was acknowledged before it was durable", res.LastOffset)
						}
						mu.Lock()
						acked[res.BaseOffset] = value
						mu.Unlock()
					}
				})
			}
			done := make(chan struct{})
			others.Go(func() {
				next := int64(0)
				for {
					data, err := l.Read(next, l.EndOffset(), 2000, true)
					if err != nil {
						t.Error(err)
						return
					}
					for b, err := range Batches(data) {
						if err != nil || b.BaseOffset() != next {
							t.Errorf("read offset %d at %d: %v", b.BaseOffset(), next, err)
							return
						}
						next = b.NextOffset()
					}
					if next == writers*each {
						return
					}
					select {
					case <-done:
						if next == l.EndOffset() {
							return
						}
					default:
					}
				}
			})
			others.Go(func() {
				for range 20 {
					if err := l.Sync(); err != nil {
						t.Error(err)
					}
					_, _, _ = l.OffsetForTimestamp(1000)
					_, _ = l.EpochEnd(1)
				}
			})
			writing.Wait()
			close(done)
			others.Wait()
			require.Len(t, acked, writers*each)
			require.NoError(t, l.Close())

			l, rec, err := Open(e, "log", cfg)
			require.NoError(t, err)
			require.False(t, rec.Damaged(), rec.String())
			all, err := readAll(l)
			require.NoError(t, err)
			for b, err := range Batches(all) {
				require.NoError(t, err)
				for r, err := range b.Records() {
					require.NoError(t, err)
					require.Equal(t, acked[r.Offset], string(r.Value))
				}
			}
			require.NoError(t, l.Close())
		})
	}
}
