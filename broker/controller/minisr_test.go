package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// A leader that shrinks the ISR while min.insync.replicas is raised must not
// have its proposal judged by the new value while it goes on by the old one.
func TestMinISRTravelsWithThePartitionEpoch(t *testing.T) {
	setters := map[string]func(f *fixture, value string){
		"on the topic": func(f *fixture, value string) { f.config("t", config.MinInsyncReplicas, value) },
		"cluster-wide": func(f *fixture, value string) {
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			res := kmsg.NewIncrementalAlterConfigsRequestResource()
			res.ResourceType = kmsg.ConfigResourceTypeBroker
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Value = config.MinInsyncReplicas, kmsg.StringPtr(value)
			res.Configs = append(res.Configs, c)
			req.Resources = append(req.Resources, res)
			require.Zero(t, f.do(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
		},
	}
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 2, 1)
			tp := f.topic("t", 1, 2)
			before := *f.img.Partition(tp)
			require.EqualValues(t, 1, before.MinISR)
			set(f, "2")
			raised := f.img.Partition(tp)
			require.EqualValues(t, 2, raised.MinISR)
			require.Equal(t, before.PartitionEpoch+1, raised.PartitionEpoch)
			require.Equal(t, kerr.InvalidUpdateVersion.Code, f.alterWith(tp, func(_ *kmsg.AlterPartitionRequest, p *kmsg.AlterPartitionRequestTopicPartition) {
				p.PartitionEpoch = before.PartitionEpoch
			}, 1).ErrorCode, "proposed when one replica was enough")
			require.Zero(t, f.alter(tp, 1).ErrorCode)
			require.Equal(t, "leader 1 epoch 0 isr [1] elr [2]", f.state(tp))
			set(f, "1")
			require.Equal(t, "leader 1 epoch 0 isr [1] elr []", f.state(tp))
			epoch := f.img.Partition(tp).PartitionEpoch
			set(f, "1")
			require.Equal(t, epoch, f.img.Partition(tp).PartitionEpoch, "nothing changed")
		})
	}
}

// Controllers whose static min.insync.replicas differ must not judge one
// partition epoch by different values.
func TestAControllerSettlesItsOwnMinISRFirst(t *testing.T) {
	f := newFixture(t, 2, 1)
	tp := f.topic("t", 1, 2)
	f.m = newMachine(Config{ClusterID: "c", Settings: config.NewStatic(1, map[string]string{config.MinInsyncReplicas: "2"})}.withDefaults())
	f.m.begin(f.now, f.img)
	epoch := f.img.Partition(tp).PartitionEpoch
	f.transact(func(tx *txn) { f.m.settleMinISR(tx, tx.img().Topics()) })
	require.Equal(t, epoch+1, f.img.Partition(tp).PartitionEpoch)
	f.beat(1, 2)
	f.silence(1)
	require.Equal(t, "leader 1 epoch 0 isr [1] elr [2]", f.state(tp))
}

// A log that does not say by what its partitions were judged is read in the one
// way that loses nothing: nothing was committed without all replicas.
func TestUnknownMinISRCountsAsAllReplicas(t *testing.T) {
	p := metadata.Partition{Replicas: []int32{1, 2, 3}}
	require.Equal(t, 3, p.EffectiveMinISR())
	p.MinISR = 5
	require.Equal(t, 3, p.EffectiveMinISR())
	p.MinISR = 2
	require.Equal(t, 2, p.EffectiveMinISR())
}
