package workloads_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// A load at speed through faults is judged on what its history holds, in memory
// and from the file. With acks=1 a leader's crash loses records, which the
// judge sees, and excuses, however they are recorded.
func TestLoadsAtSpeedAreJudged(t *testing.T) {
	traces := map[string]sim.Trace{}
	for history, every := range map[string]int64{"records": 1, "batches": 1, "sampled, sample-every: 20": 20} {
		for _, acks := range []string{"all", "1"} {
			t.Run(fmt.Sprintf("%s, acks=%s", history, acks), func(t *testing.T) {
				s, err := scenario.Parse("test.yaml", fmt.Appendf(nil, `
name: test
seed: 11
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, broker.session.timeout.ms: 3000, broker.heartbeat.interval.ms: 500, replica.lag.time.max.ms: 4000}
topic: {name: orders, partitions: 4, replication.factor: 3}
load: {duration: 16s, history: %s, properties: {request.timeout.ms: 3000}, producers: {count: 2, rate: 4000, arrivals: poisson, partitioner: sticky, record-size: 100, properties: {acks: %s, linger.ms: 2}}, consumers: {count: 2}}
recovery: 1m
faults: {plan: [{kind: power-loss, at: 3s, for: 2s, node: leader of orders-0}, {kind: partition, at: 5s, for: 8s, between: [leader of orders-1], and: [broker-1, broker-2, broker-3]}]}
`, history, acks))
				require.NoError(t, err)
				var file bytes.Buffer
				o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s.Resolve(), History: &file})
				require.NoError(t, err)
				requirePassed(t, o)
				require.Greater(t, o.Acked, int64(20_000))
				if history != "records" { // whose consumers take single records
					if before, ok := traces[acks]; ok {
						require.Equal(t, before, o.Trace, "what is recorded changes nothing of what happens")
					}
					traces[acks] = o.Trace
				}
				checked := map[string]linearizability.Check{}
				for _, k := range o.Verdict.Checks {
					checked[k.Code+" "+k.Name] = k
				}
				survival := checked["K2 acknowledged records survive"]
				require.InDelta(t, o.Acked/every, survival.Inputs, float64(o.Acked/every)/10+1)
				require.Equal(t, acks == "1", survival.Excused > 0, "%d records lost and excused", survival.Excused)
				for _, name := range []string{"K1 one offset, one record", "K5 what was read was committed and stays", "K3 no duplicates under idempotence",
					"K7 consumers neither skip nor rewind", "K5 nothing was readable above the high watermark",
					"LIN the log is linearizable (exact check by offsets)", "K11 replicas agree in the end", "K10 acknowledged records reach consumers"} {
					require.Greater(t, checked[name].Inputs, o.Acked/every/2, name)
				}
				h, err := linearizability.ReadHistory(&file)
				require.NoError(t, err)
				again := linearizability.Judge(context.Background(), h, linearizability.Options{})
				require.Equal(t, linearizability.Pass, again.Status)
				require.Equal(t, survival.Excused, again.Checks[0].Excused)
				if every > 1 || history == "batches" {
					require.Equal(t, map[string]string{"batches": "every batch"}[history]+map[int64]string{20: "one record in 20"}[every], again.Recording)
					require.Less(t, int64(len(h.Sends)+len(h.Batches)), o.Acked/5)
				}
			})
		}
	}
}
