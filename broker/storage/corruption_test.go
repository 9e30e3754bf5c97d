package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env"
)

var smallSegments = Config{SegmentBytes: 1000, IndexIntervalBytes: 200}

// filledLog is a log of several segments, stopped cleanly, and its content.
func filledLog(t testing.TB) (*testEnv, []byte) {
	e := newMemEnv(t)
	l, _, err := Open(e, "d/log", smallSegments)
	require.NoError(t, err)
	for i := range 30 {
		_, err := l.AppendLeader(testBatch(fmt.Sprintf("value %d", i), "and more"), int32(i/10), AppendOptions{})
		require.NoError(t, err)
		if i%7 == 0 {
			e.runTasks()
		}
	}
	e.runTasks()
	whole, err := readAll(l)
	require.NoError(t, err)
	require.Greater(t, len(l.segments), 2)
	require.NoError(t, l.Close())
	return e, whole
}

// readAll reads a log from start to end, or to the first error.
func readAll(l *Log) ([]byte, error) {
	var all []byte
	for off := l.StartOffset(); off < l.EndOffset(); {
		data, err := l.Read(off, l.EndOffset(), 300, true)
		if err != nil {
			return all, err
		}
		if len(data) == 0 {
			return all, fmt.Errorf("nothing to read at offset %d", off)
		}
		for b, err := range Batches(data) {
			if err != nil {
				return all, err
			}
			off = b.NextOffset()
		}
		all = append(all, data...)
	}
	return all, nil
}

// clone copies a file system, so that damage can be done to it.
func (m *memFS) clone() *memFS {
	c := newMemFS()
	for dir := range m.dirs {
		c.dirs[dir] = true
	}
	for name, node := range m.names {
		n := &inode{data: slices.Clone(node.data), synced: slices.Clone(node.data)}
		c.names[name], c.durable[name] = n, n
	}
	return c
}

// TestFlippedBitIsNeverServed flips every bit of every segment in turn: a
// reader gets the bytes that were written or an error that names the place.
func TestFlippedBitIsNeverServed(t *testing.T) {
	e, whole := filledLog(t)
	for _, name := range env.SortedKeys(e.files.names) {
		if !strings.HasSuffix(name, logSuffix) {
			continue
		}
		for at := range e.files.names[name].data {
			bit := byte(1) << (at % 8)
			damaged := &testEnv{Env: e.Env, files: e.files.clone()}
			damaged.files.names[name].data[at] ^= bit
			l, _, err := Open(damaged, "d/log", smallSegments)
			require.NoError(t, err)
			got, err := readAll(l)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt, "%s byte %d", name, at)
			require.Equal(t, name, corrupt.File)
			require.LessOrEqual(t, corrupt.Position, int64(at))
			require.True(t, bytes.HasPrefix(whole, got), "%s byte %d: what was served is not what was written", name, at)
			require.NoError(t, l.Close())
		}
	}
}

// TestDamagedSideFiles damages everything but the segments: nothing is lost.
func TestDamagedSideFiles(t *testing.T) {
	e, whole := filledLog(t)
	for _, name := range env.SortedKeys(e.files.names) {
		if strings.HasSuffix(name, logSuffix) {
			continue
		}
		size := len(e.files.names[name].data)
		damage := map[string]func(n *inode){
			"removed": nil,
			"emptied": func(n *inode) { n.data = nil },
			"cut":     func(n *inode) { n.data = n.data[:size/2] },
			"zeroed":  func(n *inode) { clear(n.data) },
			"longer":  func(n *inode) { n.data = append(n.data, 1, 2, 3) },
			"first":   func(n *inode) { n.data[0] ^= 1 },
			"last":    func(n *inode) { n.data[size-1] ^= 0x40 },
			"middle":  func(n *inode) { n.data[size/2] ^= 0x10 },
		}
		for _, how := range env.SortedKeys(damage) {
			t.Run(path.Base(name)+" "+how, func(t *testing.T) {
				damaged := &testEnv{Env: e.Env, files: e.files.clone()}
				switch fn := damage[how]; {
				case fn == nil:
					delete(damaged.files.names, name)
				case size > 0:
					fn(damaged.files.names[name])
				}
				l, rec, err := Open(damaged, "d/log", smallSegments)
				require.NoError(t, err)
				got, err := readAll(l)
				require.NoError(t, err, rec.String())
				require.Equal(t, whole, got)
				epoch, end := l.EpochEnd(1)
				require.EqualValues(t, 1, epoch)
				require.EqualValues(t, 40, end)
				for ts := int64(999); ts < 1003; ts++ {
					at, found, err := l.OffsetForTimestamp(ts)
					require.NoError(t, err)
					require.Equal(t, ts <= 1001, found)
					if found {
						require.Equal(t, max(ts-1000, 0), at.Offset)
					}
				}
				require.NoError(t, l.Close())
			})
		}
	}
}

// TestTruncatedSegment cuts the last segment at every length. What was synced
// and is gone is reported.
func TestTruncatedSegment(t *testing.T) {
	e, whole := filledLog(t)
	var last string
	for name := range e.files.names {
		if strings.HasSuffix(name, logSuffix) && name > last {
			last = name
		}
	}
	for size := range e.files.names[last].data {
		damaged := &testEnv{Env: e.Env, files: e.files.clone()}
		damaged.files.names[last].data = damaged.files.names[last].data[:size]
		l, rec, err := Open(damaged, "d/log", smallSegments)
		require.NoError(t, err)
		require.True(t, rec.Damaged())
		require.EqualValues(t, 60, rec.LostSyncedTo)
		require.Equal(t, l.EndOffset(), rec.LostSyncedFrom)
		require.Contains(t, rec.StateProblem, last)
		got, err := readAll(l)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(whole, got))
		res, err := l.AppendLeader(testBatch("goes on"), 9, AppendOptions{})
		require.NoError(t, err)
		require.Equal(t, rec.LostSyncedFrom, res.BaseOffset)
		require.NoError(t, l.Close())
	}
}

// TestFileShortenedUnderReader is a file that loses bytes while it is open.
func TestFileShortenedUnderReader(t *testing.T) {
	e, _ := filledLog(t)
	l := mustOpen(t, e, smallSegments)
	first := l.segments[0]
	e.files.names[first.name()].data = e.files.names[first.name()].data[:100]
	_, err := l.Read(4, 60, 1<<20, true)
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, first.name(), corrupt.File)
	require.ErrorContains(t, err, "ends before the segment does")
}

// TestFullDisk fills the disk at every byte of an append. Nothing of it stays,
// and once there is space the log goes on.
func TestFullDisk(t *testing.T) {
	batch := testBatch("some value")
	for budget := range len(batch) {
		e := newMemEnv(t)
		l := mustOpen(t, e, Config{})
		_, err := l.AppendLeader(slices.Clone(batch), 0, AppendOptions{})
		require.NoError(t, err)
		e.files.diskFull(budget)
		_, err = l.AppendLeader(slices.Clone(batch), 0, AppendOptions{})
		var refused *AppendError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, kerr.KafkaStorageError.Code, refused.Code)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "d/log/00000000000000000000.log")
		require.ErrorContains(t, err, fmt.Sprintf("byte %d", len(batch)))
		require.NoError(t, l.Failed(), "a full disk is not a broken one")
		require.EqualValues(t, 1, l.EndOffset())
		require.Len(t, e.files.names["d/log/00000000000000000000.log"].data, len(batch))

		e.files.fail = nil
		res, err := l.AppendLeader(slices.Clone(batch), 0, AppendOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 1, res.BaseOffset)
		l, rec, err := Open(e.crash(), "d/log", Config{})
		require.NoError(t, err)
		require.False(t, rec.Damaged(), rec.String())
		require.EqualValues(t, 2, l.EndOffset())
		require.NoError(t, l.Close())
	}
}

// TestDeviceErrorFences is KAFKA-10778: an append after a failed one could end
// up behind a partial batch and be lost in recovery.
func TestDeviceErrorFences(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			e := newMemEnv(t)
			l := mustOpen(t, e, Config{FlushMessages: 1})
			e.files.failAfter(op, 1, syscall.EIO, false)
			_, err := l.AppendLeader(testBatch("lost"), 0, AppendOptions{})
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorIs(t, err, kerr.KafkaStorageError)
			require.ErrorIs(t, l.Failed(), syscall.EIO)
			require.Zero(t, l.EndOffset(), "what failed cannot be read")
			// The device works again, but what the file holds is not known.
			_, err = l.AppendLeader(testBatch("next"), 0, AppendOptions{})
			require.ErrorIs(t, err, kerr.KafkaStorageError)
			require.Error(t, l.TruncateTo(0))
			require.Error(t, l.Close())
			l = mustOpen(t, e.crash(), Config{})
			_, err = l.AppendLeader(testBatch("goes on"), 0, AppendOptions{})
			require.NoError(t, err)
		})
	}
}

func TestReadErrorNamesPlace(t *testing.T) {
	e, _ := filledLog(t)
	l := mustOpen(t, e, smallSegments)
	e.files.failAfter("read", 1, syscall.EIO, true)
	_, err := l.Read(20, 60, 100, true)
	var failed *IOError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, syscall.EIO)
	require.True(t, strings.HasSuffix(failed.File, logSuffix))
}

func TestAppendRefusals(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{MaxMessageBytes: 500, SegmentBytes: 2000})
	_, err := l.AppendLeader(testBatch("a", "b"), 3, AppendOptions{})
	require.NoError(t, err)
	good := func() Batch { return testBatch("one", "two") }
	renew := func(b Batch) Batch { b.updateCRC(); return b }
	withProducer := func(id int64, epoch int16, seq int32) Batch {
		o := NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = id, epoch, seq
		return BuildBatch(nil, o, []Record{{}})
	}
	cases := map[string]struct {
		records []byte
		epoch   int32
		want    *kerr.Error
	}{
		"nothing":                 {nil, 3, kerr.InvalidRecord},
		"part of a batch":         {good()[:70], 3, kerr.CorruptMessage},
		"part of a header":        {good()[:20], 3, kerr.CorruptMessage},
		"flipped bit":             {func() Batch { b := good(); b[70] ^= 1; return b }(), 3, kerr.CorruptMessage},
		"old format":              {func() Batch { b := good(); b[atMagic] = 1; return b }(), 3, kerr.UnsupportedForMessageFormat},
		"unknown format":          {func() Batch { b := good(); b[atMagic] = 9; return b }(), 3, kerr.CorruptMessage},
		"wrong count":             {func() Batch { b := good(); b[atNumRecords+3] = 3; return renew(b) }(), 3, kerr.InvalidRecord},
		"wrong last offset":       {func() Batch { b := good(); b[atLastOffsetDelta+3] = 7; return renew(b) }(), 3, kerr.InvalidRecord},
		"record longer than rest": {func() Batch { b := good(); b[HeaderBytes] = 0x7e; return renew(b) }(), 3, kerr.InvalidRecord},
		"control":                 {func() Batch { b := good(); b[atAttributes+1] |= attrControl; return renew(b) }(), 3, kerr.InvalidRecord},
		"too large":               {testBatch(string(make([]byte, 500))), 3, kerr.MessageTooLarge},
		"request too large":       {bytes.Repeat(testBatch(string(make([]byte, 300))), 7), 3, kerr.RecordListTooLarge},
		"epoch that is over":      {good(), 2, kerr.FencedLeaderEpoch},
		"two idempotent batches":  {append(withProducer(1, 0, 0), withProducer(1, 0, 1)...), 3, kerr.InvalidRecord},
		"negative sequence":       {withProducer(1, 0, -1), 3, kerr.InvalidRecord},
	}
	for _, name := range env.SortedKeys(cases) {
		c := cases[name]
		_, err := l.AppendLeader(c.records, c.epoch, AppendOptions{})
		require.ErrorIs(t, err, c.want, name)
		var refused *AppendError
		require.True(t, errors.As(err, &refused) && refused.Code == c.want.Code, name)
		require.EqualValues(t, 2, l.EndOffset(), name)
	}
	for name, b := range map[string]struct {
		base  int64
		epoch int32
		want  *kerr.Error
	}{
		"gap":          {3, 3, kerr.OffsetOutOfRange},
		"overlap":      {1, 3, kerr.OffsetOutOfRange},
		"older leader": {2, 2, kerr.FencedLeaderEpoch},
	} {
		o := NoProducer()
		o.BaseOffset, o.LeaderEpoch = b.base, b.epoch
		_, err := l.AppendFollower(BuildBatch(nil, o, []Record{{}}))
		require.ErrorIs(t, err, b.want, name)
	}
	_, err = l.Read(3, 3, 1, true)
	require.ErrorIs(t, err, kerr.OffsetOutOfRange)
}

func TestEpochOfProducerStartsAtZero(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	send := func(epoch int16, seq int32) (AppendResult, error) {
		o := NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = 7, epoch, seq
		return l.AppendLeader(BuildBatch(nil, o, []Record{{}, {}}), 0, AppendOptions{})
	}
	_, err := send(1, 1<<31-2) // the two before the sequence starts anew
	require.NoError(t, err)
	_, err = send(1, 0)
	require.NoError(t, err)
	res, err := send(1, 1<<31-2)
	require.NoError(t, err)
	require.True(t, res.Duplicate)
	_, err = send(0, 2)
	require.ErrorIs(t, err, kerr.InvalidProducerEpoch)
	_, err = send(2, 2)
	require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
	_, err = send(2, 0)
	require.NoError(t, err)
}

func TestOffsetCheckpoint(t *testing.T) {
	m := newMemFS()
	none, err := ReadOffsetCheckpoint(m, "checkpoint")
	require.NoError(t, err)
	require.Empty(t, none)
	want := []PartitionOffset{{"a", 2, 5}, {"b", 0, 1 << 40}}
	require.NoError(t, WriteOffsetCheckpoint(m, "checkpoint", []PartitionOffset{want[1], want[0]}))
	got, err := ReadOffsetCheckpoint(m, "checkpoint")
	require.NoError(t, err)
	require.Equal(t, want, got)
	for at := range m.names["checkpoint"].data {
		m.names["checkpoint"].data[at] ^= 4
		_, err = ReadOffsetCheckpoint(m, "checkpoint")
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt)
		m.names["checkpoint"].data[at] ^= 4
	}
	m.names["checkpoint"].data = m.names["checkpoint"].data[:3]
	_, err = ReadFile(m, "checkpoint")
	require.ErrorContains(t, err, "checkpoint is corrupt at byte 3")
	_, err = ReadFile(m, "none")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
