package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	kernel "github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Brokers at the costs of Kafka do one request of a connection at a time, unless
// the scenario says how many.
func TestBrokersAtKafkasCostsMute(t *testing.T) {
	pipelined := func(costs string, properties scenario.Properties) int {
		s := &scenario.Scenario{Cluster: scenario.Cluster{Brokers: scenario.Exactly(1), Machine: "i3en.2xlarge", Storage: scenario.InstanceStore, Costs: costs, Properties: properties}}
		m, err := MachineOf(s.Cluster)
		require.NoError(t, err)
		k := kernel.NewKernel(kernel.Options{Seed: 1})
		c := &Cluster{s: s, k: k, net: simnet.New(k, simnet.Options{})}
		b := &server{name: target.BrokerName(0), node: k.NewNode(target.BrokerName(0))}
		b.cfg, err = target.BrokerConfig(s, 0, nil, address(0))
		require.NoError(t, err)
		c.net.Attach(b.node, b.name)
		require.NoError(t, c.equip(b, m))
		require.NoError(t, k.Close())
		return b.cfg.PipelinedRequests
	}
	require.Equal(t, 64, pipelined("weir", nil))
	require.Equal(t, 1, pipelined("kafka-jvm", nil))
	require.Equal(t, 8, pipelined("kafka-jvm", scenario.Properties{"weir.pipelined.requests": "8"}))
}
