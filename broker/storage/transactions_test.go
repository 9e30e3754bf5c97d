package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
)

// txnBatch is a batch of a producer's open transaction.
func txnBatch(producer int64, epoch int16, seq int32, values ...string) []byte {
	o := NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = producer, epoch, seq, true
	var records []Record
	for _, v := range values {
		records = append(records, Record{Value: []byte(v)})
	}
	return BuildBatch(nil, o, records)
}

// txnMarker ends a producer's transaction.
func txnMarker(producer int64, epoch int16, commit bool, coordinatorEpoch int32) []byte {
	return BuildMarker(nil, Marker{producer, epoch, coordinatorEpoch, commit}, 0)
}

var (
	inTxn  = AppendOptions{Unverified: true}
	marker = AppendOptions{ControlBatches: true, AnySize: true}
)

func TestTransactionalBatchNeedsATransaction(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	_, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidTxnState)
	_, err = l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, inTxn)
	require.NoError(t, err)
	_, err = l.AppendLeader(txnBatch(7, 1, 1, "b"), 0, AppendOptions{})
	require.NoError(t, err, "the transaction is open")
	_, err = l.AppendLeader(txnBatch(7, 2, 0, "c"), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidTxnState, "not in another epoch")
	_, err = l.AppendLeader(txnMarker(7, 1, true, 5), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidRecord, "only a coordinator ends it")
	_, err = l.AppendLeader(txnMarker(7, 0, true, 5), 0, marker)
	require.ErrorIs(t, err, kerr.InvalidProducerEpoch)
	_, err = l.AppendLeader(txnMarker(7, 1, true, 5), 0, marker)
	require.NoError(t, err)
	_, err = l.AppendLeader(txnBatch(7, 1, 2, "d"), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidTxnState)
	_, err = l.AppendLeader(txnMarker(7, 1, false, 4), 0, marker)
	require.ErrorIs(t, err, kerr.TransactionCoordinatorFenced)
}

func TestProducerWithAnOpenTransactionIsNotForgotten(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{})
	_, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, inTxn)
	require.NoError(t, err)
	e.ahead = 1000 * defaultProducerIDExpires
	l.ExpireProducers()
	require.Zero(t, l.LastStableOffset(1))
	_, err = l.AppendLeader(txnMarker(7, 1, false, 0), 0, marker)
	require.NoError(t, err)
	require.EqualValues(t, 2, l.LastStableOffset(2))
	require.Equal(t, []AbortedTransaction{{7, 0, 1, 2}}, l.AbortedTransactions(0, 2))
}

// TestTransactionsAgainstModel runs transactions of several producers over
// truncations, restarts, crashes and losses of power, and compares the last
// stable offset and the aborted transactions with what the batches say.
func TestTransactionsAgainstModel(t *testing.T) {
	base := newTestEnv(t)
	type txn struct {
		producer, first, marker int64 // marker is -1 while it is open
		abort                   bool
	}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		e := &testEnv{Env: base, files: newMemFS()}
		cfg := Config{SegmentBytes: 500}
		l := mustOpen(t, e, cfg)
		var txns []txn // by first offset
		seqs := map[int64][]struct {
			at  int64
			seq int32
		}{}
		hw := int64(0)
		forget := func(end int64) {
			hw = min(hw, end)
			txns = slices.DeleteFunc(txns, func(x txn) bool { return x.first >= end })
			for i := range txns {
				if txns[i].marker >= end {
					txns[i].marker = -1
				}
			}
			for p, list := range seqs {
				for len(list) > 0 && list[len(list)-1].at >= end {
					list = list[:len(list)-1]
				}
				seqs[p] = list
			}
		}
		open := func(p int64) int {
			return slices.IndexFunc(txns, func(x txn) bool { return x.producer == p && x.marker < 0 })
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				stable := hw
				for _, x := range txns {
					if x.marker < 0 || x.marker >= hw {
						stable = min(stable, x.first)
					}
				}
				require.Equal(t, stable, l.LastStableOffset(hw))
				from := int64(pick(int(l.EndOffset()) + 1))
				var want, got []string
				for _, x := range txns {
					if x.abort && x.marker >= from && x.first < stable {
						want = append(want, fmt.Sprint(x.producer, x.first, x.marker))
					}
				}
				for _, a := range l.AbortedTransactions(from, stable) {
					got = append(got, fmt.Sprint(a.ProducerID, a.FirstOffset, a.LastOffset))
				}
				require.ElementsMatch(t, want, got, "from %d to %d", from, stable)
			},
			"write": func(t *rapid.T) {
				p := int64(pick(3))
				seq := int32(0)
				if list := seqs[p]; len(list) > 0 {
					seq = list[len(list)-1].seq + 1
				}
				res, err := l.AppendLeader(txnBatch(p, 1, seq, "value"), 0, inTxn)
				require.NoError(t, err)
				seqs[p] = append(seqs[p], struct {
					at  int64
					seq int32
				}{res.BaseOffset, seq})
				if open(p) < 0 {
					txns = append(txns, txn{p, res.BaseOffset, -1, false})
				}
			},
			"end": func(t *rapid.T) {
				p := int64(pick(3))
				i := open(p)
				if i < 0 {
					return
				}
				commit := pick(2) == 0
				res, err := l.AppendLeader(txnMarker(p, 1, commit, 0), 0, marker)
				require.NoError(t, err)
				txns[i].marker, txns[i].abort = res.BaseOffset, !commit
			},
			"plain": func(t *rapid.T) {
				_, err := l.AppendLeader(testBatch("plain"), 0, AppendOptions{})
				require.NoError(t, err)
			},
			"commit":     func(t *rapid.T) { hw += int64(pick(int(l.EndOffset()-hw) + 1)) },
			"background": func(t *rapid.T) { e.runTasks() },
			"truncate": func(t *rapid.T) {
				off := max(hw, l.EndOffset()-int64(pick(12)))
				require.NoError(t, l.TruncateTo(off))
				forget(l.EndOffset())
			},
			"stop":  func(t *rapid.T) { require.NoError(t, l.Close()); l = mustOpen(t, e, cfg) },
			"crash": func(t *rapid.T) { e = &testEnv{Env: base, files: e.files.processCrash()}; l = mustOpen(t, e, cfg) },
			"lose power": func(t *rapid.T) {
				e = &testEnv{Env: base, files: e.files.powerLoss(pick)}
				l = mustOpen(t, e, cfg)
				forget(l.EndOffset())
			},
			"damage an index": func(t *rapid.T) {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				for _, name := range env.SortedKeys(e.files.names) {
					if data := e.files.names[name].data; strings.HasSuffix(name, abortedSuffix) && len(data) > 0 {
						data[1] ^= 4 // the version
						break
					}
				}
				l = mustOpen(t, e, cfg)
			},
		})
	})
}

// A snapshot is what it was encoded from, and no flipped bit passes.
func TestProducerSnapshotRoundTrip(t *testing.T) {
	table := newProducerTable()
	at := clocks{now: 1e12, wallMillis: 1e12}
	offset := int64(0)
	add := func(raw []byte) {
		b := Batch(raw)
		b.SetBaseOffset(offset)
		offset = b.NextOffset()
		table.update(b, at.now-5e9)
	}
	for i := range int32(7) {
		add(txnBatch(3, 1, i, "x"))
	}
	add(txnBatch(1<<40, 0, 1<<31-1, "x", "y"))
	add(txnMarker(3, 1, false, 9))
	add(txnMarker(5, 0, true, 2))
	data := table.encode(offset, at)
	got, err := decodeProducers("s", data, offset, at)
	require.NoError(t, err)
	require.Equal(t, table, got)
	later := clocks{now: 50, wallMillis: at.wallMillis + 10_000}
	got, err = decodeProducers("s", data, offset, later)
	require.NoError(t, err)
	require.EqualValues(t, 50-15e9, got.byID[3].seen, "silent for 5 s before and 10 s after")
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			_, err := decodeProducers("s", data, offset, at)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			data[i] ^= 1 << bit
		}
		_, err := decodeProducers("s", data[:i], offset, at)
		require.Error(t, err)
	}
	_, err = decodeProducers("s", data, offset+1, at)
	require.Error(t, err)
}

func FuzzProducerSnapshot(f *testing.F) {
	table := newProducerTable()
	table.update(txnBatch(3, 1, 0, "x"), 0)
	f.Add(table.encode(1, clocks{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > snapshotHeader {
			data[0], data[1] = 0, snapshotVersion
			binary.BigEndian.PutUint32(data[2:], crc32.Checksum(data[snapshotHeader:], castagnoli))
		}
		got, err := decodeProducers("s", data, 1, clocks{})
		if err == nil {
			again, err := decodeProducers("s", got.encode(1, clocks{}), 1, clocks{})
			require.NoError(t, err)
			require.Equal(t, len(got.byID), len(again.byID))
		}
		_, _ = decodeAborted("a", data, 0, 1<<40)
	})
}

// The part of a snapshot that Kafka's tools read, field by field: this file was
// read by kafka-dump-log of Kafka 4.3.1 without complaint.
func TestSnapshotIsInKafkasFormat(t *testing.T) {
	table := newProducerTable()
	b := Batch(txnBatch(3, 1, 10, "x", "y"))
	b.SetBaseOffset(12)
	table.update(b, 0)
	table.update(txnMarker(5, 2, false, 9), 0)
	data := table.encode(14, clocks{})
	require.Equal(t, strings.Join(strings.Fields(`
		0001 xxxxxxxx 00000002
		0000000000000003 0001 0000000b 000000000000000d 00000001 0000000000000000 ffffffff 000000000000000c
		0000000000000005 0002 ffffffff ffffffffffffffff 00000000 0000000000000000 00000009 ffffffffffffffff
	`), ""), fmt.Sprintf("%x", data[:2])+"xxxxxxxx"+fmt.Sprintf("%x", data[snapshotHeader:snapshotHeader+4+2*snapshotEntryBytes]))
	require.Equal(t, crc32.Checksum(data[snapshotHeader:], castagnoli), binary.BigEndian.Uint32(data[2:]))
}

// Committed records come with the aborted transactions that have records among
// them, and with no others.
func TestReadOfCommittedRecordsNamesWhatWasAborted(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{SegmentBytes: 300})
	write := func(b []byte, opts AppendOptions) {
		_, err := l.AppendLeader(b, 0, opts)
		require.NoError(t, err)
	}
	write(txnBatch(1, 0, 0, "a"), inTxn)          // 0
	write(txnBatch(2, 0, 0, "b"), inTxn)          // 1
	write(txnMarker(1, 0, false, 0), marker)      // 2
	write(testBatch("plain"), AppendOptions{})    // 3
	write(txnMarker(2, 0, false, 0), marker)      // 4
	write(txnBatch(1, 0, 1, "c"), inTxn)          // 5
	write(txnMarker(1, 0, true, 0), marker)       // 6
	write(txnBatch(3, 0, 0, "still open"), inTxn) // 7
	stable := l.LastStableOffset(l.EndOffset())
	require.EqualValues(t, 7, stable)
	read := func(off int64, maxBytes int32) (last int64, producers []int64) {
		out, aborted, err := l.ReadCommittedInto(func(n int) []byte { return make([]byte, n) }, off, stable, maxBytes, true)
		require.NoError(t, err)
		for b, err := range Batches(out) {
			require.NoError(t, err)
			last = b.LastOffset()
		}
		for _, a := range aborted {
			producers = append(producers, a.ProducerID)
		}
		return last, producers
	}
	for off, want := range [][]int64{{1}, {1, 2}, {1, 2}, {2}, {2}, nil, nil} {
		last, producers := read(int64(off), 1)
		require.EqualValues(t, off, last, "one batch at a time")
		require.Equal(t, want, producers, "read at offset %d", off)
	}
	_, producers := read(0, 1<<20)
	require.Equal(t, []int64{1, 2}, producers)
	out, aborted, err := l.ReadCommittedInto(nil, stable, stable, 1<<20, true)
	require.NoError(t, err)
	require.Empty(t, out)
	require.Empty(t, aborted)
}

// atPoint is a laboratory's hand that only looks when a point is passed.
type atPoint struct {
	point string
	look  func()
}

// Strike implements env.Hand.
func (h *atPoint) Strike(point string, _ int64) *env.Rand {
	if point == h.point && h.look != nil {
		look := h.look
		h.look = nil
		look()
	}
	return nil
}

// Reached implements env.Hand.
func (*atPoint) Reached(_, _, _ string) {}

// The segment that tells of an abort goes between the reading of the records and
// that of the index: the records are not given out without it.
func TestAbortedRecordsAreNotReadWithoutTheirAbort(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{SegmentBytes: 150})
	for _, b := range [][]byte{txnBatch(1, 0, 0, "aborted"), txnMarker(1, 0, false, 0), testBatch("plain")} {
		_, err := l.AppendLeader(b, 0, AppendOptions{Unverified: true, ControlBatches: true})
		require.NoError(t, err)
	}
	l.lab = env.NewLab(&atPoint{"storage/aborted-late", func() { require.NoError(t, l.DeleteRecordsBefore(2)) }})
	out, _, err := l.ReadCommittedInto(func(n int) []byte { return make([]byte, n) }, 0, 3, 1<<20, true)
	require.Empty(t, out)
	require.ErrorIs(t, err, kerr.OffsetOutOfRange)
}
