package storage

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// Headers are those of the batches that Read returns, over segments and from
// any offset to any other.
func TestHeadersAreThoseOfTheBatchesRead(t *testing.T) {
	l, _, err := Open(newTestEnv(t), "data/topic-0", Config{SegmentBytes: 1000, IndexIntervalBytes: 300})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for i := range 40 {
		_, err := l.AppendLeader(testBatch(fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)), int32(i/15), AppendOptions{})
		require.NoError(t, err)
	}
	type seen struct {
		base, last int64
		epoch      int32
		crc        uint32
	}
	of := func(b Batch) seen { return seen{b.BaseOffset(), b.LastOffset(), b.LeaderEpoch(), b.CRC()} }
	for from := int64(0); from <= 120; from += 7 {
		for to := from; to <= 120; to += 5 {
			var want, got []seen
			for next := from; next < to; {
				data, err := l.Read(next, to, 500, true)
				require.NoError(t, err)
				if len(data) == 0 {
					break
				}
				for b, err := range Batches(data) {
					require.NoError(t, err)
					if b.BaseOffset() >= from {
						want = append(want, of(b))
					}
					next = b.NextOffset()
				}
			}
			require.NoError(t, l.Headers(from, to, func(b Batch) bool { got = append(got, of(b)); return true }))
			require.Equal(t, want, got, "from %d to %d", from, to)
		}
	}
	n := 0
	require.NoError(t, l.Headers(0, 120, func(Batch) bool { n++; return n < 3 }))
	require.Equal(t, 3, n)
	require.Error(t, l.Headers(121, 130, func(Batch) bool { return true }))
}

// renamingEnv has files that tell before one of them gets a name.
type renamingEnv struct {
	env.Env
	files *renamingFS
}

type renamingFS struct {
	env.FS
	before func()
}

func (e *renamingEnv) FS() env.FS { return e.files }

func (f *renamingFS) Rename(from, to string) error {
	f.before()
	return f.FS.Rename(from, to)
}

// While a log is being cut, its new state already on the way to the disk,
// whoever reads it sees the whole log as it was, or the cut one: never damage.
func TestReadersBesideACutSeeNoDamage(t *testing.T) {
	for name, cut := range map[string]func(*Log) error{
		"in the middle":         func(l *Log) error { return l.TruncateTo(7) },
		"at the start":          func(l *Log) error { return l.TruncateTo(0) },
		"to a log further on":   func(l *Log) error { return l.TruncateFullyAndStartAt(50) },
		"to a log further back": func(l *Log) error { return l.restartBelow(0) },
	} {
		t.Run(name, func(t *testing.T) {
			e := &renamingEnv{Env: newTestEnv(t)}
			e.files = &renamingFS{FS: e.Env.FS(), before: func() {}}
			cfg := Config{CleanupPolicy: CleanupCompact}
			l, _, err := Open(e, "log", cfg)
			require.NoError(t, err)
			for i := range 20 {
				o := NoProducer()
				o.BaseOffset, o.LeaderEpoch = int64(2*i), int32(i/5) // every second offset is gone
				_, err := l.AppendFollower(BuildBatch(nil, o, []Record{{Key: []byte("k")}}))
				require.NoError(t, err)
			}
			require.NoError(t, l.Close())
			l, _, err = Open(e, "log", cfg) // what it holds is known to be durable
			require.NoError(t, err)
			looks := 0
			e.files.before = func() {
				n := 0
				require.NoError(t, l.Headers(l.StartOffset(), l.EndOffset(), func(Batch) bool { n++; return true }))
				if looks++; looks == 1 {
					require.Equal(t, 20, n)
				}
			}
			require.NoError(t, cut(l))
			require.Positive(t, looks)
			e.files.before = func() {}
			require.NoError(t, l.Close())
		})
	}
}
