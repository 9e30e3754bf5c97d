package client_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/workloads/client"
)

const patience = 20 * time.Second

// eachTransactionVersion runs a test with partitions that join transactions by
// AddPartitionsToTxn, and with those that join by being written to.
func eachTransactionVersion(t *testing.T, test func(t *testing.T, w world)) {
	for _, level := range []int16{0, 2} {
		t.Run(fmt.Sprintf("transaction.version=%d", level), func(t *testing.T) {
			w := newWorld(t, kfake.SeedTopics(2, "t", "in"))
			req := kmsg.NewPtrUpdateFeaturesRequest()
			f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = "transaction.version", level, 1, true
			if level == 0 {
				f.UpgradeType = 2
			}
			req.FeatureUpdates = append(req.FeatureUpdates, f)
			_, err := w.client(t).Request(-1, req, patience)
			require.NoError(t, err)
			test(t, w)
		})
	}
}

func (w world) transactional(t *testing.T, id string) *client.Producer {
	t.Helper()
	cfg := client.DefaultProducerConfig()
	cfg.TransactionalID = id
	return w.producer(t, cfg)
}

// send sends a record within a transaction.
func send(t *testing.T, p *client.Producer, partition int32, value string) {
	t.Helper()
	res := p.ProduceSync(&client.Record{Topic: "t", Partition: partition, Value: []byte(value)})
	require.NoError(t, res.Err)
}

// readCommitted reads what of topic t is committed.
func (w world) readCommitted(t *testing.T, want int) []string {
	t.Helper()
	k, err := w.client(t).NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, ReadCommitted: true, MaxWait: 50 * time.Millisecond})
	require.NoError(t, err)
	defer k.Close()
	k.Assign([]client.TopicPartition{{Topic: "t"}, {Topic: "t", Partition: 1}})
	var values []string
	for quiet := 0; quiet < 3; {
		batch := k.Poll(100 * time.Millisecond)
		require.Empty(t, batch.Errors)
		if batch.Len() == 0 && len(values) >= want {
			quiet++
		}
		for _, p := range batch.Partitions {
			for _, r := range p.Records {
				require.True(t, r.Transactional)
				values = append(values, string(r.Value))
			}
		}
	}
	slices.Sort(values)
	return values
}

func TestTransactions(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "mover")
		res := p.ProduceSync(&client.Record{Topic: "t", Value: []byte("outside")})
		require.ErrorIs(t, res.Err, client.ErrNotReady)
		require.Equal(t, client.OutcomeFail, res.Outcome)
		require.ErrorIs(t, p.BeginTransaction(), client.ErrNotReady)

		require.NoError(t, p.InitTransactions(patience))
		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "a")
		send(t, p, 1, "b")
		require.Equal(t, client.TransactionResult{Outcome: client.OutcomeOK, Ended: true}, p.CommitTransaction(patience))

		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "not this")
		require.Equal(t, client.OutcomeOK, p.AbortTransaction(patience).Outcome)

		require.NoError(t, p.BeginTransaction())
		require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome, "an empty transaction")

		require.NoError(t, p.BeginTransaction())
		send(t, p, 1, "c")
		require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome)
		require.Equal(t, []string{"a", "b", "c"}, w.readCommitted(t, 3))
	})
}

// A producer with the same id fences the one before, whose transaction comes to
// nothing and who can do no more.
func TestInitTransactionsFences(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		zombie := w.transactional(t, "mover")
		require.NoError(t, zombie.InitTransactions(patience))
		require.NoError(t, zombie.BeginTransaction())
		send(t, zombie, 0, "zombie")

		next := w.transactional(t, "mover")
		require.NoError(t, next.InitTransactions(patience))
		was, before := zombie.ProducerID()
		is, after := next.ProducerID()
		require.True(t, is != was || after > before)
		res := zombie.CommitTransaction(patience)
		require.Equal(t, client.OutcomeFail, res.Outcome)
		require.ErrorIs(t, res.Err, client.ErrFatal)
		require.ErrorIs(t, zombie.BeginTransaction(), client.ErrFatal)

		require.NoError(t, next.BeginTransaction())
		send(t, next, 0, "next")
		require.Equal(t, client.OutcomeOK, next.CommitTransaction(patience).Outcome)
		require.Equal(t, []string{"next"}, w.readCommitted(t, 1))
	})
}

// Offsets are committed with their transaction or not at all.
func TestSendOffsets(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "pipeline")
		require.NoError(t, p.InitTransactions(patience))
		in := client.TopicPartition{Topic: "in"}
		c := w.client(t)
		committed := func() int64 {
			offsets, _, err := c.FetchOffsets("g", []client.TopicPartition{in}, patience)
			require.NoError(t, err)
			return offsets[0]
		}
		for _, commit := range []bool{false, true} {
			require.NoError(t, p.BeginTransaction())
			send(t, p, 0, "out")
			offset := client.OffsetCommit{TopicPartition: in, Offset: 5, LeaderEpoch: -1}
			require.NoError(t, p.SendOffsets([]client.OffsetCommit{offset}, client.GroupMetadata{Group: "g", Generation: -1}, patience))
			require.EqualValues(t, -1, committed())
			if !commit {
				require.Equal(t, client.OutcomeOK, p.AbortTransaction(patience).Outcome)
				require.EqualValues(t, -1, committed())
				continue
			}
			require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome)
		}
		require.Eventually(t, func() bool { return committed() == 5 }, patience, 10*time.Millisecond)
	})
}

// What cannot be committed can be aborted, and the next transaction goes well: a
// batch that is refused for good takes its transaction with it.
func TestARefusedBatchAbortsTheTransaction(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "mover")
		require.NoError(t, p.InitTransactions(patience))
		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "before")
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			produce := req.(*kmsg.ProduceRequest)
			resp := produce.ResponseKind().(*kmsg.ProduceResponse)
			for _, t := range produce.Topics {
				topic := kmsg.NewProduceResponseTopic()
				topic.Topic = t.Topic
				for _, p := range t.Partitions {
					part := kmsg.NewProduceResponseTopicPartition()
					part.Partition, part.ErrorCode = p.Partition, kerr.TransactionAbortable.Code
					topic.Partitions = append(topic.Partitions, part)
				}
				resp.Topics = append(resp.Topics, topic)
			}
			return resp, nil, true
		})
		res := p.ProduceSync(&client.Record{Topic: "t", Value: []byte("refused")})
		require.ErrorIs(t, res.Err, kerr.TransactionAbortable)
		require.Equal(t, client.OutcomeFail, res.Outcome)
		end := p.CommitTransaction(patience)
		require.Equal(t, client.OutcomeFail, end.Outcome)
		require.ErrorIs(t, end.Err, kerr.TransactionAbortable)
		require.Equal(t, client.OutcomeOK, p.AbortTransaction(patience).Outcome)
		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "after")
		require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome)
		require.Equal(t, []string{"after"}, w.readCommitted(t, 1))
	})
}

// A commit whose answers are lost is of unknown outcome, and asking again tells.
func TestAnUnansweredCommitIsUnknown(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "mover")
		require.NoError(t, p.InitTransactions(patience))
		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "a")
		var answers atomic.Bool
		w.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if answers.Load() {
				return nil, nil, false
			}
			return nil, errors.New("gone"), true
		})
		res := p.CommitTransaction(300 * time.Millisecond)
		require.Equal(t, client.OutcomeInfo, res.Outcome, "%v", res.Err)
		require.ErrorIs(t, p.BeginTransaction(), client.ErrNotReady)
		answers.Store(true)
		require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome)
		require.Equal(t, []string{"a"}, w.readCommitted(t, 1))
	})
}

// A coordinator that has lost what it knew of the transactional id never tells what
// became of a commit: the outcome stays unknown, and the producer is of no more use.
func TestACommitThatNobodyKnowsOfAnyMoreIsUnknown(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "mover")
		require.NoError(t, p.InitTransactions(patience))
		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "a")
		var asked atomic.Int32
		w.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if asked.Add(1) == 1 {
				return nil, errors.New("gone"), true
			}
			resp := req.ResponseKind().(*kmsg.EndTxnResponse)
			resp.ErrorCode = kerr.InvalidProducerIDMapping.Code
			return resp, nil, true
		})
		res := p.CommitTransaction(patience)
		require.Equal(t, client.OutcomeInfo, res.Outcome, "%v", res.Err)
		require.ErrorIs(t, res.Err, client.ErrFatal)
		require.ErrorIs(t, res.Err, kerr.InvalidProducerIDMapping)
		require.ErrorIs(t, p.CommitTransaction(patience).Err, client.ErrFatal)
		require.EqualValues(t, 2, asked.Load(), "nobody asks again")
	})
}

// A producer that its coordinator has forgotten has nothing to abort there: it asks
// for its next epoch, and goes on (KIP-360).
func TestAForgottenProducerAsksForAnEpoch(t *testing.T) {
	eachTransactionVersion(t, func(t *testing.T, w world) {
		p := w.transactional(t, "mover")
		require.NoError(t, p.InitTransactions(patience))
		require.NoError(t, p.BeginTransaction())
		id, epoch := p.ProducerID()
		send(t, p, 0, "a")
		var ends, inits atomic.Int32
		w.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if ends.Add(1) > 1 {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.EndTxnResponse)
			resp.ErrorCode = kerr.InvalidProducerIDMapping.Code
			return resp, nil, true
		})
		w.cluster.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if in := req.(*kmsg.InitProducerIDRequest); in.ProducerID == id && in.ProducerEpoch == epoch {
				inits.Add(1)
			}
			return nil, nil, false
		})
		res := p.CommitTransaction(patience)
		require.Equal(t, client.OutcomeFail, res.Outcome, "%v", res.Err)
		res = p.AbortTransaction(patience)
		require.True(t, res.Ended, "%v", res.Err)
		require.EqualValues(t, 1, ends.Load(), "there is nothing to end")
		require.EqualValues(t, 1, inits.Load())
		_, next := p.ProducerID()
		require.Greater(t, next, epoch)

		require.NoError(t, p.BeginTransaction())
		send(t, p, 0, "b")
		require.Equal(t, client.OutcomeOK, p.CommitTransaction(patience).Outcome)
		require.Equal(t, []string{"b"}, w.readCommitted(t, 1))
	})
}
