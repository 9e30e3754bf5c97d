package program_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
)

// Clients transfer, a pipeline follows a producer, and the judge looks at all of it.
// They do not share transactional ids: kfake takes a fenced producer's EndTxn for a
// retry of its successor's and tells it the new epoch.
func TestTransactionsOfPrograms(t *testing.T) {
	producer := client.DefaultProducerConfig()
	producer.TransactionTimeout = 2 * time.Second
	readers := client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxWait: 20 * time.Millisecond, MaxPollRecords: 20}
	committed := readers
	committed.ReadCommitted = true
	every := program.Bounds{Min: time.Millisecond, Max: 20 * time.Millisecond}
	m, h, _ := run(t, program.Config{
		Topics: []program.Topic{{Name: "accounts", Partitions: 3}, {Name: "in", Partitions: 2}, {Name: "out", Partitions: 2}},
		Programs: []program.Program{
			&program.Transfer{Topic: "accounts", Transfers: 3, Transacting: program.Transacting{
				Producer: producer, Every: every, AbortOneIn: 4, DieOneIn: 8}},
			&program.Consume{Topic: "accounts", Consumers: 1, Consumer: committed},
			&program.Consume{Topic: "accounts", Consumers: 1, Consumer: readers},
			&program.Produce{Topic: "in", Producers: 1, RatePerSecond: 100, RecordBytes: 64, Producer: client.DefaultProducerConfig()},
			&program.Pipeline{Consume: program.Consume{Topic: "in", Consumers: 2, Group: "pipe", Consumer: readers}, To: "out",
				Transacting: program.Transacting{Producer: producer, Every: every, AbortOneIn: 5, DieOneIn: 10}},
			&program.Consume{Topic: "out", Consumers: 1, Consumer: committed},
		},
		Duration: 1500 * time.Millisecond,
	})
	var how [4]int
	for _, op := range h.Transactions {
		how[op.Outcome]++
	}
	require.Greater(t, how[linearizability.OK], 20)
	require.Greater(t, how[linearizability.Fail], 5)
	require.Positive(t, m.operated.Load())
	v := linearizability.Judge(context.Background(), h, linearizability.Options{})
	require.Empty(t, v.Findings)
	require.Equal(t, linearizability.Pass, v.Status, "%+v", v.Checks)
	for _, k := range v.Checks {
		if k.Code == "K6" || k.Code == "K16" || k.Code == "K17" {
			require.Positive(t, k.Inputs, k.Name)
		}
	}
}
