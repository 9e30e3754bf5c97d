package linearizability

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever was elected uncleanly lacks what it lacks before it has begun to lead,
// too.
func TestWatcherExcusesWhoIsElectedAndHasNotBegun(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 1, ELR: true, UncleanElection: unclean}})
		w.Began(EpochStart{Topic: "orders", Leader: 1, LeaderEpoch: 1})
		see := func(at time.Duration, leader, epoch int32, isr ...int32) {
			v := cluster(at)
			v.Partitions[0].Leader, v.Partitions[0].LeaderEpoch, v.Partitions[0].PartitionEpoch = leader, epoch, epoch
			v.Partitions[0].ISR = isr
			v.Replicas[0].Leader = epoch == 1
			v.Replicas[0].ISR, v.Replicas[0].MaximalISR = isr, isr
			v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8
			w.Observe(v)
		}
		see(0, 1, 1, 1)
		see(second, 3, 2, 3)
		see(2*second, 3, 2, 3)
		require.Equal(t, unclean, w.Verdict().Checks[wCandidateComplete].Status == Pass, "%+v", w.Verdict().Findings)
	}
}
