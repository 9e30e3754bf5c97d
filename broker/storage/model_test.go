package storage

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"
)

// modelBatch is a batch the log is supposed to hold.
type modelBatch struct {
	bytes []byte // as written, offsets and epoch included
}

func (m modelBatch) b() Batch { return Batch(m.bytes) }

// logModel is a log as a list, and what the log promised about durability.
type logModel struct {
	batches []modelBatch
	start   int64
	next    int64
	synced  int64
	epoch   int32
}

func (m *logModel) add(batch []byte) {
	if m.next == m.start {
		m.batches = nil
	}
	m.batches = append(m.batches, modelBatch{batch})
	m.next = Batch(batch).NextOffset()
}

func (m *logModel) truncate(off int64) {
	for len(m.batches) > 0 && m.batches[len(m.batches)-1].b().LastOffset() >= off {
		m.next = m.batches[len(m.batches)-1].b().BaseOffset()
		m.batches = m.batches[:len(m.batches)-1]
	}
	m.next = max(m.next, m.start)
	m.synced = min(m.synced, m.next)
}

// epochEnd is EpochEnd read off the batches.
func (m *logModel) epochEnd(epoch int32) (int32, int64) {
	if len(m.batches) == 0 {
		return -1, -1
	}
	if first := m.batches[0].b(); epoch < first.LeaderEpoch() {
		return epoch, max(m.start, first.BaseOffset())
	}
	found, end := int32(-1), int64(-1)
	for _, mb := range m.batches {
		if e := mb.b().LeaderEpoch(); e <= epoch {
			found, end = e, mb.b().NextOffset()
		}
	}
	return found, end
}

// TestAgainstModel does random things to a log, among them crashes, losses of
// power, full disks and device errors, and compares it with a list.
func TestAgainstModel(t *testing.T) {
	base := newTestEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		e := &testEnv{Env: base, files: newMemFS()}
		cfg := Config{
			SegmentBytes:       int64(rapid.SampledFrom([]int{600, 2000, 100000}).Draw(t, "segment.bytes")),
			IndexIntervalBytes: int64(rapid.SampledFrom([]int{1, 200, 4096}).Draw(t, "index.interval.bytes")),
			FlushMessages:      int64(rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "flush.messages")),
		}
		l, _, err := Open(e, "d/log", cfg)
		require.NoError(t, err)
		m := &logModel{}
		counter := 0

		unproven := false // the device has failed since the log was opened
		open := func(files *memFS) (rec Recovery) {
			e = &testEnv{Env: base, files: files}
			c := cfg
			c.Unproven, unproven = unproven, false
			l, rec, err = Open(e, "d/log", c)
			require.NoError(t, err)
			return rec
		}
		reopen := func(files *memFS, lossy bool) {
			rec := open(files)
			require.Zero(t, rec.LostSyncedTo, rec.String())
			require.GreaterOrEqual(t, l.EndOffset(), m.synced, "synced records are gone: %s", rec.String())
			if !lossy {
				require.Equal(t, m.next, l.EndOffset(), rec.String())
			}
			m.truncate(l.EndOffset())
			require.Equal(t, m.next, l.EndOffset())
			m.synced = m.next
			if m.next == m.start && len(l.Epochs()) == 0 {
				m.batches = nil // the deleted records are gone for good
			}
		}

		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, m.start, l.StartOffset())
				require.Equal(t, m.next, l.EndOffset())
				m.synced = max(m.synced, l.SyncedOffset())
				require.LessOrEqual(t, l.SyncedOffset(), m.next)
				if cfg.FlushMessages == 1 {
					require.Equal(t, m.next, l.SyncedOffset())
				}
				if m.next == m.start {
					return // an empty log may know its last epoch or not
				}
				for epoch := int32(-1); epoch <= m.epoch+1; epoch++ {
					gotE, gotO := l.EpochEnd(epoch)
					wantE, wantO := m.epochEnd(epoch)
					if epoch < 0 {
						wantE, wantO = -1, -1
					}
					require.Equal(t, wantE, gotE, "epoch %d of %v", epoch, l.Epochs())
					require.Equal(t, wantO, gotO, "epoch %d of %v", epoch, l.Epochs())
				}
			},
			"append": func(t *rapid.T) {
				n := rapid.IntRange(1, 4).Draw(t, "records")
				var records []Record
				for range n {
					counter++
					records = append(records, Record{
						TimestampMillis: int64(counter / 3),
						Value:           bytes.Repeat([]byte{byte(counter)}, rapid.IntRange(0, 120).Draw(t, "size")),
					})
				}
				m.epoch += int32(pick(8) / 7)
				batch := BuildBatch(nil, NoProducer(), records)
				res, err := l.AppendLeader(batch, m.epoch, AppendOptions{})
				require.NoError(t, err)
				require.Equal(t, m.next, res.BaseOffset)
				require.Equal(t, m.next+int64(n)-1, res.LastOffset)
				m.add(batch)
			},
			"append copies": func(t *rapid.T) {
				var all []byte
				for range rapid.IntRange(1, 3).Draw(t, "batches") {
					counter++
					m.epoch += int32(pick(8) / 7)
					o := NoProducer()
					o.BaseOffset, o.LeaderEpoch = m.next, m.epoch
					b := BuildBatch(nil, o, []Record{{TimestampMillis: int64(counter / 3), Value: fmt.Append(nil, counter)}, {}})
					m.add(b)
					all = append(all, b...)
				}
				if int64(len(all)) > cfg.SegmentBytes {
					m.truncate(l.EndOffset())
					return
				}
				_, err := l.AppendFollower(all)
				require.NoError(t, err)
			},
			"read": func(t *rapid.T) {
				off := m.start + int64(pick(int(m.next-m.start)+1))
				upTo := m.start + int64(pick(int(m.next-m.start)+1))
				maxBytes := rapid.SampledFrom([]int32{0, 100, 500, 5000}).Draw(t, "max bytes")
				got, err := l.Read(off, upTo, maxBytes, true)
				require.NoError(t, err)
				want := m.read(off, upTo, int(maxBytes))
				// One read may stop at the end of a segment, but not before one batch.
				require.True(t, bytes.HasPrefix(want, got), "read(%d, %d, %d)", off, upTo, maxBytes)
				require.Equal(t, len(want) == 0, len(got) == 0, "read(%d, %d, %d)", off, upTo, maxBytes)
			},
			"find time": func(t *rapid.T) {
				ts := int64(pick(counter/3 + 3))
				at, found, err := l.OffsetForTimestamp(ts)
				require.NoError(t, err)
				want, ok := m.findTime(ts)
				require.Equal(t, ok, found)
				require.Equal(t, want, at)
			},
			"truncate": func(t *rapid.T) {
				off := max(m.next-int64(pick(12)), 0)
				require.NoError(t, l.TruncateTo(off))
				if off <= m.start && off < m.next {
					m.batches, m.start, m.next = nil, off, off
				}
				m.truncate(off)
				if m.next == m.start {
					m.batches = nil
				}
			},
			"truncate fully": func(t *rapid.T) {
				if pick(6) > 0 {
					return
				}
				off := int64(pick(int(m.next) + 20))
				require.NoError(t, l.TruncateFullyAndStartAt(off))
				*m = logModel{start: off, next: off, epoch: m.epoch}
			},
			"delete records": func(t *rapid.T) {
				off := m.start + int64(pick(int(m.next-m.start)+1))
				require.NoError(t, l.DeleteRecordsBefore(off))
				m.start = max(m.start, off)
				for len(m.batches) > 0 && m.batches[0].b().LastOffset() < m.start {
					if m.next == m.start && len(m.batches) == 1 {
						break
					}
					m.batches = m.batches[1:]
				}
			},
			"sync":       func(t *rapid.T) { require.NoError(t, l.Sync()); m.synced = m.next },
			"stop":       func(t *rapid.T) { require.NoError(t, l.Close()); m.synced = m.next; reopen(e.files, false) },
			"crash":      func(t *rapid.T) { reopen(e.files.processCrash(), false) },
			"lose power": func(t *rapid.T) { reopen(e.files.powerLoss(pick), true) },
			"device error": func(t *rapid.T) {
				e.files.failAfter("", rapid.IntRange(1, 8).Draw(t, "op"), errDevice, rapid.Bool().Draw(t, "forever"))
				unproven = true
				before := m.next
				batch := testBatch("some", "thing")
				_, err := l.AppendLeader(batch, m.epoch, AppendOptions{})
				if err == nil {
					m.add(batch)
				}
				if err == nil && pick(2) == 0 {
					err = l.TruncateTo(before)
					if err == nil {
						m.truncate(before)
						if m.next == m.start {
							m.batches = nil
						}
					}
				}
				files := e.files.processCrash()
				if err == nil {
					reopen(files, false)
					return
				}
				require.ErrorIs(t, err, errDevice)
				// The append that failed may be there or not, but nothing else.
				open(files)
				if l.EndOffset() > m.next {
					m.add(batch)
				}
				require.GreaterOrEqual(t, l.EndOffset(), m.synced-2)
				m.truncate(l.EndOffset())
				m.synced = m.next
			},
		})
		_ = l.Close()
	})
}

var errDevice = errors.New("the device said no")

func (m *logModel) read(off, upTo int64, maxBytes int) []byte {
	var out []byte
	for _, mb := range m.batches {
		if mb.b().LastOffset() < off || off >= upTo {
			continue
		}
		if mb.b().LastOffset() >= upTo || len(out) > 0 && len(out)+len(mb.bytes) > maxBytes {
			break
		}
		out = append(out, mb.bytes...)
	}
	return out
}

func (m *logModel) findTime(ts int64) (TimestampOffset, bool) {
	for _, mb := range m.batches {
		for r, err := range mb.b().Records() {
			if err == nil && r.TimestampMillis >= ts && r.Offset >= m.start {
				return TimestampOffset{r.Offset, r.TimestampMillis, mb.b().LeaderEpoch()}, true
			}
		}
	}
	return TimestampOffset{}, false
}

// TestProducersAgainstModel retries batches at random over crashes and
// truncations: a batch in the log is never appended again, and one that is not
// can be.
func TestProducersAgainstModel(t *testing.T) {
	base := newTestEnv(t)
	type sent struct {
		seq int32
		at  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		e := &testEnv{Env: base, files: newMemFS()}
		cfg := Config{SegmentBytes: 700, ProducerIDExpiration: time.Hour}
		l, _, err := Open(e, "d/log", cfg)
		require.NoError(t, err)
		logs := map[int][]sent{} // per producer, what the log holds of it
		forget := func(end int64) {
			for p, list := range logs {
				for len(list) > 0 && list[len(list)-1].at >= end {
					list = list[:len(list)-1]
				}
				logs[p] = list
			}
		}
		build := func(p int, seq int32) []byte {
			o := NoProducer()
			o.ProducerID, o.ProducerEpoch, o.BaseSequence = int64(p), 3, seq
			return BuildBatch(nil, o, []Record{{Value: fmt.Append(nil, p, seq)}, {}})
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				p := pick(3)
				seq := int32(0)
				if list := logs[p]; len(list) > 0 {
					seq = list[len(list)-1].seq + 2
				}
				res, err := l.AppendLeader(build(p, seq), 0, AppendOptions{})
				require.NoError(t, err)
				require.False(t, res.Duplicate)
				logs[p] = append(logs[p], sent{seq: seq, at: res.BaseOffset})
			},
			"retry": func(t *rapid.T) {
				p := pick(3)
				list := logs[p]
				if len(list) == 0 {
					return
				}
				back := 1 + pick(min(len(list), 7))
				s := list[len(list)-back]
				res, err := l.AppendLeader(build(p, s.seq), 0, AppendOptions{})
				if back > cachedBatches {
					require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
					return
				}
				require.NoError(t, err)
				require.True(t, res.Duplicate)
				require.Equal(t, s.at, res.BaseOffset)
			},
			"gap": func(t *rapid.T) {
				p := pick(3)
				if list := logs[p]; len(list) > 0 {
					_, err := l.AppendLeader(build(p, list[len(list)-1].seq+4), 0, AppendOptions{})
					require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
				}
			},
			"truncate": func(t *rapid.T) {
				off := max(0, l.EndOffset()-int64(pick(10)))
				require.NoError(t, l.TruncateTo(off))
				forget(l.EndOffset())
			},
			"background": func(t *rapid.T) { e.runTasks() },
			"stop":       func(t *rapid.T) { require.NoError(t, l.Close()); l = mustOpen(t, e, cfg) },
			"crash":      func(t *rapid.T) { e = &testEnv{Env: base, files: e.files.processCrash()}; l = mustOpen(t, e, cfg) },
			"lose power": func(t *rapid.T) {
				e = &testEnv{Env: base, files: e.files.powerLoss(pick)}
				l = mustOpen(t, e, cfg)
				forget(l.EndOffset())
			},
		})
		_ = l.Close()
	})
}

// mustOpen opens a log that is closed when the test ends, or when it is
// replaced by one that mustOpen opens after a crash.
func mustOpen(t interface {
	require.TestingT
	Cleanup(func())
}, e *testEnv, cfg Config) *Log {
	l, _, err := Open(e, "d/log", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}
