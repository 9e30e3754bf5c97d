package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// txnCluster is a cluster with a topic "t" of one partition, whose transactions
// the test coordinates itself.
type txnCluster struct {
	*simCluster
	e env.Env
}

func runTransactions(t *testing.T, test func(*txnCluster)) {
	t.Helper()
	change := func(cfg *broker.Config) {
		cfg.BrokerSession, cfg.BrokerHeartbeat = 2*time.Second, 300*time.Millisecond
		cfg.TransactionVerification = false // there is no coordinator to ask
	}
	runSim(t, 3, change, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createTopic(e, 0, "t", nil)
		test(&txnCluster{c, e})
	})
}

// leader is the index of the leader of "t" once one answers.
func (c *txnCluster) leader() (at int) {
	c.await(c.e, "a leader", func() bool {
		p := c.partition("t")
		if p == nil || p.Leader < 1 || !c.nodes[p.Leader-1].Alive() || c.lives[p.Leader-1] == nil {
			return false
		}
		at = int(p.Leader - 1)
		return c.offset(at, 0).ErrorCode == 0
	})
	return at
}

// offset is the end of "t" for readers of that isolation level, by a leader that
// may not be one.
func (c *txnCluster) offset(at int, isolation int8) kmsg.ListOffsetsResponseTopicPartition {
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Timestamp, part.CurrentLeaderEpoch = -1, -1
	req := &kmsg.ListOffsetsRequest{Version: 7, ReplicaID: -1, IsolationLevel: isolation,
		Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{part}}}}
	resp, err := c.ask(c.e, at, req, 10*time.Second)
	if err != nil {
		return kmsg.ListOffsetsResponseTopicPartition{ErrorCode: networkException}
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
}

const networkException = 13

// write has producer 7 write a record in its transaction.
func (c *txnCluster) write(at int, epoch int16, seq int32, value string) int16 {
	o := storage.NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = 7, epoch, seq, true
	req := &kmsg.ProduceRequest{Version: 9, TransactionID: kmsg.StringPtr("x"), Acks: -1, TimeoutMillis: 10000, Topics: []kmsg.ProduceRequestTopic{{Topic: "t",
		Partitions: []kmsg.ProduceRequestTopicPartition{{Records: storage.BuildBatch(nil, o, []storage.Record{{TimestampMillis: c.e.Wall().UnixMilli(), Value: []byte(value)}})}}}}}
	return c.must(c.e, at, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

// end writes the outcome of producer 7's transaction.
func (c *txnCluster) end(at int, epoch int16, coordinatorEpoch int32, commit bool) int16 {
	req := &kmsg.WriteTxnMarkersRequest{Version: 2, Markers: []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 7, ProducerEpoch: epoch, CoordinatorEpoch: coordinatorEpoch,
		Committed: commit, TransactionVersion: 1, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "t", Partitions: []int32{0}}}}}}
	return c.must(c.e, at, req).(*kmsg.WriteTxnMarkersResponse).Markers[0].Topics[0].Partitions[0].ErrorCode
}

// read reads from an offset on what is committed, leaving out what was aborted, as
// consumers do.
func (c *txnCluster) read(at int, offset int64, patience time.Duration) (values []string, answer kmsg.FetchResponseTopicPartition) {
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes = offset, 1<<20
	req := &kmsg.FetchRequest{Version: 11, ReplicaID: -1, SessionEpoch: -1, MaxBytes: 1 << 20, MinBytes: 1, MaxWaitMillis: int32(patience.Milliseconds()), IsolationLevel: 1,
		Topics: []kmsg.FetchRequestTopic{{Topic: "t", Partitions: []kmsg.FetchRequestTopicPartition{part}}}}
	answer = c.must(c.e, at, req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	require.Zero(c.t, answer.ErrorCode)
	aborted := map[int64]bool{}
	starts := answer.AbortedTransactions
	for b, err := range storage.Batches(answer.RecordBatches) {
		require.NoError(c.t, err)
		for len(starts) > 0 && starts[0].FirstOffset <= b.LastOffset() {
			aborted[starts[0].ProducerID] = true
			starts = starts[1:]
		}
		if m, ok := b.Marker(); ok {
			delete(aborted, m.ProducerID)
			continue
		}
		if b.IsTransactional() && aborted[b.ProducerID()] {
			continue
		}
		for r, err := range b.Records() {
			require.NoError(c.t, err)
			values = append(values, string(r.Value))
		}
	}
	return values, answer
}

// Leaders die in the middle of a transaction, and between its end and the next:
// readers of committed records see all of it or nothing, by whichever leader.
func TestTransactionsOutliveLeaders(t *testing.T) {
	runTransactions(t, func(c *txnCluster) {
		var want []string
		stable, seq := int64(0), int32(0)
		for round, commit := range []bool{true, false, true, false} {
			first := c.leader()
			values := []string{string(rune('a' + 2*round)), string(rune('b' + 2*round))}
			require.Zero(t, c.write(first, 0, seq, values[0]))
			if round%2 == 0 {
				c.nodes[first].PowerOff()
			} else {
				c.nodes[first].Crash()
			}
			c.lives[first] = nil
			second := c.leader()
			require.NotEqual(t, first, second)
			require.Equal(t, stable, c.offset(second, 1).Offset, "the transaction is open")
			require.Zero(t, c.write(second, 0, seq+1, values[1]))
			require.Equal(t, stable, c.offset(second, 1).Offset)
			require.Equal(t, stable+2, c.offset(second, 0).Offset)
			got, answer := c.read(second, 0, 0)
			require.Equal(t, want, got)
			require.Equal(t, stable, answer.LastStableOffset)

			waits := c.e.Go("reader", func() {
				began := c.e.Now()
				got, _ := c.read(second, stable, time.Minute)
				require.Less(t, c.e.Now()-began, 5*time.Second, "the end of the transaction wakes who waits for it")
				if commit {
					require.Equal(t, values, got)
				} else {
					require.Empty(t, got)
				}
			})
			c.e.Sleep(time.Second)
			require.Zero(t, c.end(second, 0, int32(round), commit))
			waits.Wait()
			require.Zero(t, c.end(second, 0, int32(round), commit), "a marker that is written again changes nothing")
			if round > 0 {
				require.Equal(t, kerr.TransactionCoordinatorFenced.Code, c.end(second, 0, int32(round)-1, !commit))
			}
			if commit {
				want = append(want, values...)
			}
			stable, seq = stable+4, seq+2
			require.Equal(t, stable, c.offset(second, 1).Offset)

			if round%2 == 0 {
				c.nodes[first].PowerOn()
			}
			c.boot(first)
			c.ready(c.e)
			c.await(c.e, "everyone in sync", func() bool { return len(c.partition("t").ISR) == 3 })
			// Every replica knows the same, whoever is asked next.
			for i, b := range c.lives {
				for _, r := range b.View().Replicas {
					if r.TP.Topic != "t" {
						continue
					}
					c.await(c.e, "the high watermark everywhere", func() bool { return b.View().Replicas != nil && c.stable(i) == stable })
					require.Empty(t, r.Log.OpenTransactions())
					require.Equal(t, round+1-len(want)/2, len(r.Log.AbortedTransactions(0, stable)))
				}
			}
			got, _ = c.read(c.leader(), 0, 0)
			require.Equal(t, want, got)
		}
	})
}

// stable is the last stable offset of "t" on a broker, -1 without a replica.
func (c *txnCluster) stable(i int) int64 {
	for _, r := range c.lives[i].View().Replicas {
		if r.TP.Topic == "t" {
			return r.LastStableOffset
		}
	}
	return -1
}

// What is not decided yet is not found by readers of committed records, by time
// neither.
func TestOffsetsOfCommittedRecords(t *testing.T) {
	runTransactions(t, func(c *txnCluster) {
		at := c.leader()
		require.Zero(t, c.write(at, 0, 0, "a"))
		find := func(timestamp int64, isolation int8) int64 {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Timestamp, part.CurrentLeaderEpoch = timestamp, -1
			req := &kmsg.ListOffsetsRequest{Version: 7, ReplicaID: -1, IsolationLevel: isolation,
				Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{part}}}}
			got := c.must(c.e, at, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
			require.Zero(t, got.ErrorCode)
			return got.Offset
		}
		const latest, largest, first = -1, -3, 0
		for _, what := range []struct{ timestamp, all, committed int64 }{{latest, 1, 0}, {largest, 0, -1}, {first, 0, -1}} {
			require.Equal(t, what.all, find(what.timestamp, 0))
			require.Equal(t, what.committed, find(what.timestamp, 1))
		}
		require.Zero(t, c.end(at, 0, 0, true))
		require.EqualValues(t, 2, find(latest, 1))
		require.EqualValues(t, 0, find(first, 1))
	})
}
