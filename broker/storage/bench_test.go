package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func benchLog(b *testing.B) *Log {
	l, _, err := Open(newTestEnv(b), "d/log", Config{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	return l
}

func kilobyte() []byte { return testBatch(string(make([]byte, 1024-HeaderBytes-10))) }

func BenchmarkAppendLeader1KB(b *testing.B) {
	l, batch := benchLog(b), kilobyte()
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.AppendLeader(batch, 0, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFollower1KB(b *testing.B) {
	l, batch := benchLog(b), Batch(kilobyte())
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		batch.SetBaseOffset(l.EndOffset())
		batch.SetLeaderEpoch(0)
		if _, err := l.AppendFollower(batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadTail1KB(b *testing.B) {
	l, batch := benchLog(b), kilobyte()
	for range 1000 {
		_, err := l.AppendLeader(batch, 0, AppendOptions{})
		require.NoError(b, err)
	}
	end := l.EndOffset()
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if got, err := l.Read(end-1, end, 1<<20, true); err != nil || len(got) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadCatchUp1MB(b *testing.B) {
	l, batch := benchLog(b), kilobyte()
	for range 4000 {
		_, err := l.AppendLeader(batch, 0, AppendOptions{})
		require.NoError(b, err)
	}
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := l.Read(1501, 4000, 1<<20, true); err != nil || len(got) < 1<<19 {
			b.Fatal(err)
		}
	}
}
