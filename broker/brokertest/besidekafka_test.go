package brokertest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// BenchmarkTransactionBesideKafka has a client begin a transaction, send one record
// and commit, by turns to a cluster of Weir and to one of Apache Kafka.
func BenchmarkTransactionBesideKafka(b *testing.B) {
	kafka := apachekafka.ForTest(b)
	for _, nodes := range []int{1, 3} {
		b.Run(fmt.Sprintf("brokers=%d", nodes), func(b *testing.B) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			theirs, err := kafka.Start(ctx, nodes, b.TempDir(), fmt.Sprintf("transaction.state.log.replication.factor=%d", nodes),
				fmt.Sprintf("transaction.state.log.min.isr=%d", min(2, nodes)))
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, theirs.Close()) })
			took := map[string][]time.Duration{}
			clients := map[string]*kgo.Client{}
			for of, addrs := range map[string][]string{"weir": brokertest.NewCluster(b, nodes).Addrs(), "kafka": theirs.Addrs()} {
				cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.TransactionalID("bench"), kgo.DefaultProduceTopic("orders"), kgo.ProducerLinger(0))
				require.NoError(b, err)
				b.Cleanup(cl.Close)
				_, err = kadm.NewClient(cl).CreateTopic(ctx, 1, int16(nodes), nil, "orders")
				require.NoError(b, err)
				clients[of] = cl
			}
			one := func(of string) {
				started := time.Now()
				cl := clients[of]
				require.NoError(b, cl.BeginTransaction())
				require.NoError(b, cl.ProduceSync(ctx, kgo.StringRecord("paid")).FirstErr())
				require.NoError(b, cl.EndTransaction(ctx, kgo.TryCommit))
				took[of] = append(took[of], time.Since(started))
			}
			for range 200 { // until the just-in-time compiler of Kafka's machine has seen it
				one("weir")
				one("kafka")
			}
			clear(took)
			for b.Loop() {
				one("weir")
				one("kafka")
			}
			for of, times := range took { //weir:ordered each is a figure of its own
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, of+"-p50-ms")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, of+"-p99-ms")
			}
		})
	}
}
