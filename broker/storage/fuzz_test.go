package storage

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLogReader opens a log whose only segment is any bytes. What it then
// serves is made of valid batches in order, and appending goes on behind them.
func FuzzLogReader(f *testing.F) {
	good := append(testBatch("a", "b"), testBatch("c")...)
	Batch(good[len(testBatch("a", "b")):]).SetBaseOffset(2)
	f.Add(good, false)
	f.Add(good[:len(good)-1], false)
	f.Add(good, true)
	f.Add([]byte{}, true)
	f.Add(bytes.Repeat([]byte{0}, 200), false)
	f.Add(bytes.Repeat([]byte{0xff}, 200), true)
	base := newTestEnv(f)
	f.Fuzz(func(t *testing.T, data []byte, trusted bool) {
		e := &testEnv{Env: base, files: newMemFS()}
		e.files.dirs["d"], e.files.dirs["d/log"] = true, true
		node := &inode{data: bytes.Clone(data)}
		e.files.names["d/log/00000000000000000000.log"] = node
		if trusted {
			// The same bytes where they are not scanned but met by readers.
			state := logState{recovery: recoveryPoint{offset: 3, position: int64(len(data))}, epochs: []EpochStart{{Epoch: -1}}}
			require.NoError(t, WriteFile(e.files, "d/log/log-state", state.encode()))
		}
		_, err := Dump(e.files, "d/log")
		require.NoError(t, err)
		l, _, err := Open(e, "d/log", Config{IndexIntervalBytes: 100})
		require.NoError(t, err)
		all, err := readAll(l)
		var corrupt *CorruptError
		require.True(t, err == nil || trusted && errors.As(err, &corrupt), "%v", err)
		next := int64(0)
		for b, err := range Batches(all) {
			require.NoError(t, err)
			require.NoError(t, b.Verify())
			require.Equal(t, next, b.BaseOffset())
			next = b.NextOffset()
			for _, err := range b.Records() {
				if err != nil {
					break
				}
			}
		}
		require.True(t, bytes.HasPrefix(data, all))
		_, _, _ = l.OffsetForTimestamp(0)
		end := l.EndOffset()
		res, err := l.AppendLeader(testBatch("next"), 1<<30, AppendOptions{})
		if err == nil {
			require.Equal(t, end, res.BaseOffset)
			got, err := l.Read(end, end+1, 100, true)
			require.NoError(t, err)
			require.NotEmpty(t, got)
		}
		_ = l.Close()
	})
}

// FuzzBatch takes any bytes as what a client sends to be appended.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(testBatch("a", "b")))
	f.Add([]byte(testBatch("a"))[:HeaderBytes])
	f.Add(bytes.Repeat([]byte{0}, HeaderBytes))
	base := newTestEnv(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fix := range []bool{false, true} {
			in := bytes.Clone(data)
			if b, _, err := SplitBatch(in); err == nil && fix {
				b[atMagic] = 2
				b.updateCRC() // let the fuzzer past the checksum
			}
			for b, err := range Batches(in) {
				if err == nil && b.Verify() == nil {
					for _, err := range b.Records() {
						if err != nil {
							break
						}
					}
				}
			}
			l := mustOpen(t, &testEnv{Env: base, files: newMemFS()}, Config{})
			res, err := l.AppendLeader(in, 0, AppendOptions{})
			var refused *AppendError
			require.True(t, err == nil || errors.As(err, &refused), "%v", err)
			if err == nil {
				got, err := readAll(l)
				require.NoError(t, err)
				require.Equal(t, in, got)
				require.Equal(t, l.EndOffset()-1, res.LastOffset)
				for b, err := range Batches(got) {
					require.NoError(t, err)
					newest := int64(noTimestamp)
					for r, err := range b.Records() {
						require.NoError(t, err, "what a leader has taken can be read")
						newest = max(newest, r.TimestampMillis)
					}
					require.Equal(t, newest, b.MaxTimestamp())
				}
			}
			_, err = l.AppendFollower(bytes.Clone(data))
			require.True(t, err == nil || errors.As(err, &refused), "%v", err)
		}
	})
}
