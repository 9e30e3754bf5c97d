package storage

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"
)

// verifiedBy are the options of an append that follows a verification.
func verifiedBy(v *Verification) AppendOptions { return AppendOptions{Verified: v} }

// plainBatch is a producer's batch that belongs to no transaction.
func plainBatch(producer int64, epoch int16, seq int32, value string) []byte {
	o := NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence = producer, epoch, seq
	return BuildBatch(nil, o, []Record{{Value: []byte(value)}})
}

// What the coordinator has confirmed counts for the transaction that it was asked
// about, and not for what comes after a marker (KAFKA-14884).
func TestVerificationIsVoidBehindAMarker(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	v := l.BeginVerification(7, 1, 0, false)
	require.NotNil(t, v)
	_, err := l.AppendLeader(txnMarker(7, 1, false, 1), 0, marker)
	require.NoError(t, err)
	_, err = l.AppendLeader(txnBatch(7, 1, 0, "late"), 0, verifiedBy(v))
	require.ErrorIs(t, err, kerr.InvalidTxnState)
	l.EndVerification(v)
	again := l.BeginVerification(7, 1, 0, false)
	require.NotSame(t, v, again)
	_, err = l.AppendLeader(txnBatch(7, 1, 0, "new"), 0, verifiedBy(again))
	require.NoError(t, err)
	require.Nil(t, l.BeginVerification(7, 1, 1, false), "the transaction is open")
	require.Equal(t, []OpenTransaction{{ProducerID: 7, Epoch: 1, FirstOffset: 1}}, l.OpenTransactions())
}

func TestVerificationIsVoidInTheNextLeadership(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	v := l.BeginVerification(7, 1, 0, false)
	l.AssignEpoch(3)
	_, err := l.AppendLeader(txnBatch(7, 1, 0, "late"), 3, verifiedBy(v))
	require.ErrorIs(t, err, kerr.InvalidTxnState)
	l.EndVerification(v)
	require.Empty(t, l.verifications.idle)
}

// A retry of what is in the log is answered with where it is, although its
// transaction has ended.
func TestRetryBehindAMarker(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	first, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, inTxn)
	require.NoError(t, err)
	_, err = l.AppendLeader(txnMarker(7, 1, true, 1), 0, marker)
	require.NoError(t, err)
	again, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, AppendOptions{})
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, first.BaseOffset, again.BaseOffset)
}

// What cannot be verified for the moment is not overtaken by what follows it.
func TestVerificationKeepsTheOrder(t *testing.T) {
	for _, fromZero := range []bool{false, true} {
		l := mustOpen(t, newMemEnv(t), Config{})
		failed := l.BeginVerification(7, 1, 0, fromZero)
		l.EndVerification(failed)
		second := l.BeginVerification(7, 1, 1, fromZero)
		_, err := l.AppendLeader(txnBatch(7, 1, 1, "b"), 0, verifiedBy(second))
		require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
		l.EndVerification(second)
		first := l.BeginVerification(7, 1, 0, fromZero)
		_, err = l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, verifiedBy(first))
		require.NoError(t, err)
		_, err = l.AppendLeader(txnBatch(7, 1, 1, "b"), 0, AppendOptions{})
		require.NoError(t, err)
	}
}

// A producer that has an epoch for each transaction begins each at 0, whether or
// not anything is known of it; one that keeps its epoch goes on (KIP-360).
func TestFirstSequenceOfATransaction(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	v := l.BeginVerification(7, 0, 5, true)
	_, err := l.AppendLeader(txnBatch(7, 0, 5, "a"), 0, verifiedBy(v))
	require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
	v = l.BeginVerification(8, 0, 5, false)
	_, err = l.AppendLeader(txnBatch(8, 0, 5, "a"), 0, verifiedBy(v))
	require.NoError(t, err)
	// A marker begins an epoch.
	_, err = l.AppendLeader(txnMarker(8, 1, true, 1), 0, AppendOptions{ControlBatches: true, TransactionVersion: 2})
	require.NoError(t, err)
	v = l.BeginVerification(8, 1, 6, true)
	_, err = l.AppendLeader(txnBatch(8, 1, 6, "a"), 0, verifiedBy(v))
	require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
	v = l.BeginVerification(8, 1, 0, true)
	_, err = l.AppendLeader(txnBatch(8, 1, 0, "a"), 0, verifiedBy(v))
	require.NoError(t, err)
}

func TestRecordOutsideItsProducersTransaction(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	_, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, inTxn)
	require.NoError(t, err)
	_, err = l.AppendLeader(plainBatch(7, 1, 1, "b"), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidTxnState)
	_, err = l.AppendLeader(txnMarker(7, 1, true, 1), 0, marker)
	require.NoError(t, err)
	_, err = l.AppendLeader(plainBatch(7, 1, 1, "b"), 0, AppendOptions{})
	require.NoError(t, err)
}

// Markers of a coordinator that bumps epochs end the transaction of the epoch
// before theirs, and no other (KIP-1228).
func TestMarkersByTransactionVersion(t *testing.T) {
	for _, c := range []struct {
		name            string
		version         int8
		open            bool
		epoch, marker   int16
		wants           error
		coordinator     int32
		lastCoordinator int32
	}{
		{name: "its own epoch", version: 1, open: true, epoch: 4, marker: 4},
		{name: "the next epoch", version: 1, open: true, epoch: 4, marker: 5},
		{name: "an earlier epoch", version: 1, open: true, epoch: 4, marker: 3, wants: kerr.InvalidProducerEpoch},
		{name: "repeated", version: 1, epoch: 4, marker: 4},
		{name: "the next epoch", version: 2, open: true, epoch: 4, marker: 5},
		{name: "of an earlier transaction", version: 2, open: true, epoch: 4, marker: 4, wants: kerr.InvalidProducerEpoch},
		{name: "repeated", version: 2, epoch: 4, marker: 4},
		{name: "an earlier epoch", version: 2, epoch: 4, marker: 3, wants: kerr.InvalidProducerEpoch},
		{name: "no next epoch", version: 2, open: true, epoch: math.MaxInt16, marker: math.MaxInt16},
		{name: "of a coordinator that is over", version: 2, open: true, epoch: 4, marker: 5, coordinator: 1, lastCoordinator: 2, wants: kerr.TransactionCoordinatorFenced},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := mustOpen(t, newMemEnv(t), Config{})
			_, err := l.AppendLeader(txnMarker(7, c.epoch, false, c.lastCoordinator), 0, marker)
			require.NoError(t, err)
			if c.open {
				_, err := l.AppendLeader(txnBatch(7, c.epoch, 0, "a"), 0, inTxn)
				require.NoError(t, err)
			}
			_, err = l.AppendLeader(txnMarker(7, c.marker, true, c.coordinator), 0, AppendOptions{ControlBatches: true, TransactionVersion: c.version})
			require.ErrorIs(t, err, c.wants)
			require.Equal(t, c.open && c.wants != nil, len(l.OpenTransactions()) == 1)
		})
	}
}

// A coordinator numbers no records, but its producers are fenced like others.
func TestRecordsOfACoordinator(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	v := l.BeginVerification(7, 1, 0, false)
	_, err := l.AppendLeader(txnBatch(7, 1, 0, "a"), 0, AppendOptions{Coordinator: true, Verified: v})
	require.NoError(t, err)
	again, err := l.AppendLeader(txnBatch(7, 1, 0, "b"), 0, AppendOptions{Coordinator: true})
	require.NoError(t, err)
	require.False(t, again.Duplicate)
	_, err = l.AppendLeader(txnBatch(7, 0, 0, "c"), 0, AppendOptions{Coordinator: true, Unverified: true})
	require.ErrorIs(t, err, kerr.InvalidProducerEpoch)
}

// However many ask in vain for however many producers, what is kept is bounded,
// and whoever still asks is not forgotten.
func TestVerificationsAreBounded(t *testing.T) {
	e := newMemEnv(t)
	l := mustOpen(t, e, Config{})
	asking := l.BeginVerification(1, 0, 0, false)
	for id := range int64(3 * maxIdleVerifications) {
		l.EndVerification(l.BeginVerification(id, 0, 0, false))
	}
	require.LessOrEqual(t, len(l.verifications.byProducer), maxIdleVerifications+1)
	require.LessOrEqual(t, len(l.verifications.idle), maxIdleVerifications)
	_, err := l.AppendLeader(txnBatch(1, 0, 0, "a"), 0, verifiedBy(asking))
	require.NoError(t, err)
	e.ahead = 2 * defaultProducerIDExpires
	l.ExpireProducers()
	require.Empty(t, l.verifications.byProducer)
}

// TestNoRecordOutsideATransaction has a coordinator, a slow producer of several
// requests in flight and the log act in any order: no record is ever in the log
// that the coordinator does not know to be in a transaction which it ends later.
func TestNoRecordOutsideATransaction(t *testing.T) {
	base := newTestEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		l := mustOpen(t, &testEnv{Env: base, files: newMemFS()}, Config{})
		type request struct {
			batch    []byte
			v        *Verification
			answered bool // by the coordinator: it may be appended
		}
		var flying []request
		var epoch int16
		var seq int32
		added := false // the partition is in the transaction that the coordinator has open
		bump := rapid.Bool().Draw(t, "an epoch for each transaction")
		version := int8(1)
		if bump {
			version = 2
		}
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if !added {
					require.Empty(t, l.OpenTransactions(), "nobody will end it")
				}
			},
			"send": func(t *rapid.T) {
				flying = append(flying, request{batch: txnBatch(7, epoch, seq, "x")})
				seq++
			},
			"resend": func(t *rapid.T) {
				if len(flying) > 0 {
					flying = append(flying, request{batch: append([]byte(nil), flying[pick(len(flying))].batch...)})
				}
			},
			"arrive": func(t *rapid.T) {
				if len(flying) == 0 {
					return
				}
				r := &flying[pick(len(flying))]
				if r.v == nil {
					b := Batch(r.batch)
					r.v = l.BeginVerification(7, b.ProducerEpoch(), b.BaseSequence(), bump)
				}
			},
			"verify": func(t *rapid.T) {
				for i := range flying {
					r := &flying[i]
					if r.v == nil || r.answered || Batch(r.batch).ProducerEpoch() != epoch {
						continue
					}
					added = added || bump // Produce adds the partition, or finds it added
					r.answered = added
				}
			},
			"add": func(t *rapid.T) { added = true },
			"append": func(t *rapid.T) {
				if len(flying) == 0 {
					return
				}
				i := pick(len(flying))
				r := flying[i]
				var opts AppendOptions
				if r.answered {
					opts = verifiedBy(r.v)
				}
				_, _ = l.AppendLeader(r.batch, 0, opts)
				l.EndVerification(r.v)
				flying = append(flying[:i:i], flying[i+1:]...)
			},
			"end": func(t *rapid.T) {
				if !added {
					return
				}
				e := epoch
				if bump {
					e++
				}
				_, err := l.AppendLeader(txnMarker(7, e, pick(2) == 0, 0), 0, AppendOptions{ControlBatches: true, TransactionVersion: version})
				require.NoError(t, err)
				added, epoch = false, e
				if bump {
					seq = 0
				}
			},
		})
	})
}
