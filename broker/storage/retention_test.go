package storage

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timedLog has ten segments of one batch each; batch i has timestamp 1000·i.
func timedLog(t *testing.T, cfg Config) (*testEnv, *Log) {
	e := newMemEnv(t)
	cfg.SegmentBytes = 100
	l := mustOpen(t, e, cfg)
	for i := range 10 {
		_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), []Record{{TimestampMillis: int64(1000 * i), Key: []byte("k"), Value: make([]byte, 19)}}), 0, AppendOptions{})
		require.NoError(t, err)
	}
	require.Len(t, l.segments, 10)
	e.runTasks()
	return e, l
}

func TestRetentionByTime(t *testing.T) {
	e, l := timedLog(t, Config{CleanupPolicy: CleanupDelete, RetentionBytes: -1, RetentionMillis: 3000})
	removed, err := l.ApplyRetention(8500, 100)
	require.NoError(t, err)
	require.Equal(t, 6, removed) // 0 to 5000; 6000 is 2.5 s old
	require.EqualValues(t, 6, l.StartOffset())
	_, err = l.Read(5, 10, 100, true)
	require.ErrorContains(t, err, "offset 5 of log d/log is out of range: the log holds [6, 10)")
	got, err := readAll(l)
	require.NoError(t, err)
	require.EqualValues(t, len(got), l.SizeBytes())

	// The start survives, and so does what is left.
	l = mustOpen(t, e.crash(), Config{SegmentBytes: 100})
	require.EqualValues(t, 6, l.StartOffset())
	require.EqualValues(t, 10, l.EndOffset())
}

func TestRetentionRemovesAllThatIsOld(t *testing.T) {
	_, l := timedLog(t, Config{CleanupPolicy: CleanupDelete, RetentionBytes: -1, RetentionMillis: 3000})
	removed, err := l.ApplyRetention(1e6, 10)
	require.NoError(t, err)
	require.Equal(t, 10, removed)
	require.EqualValues(t, 10, l.StartOffset())
	res, err := l.AppendLeader(testBatch("next"), 0, AppendOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 10, res.BaseOffset)
}

func TestRetentionStopsAtHighWatermark(t *testing.T) {
	_, l := timedLog(t, Config{CleanupPolicy: CleanupDelete, RetentionBytes: -1, RetentionMillis: 3000})
	removed, err := l.ApplyRetention(1e6, 4)
	require.NoError(t, err)
	require.Equal(t, 4, removed)
	require.EqualValues(t, 4, l.StartOffset())
}

// With zero a limit keeps nothing, as in Kafka; without a limit, and without
// "delete" in the policy, all stays.
func TestOnlyThePolicyDeletes(t *testing.T) {
	const all, none = 10, 0
	for name, tc := range map[string]struct {
		policy       string
		bytes, age   int64
		wantsRemoved int
	}{
		"age 0":                {"delete", -1, 0, all},
		"size 0":               {"delete", 0, -1, all},
		"no limit":             {"delete", -1, -1, none},
		"compact":              {"compact", 0, 0, none},
		"compact, delete":      {"compact, delete", -1, 3000, all},
		"compact,delete, size": {"compact,delete", 0, -1, all},
		"no policy":            {"", 0, 0, none},
	} {
		t.Run(name, func(t *testing.T) {
			_, l := timedLog(t, Config{CleanupPolicy: ParseCleanupPolicy(tc.policy), RetentionBytes: tc.bytes, RetentionMillis: tc.age})
			removed, err := l.ApplyRetention(1e6, 10)
			require.NoError(t, err)
			require.Equal(t, tc.wantsRemoved, removed)
			require.EqualValues(t, tc.wantsRemoved, l.StartOffset())
		})
	}
}

func TestRetentionBySize(t *testing.T) {
	_, l := timedLog(t, Config{CleanupPolicy: CleanupDelete, RetentionBytes: 300, RetentionMillis: -1})
	_, err := l.ApplyRetention(0, 100)
	require.NoError(t, err)
	require.GreaterOrEqual(t, l.SizeBytes(), int64(300), "never less than asked for")
	require.Less(t, l.SizeBytes(), int64(400))
}

func TestProducerExpires(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{ProducerIDExpiration: time.Hour})
	o := NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence = 1, 0, 0
	batch := BuildBatch(nil, o, []Record{{TimestampMillis: 5000}})
	for i := range 2 {
		res, err := l.AppendLeader(batch, 0, AppendOptions{})
		require.NoError(t, err)
		require.Equal(t, i == 1, res.Duplicate)
	}
	e.wallAhead = 1000 * time.Hour
	l.ExpireProducers()
	res, err := l.AppendLeader(bytes.Clone(batch), 0, AppendOptions{})
	require.NoError(t, err)
	require.True(t, res.Duplicate, "neither timestamps nor a wall clock that is set make a producer be forgotten")
	e.ahead = time.Hour + time.Second
	l.ExpireProducers()
	res, err = l.AppendLeader(batch, 0, AppendOptions{})
	require.NoError(t, err)
	require.False(t, res.Duplicate, "a producer that is forgotten may start anywhere")
}

func TestSegmentMillis(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{SegmentMillis: 1500})
	for i := range 5 {
		_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), []Record{{TimestampMillis: int64(1000 * i)}}), 0, AppendOptions{})
		require.NoError(t, err)
	}
	require.Len(t, l.segments, 3)
}

func TestSegmentJitterMillis(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{SegmentMillis: 1_000_000, SegmentJitterMillis: 1_000_000})
	for i := range 1000 {
		_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), []Record{{TimestampMillis: int64(10_000 * i)}}), 0, AppendOptions{})
		require.NoError(t, err)
	}
	spans := map[int64]bool{}
	for _, seg := range l.segments[:len(l.segments)-1] {
		require.LessOrEqual(t, seg.next-seg.base, int64(101))
		spans[seg.next-seg.base] = true
	}
	require.Greater(t, len(spans), 5, "each segment has a jitter of its own")
}

// Records are durable when flush.ms has passed, and nobody waits for that.
func TestFlushAfter(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{FlushAfter: time.Millisecond})
	for n := range int64(3) { // what comes after a sync has one of its own
		for range 2 {
			_, err := l.AppendLeader(testBatch("a"), 0, AppendOptions{})
			require.NoError(t, err)
		}
		require.Len(t, e.tasks, 1)
		require.Equal(t, 2*n, l.synced.Load())
		e.runTasks()
		require.Equal(t, 2*n+2, l.synced.Load())
	}
	e.runTasks()

	l.SetConfig(Config{FlushAfter: time.Hour})
	_, err := l.AppendLeader(testBatch("a"), 0, AppendOptions{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	e.runTasks() // at once
}

func TestLogAppendTime(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{LogAppendTime: true})
	before := time.Now().UnixMilli()
	res, err := l.AppendLeader(testBatch("a", "b"), 0, AppendOptions{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, res.LogAppendTime, before)
	at, found, err := l.OffsetForTimestamp(before)
	require.NoError(t, err)
	require.True(t, found)
	require.EqualValues(t, 0, at.Offset)
	require.Equal(t, res.LogAppendTime, at.Timestamp)
}

// TestFollowerStartsInsideBatch is a follower of a leader whose log start lies
// inside a batch: it gets the whole batch and hides what is below.
func TestFollowerStartsInsideBatch(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{})
	require.NoError(t, l.TruncateFullyAndStartAt(12))
	o := NoProducer()
	o.BaseOffset, o.LeaderEpoch = 10, 4
	_, err := l.AppendFollower(BuildBatch(nil, o, make([]Record, 5)))
	require.NoError(t, err)
	require.EqualValues(t, 12, l.StartOffset())
	require.EqualValues(t, 15, l.EndOffset())
	l = mustOpen(t, e.crash(), Config{})
	require.EqualValues(t, 12, l.StartOffset())
	require.EqualValues(t, 15, l.EndOffset())
	got, err := l.Read(12, 15, 0, true)
	require.NoError(t, err)
	require.EqualValues(t, 10, Batch(got).BaseOffset())
}

func TestTimestampInCompressedBatch(t *testing.T) {
	check := func(name string, batch []byte) {
		l := mustOpen(t, newMemEnv(t), Config{})
		_, err := l.AppendLeader(batch, 2, AppendOptions{})
		require.NoError(t, err, name)
		at, found, err := l.OffsetForTimestamp(1001)
		require.NoError(t, err, name)
		require.True(t, found, name)
		require.Equal(t, TimestampOffset{Offset: 1, Timestamp: 1001, LeaderEpoch: 2}, at, name)
		at, found, err = l.OffsetOfMaxTimestamp()
		require.NoError(t, err, name)
		require.True(t, found, name)
		require.EqualValues(t, 2, at.Offset, name)
	}
	for codec, compress := range testCodecs {
		if compress != nil {
			check(fmt.Sprint(codec), compressedBatch(byte(codec), compress))
		}
	}
	check("xerial", compressedBatch(2, testXerial))

	// What cannot be decompressed, and a leader has taken all the same, is kept
	// for clients but cannot be searched.
	l := mustOpen(t, newMemEnv(t), Config{})
	b := Batch(compressedBatch(4, bytes.Clone))
	b.SetLeaderEpoch(0)
	_, err := l.AppendFollower(b)
	require.NoError(t, err)
	_, _, err = l.OffsetForTimestamp(1001)
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.ErrorContains(t, err, "codec 4")
}

func TestDump(t *testing.T) {
	e, _ := filledLog(t)
	d, err := Dump(e.files, "d/log")
	require.NoError(t, err)
	require.Empty(t, d.StateProblem)
	require.EqualValues(t, 60, d.RecoveryFrom)
	require.Equal(t, []EpochStart{{0, 0}, {1, 20}, {2, 40}}, d.Epochs)
	n := 0
	for _, seg := range d.Segments {
		require.NoError(t, seg.Problem)
		for _, b := range seg.Batches {
			require.EqualValues(t, 2*n, b.BaseOffset)
			n++
		}
	}
	require.Equal(t, 30, n)
	e.files.names[d.Segments[1].File].data[70] ^= 1
	d, err = Dump(e.files, "d/log")
	require.NoError(t, err)
	require.ErrorContains(t, d.Segments[1].Problem, d.Segments[1].File+" is corrupt at byte 0")
}
