package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A replica that has everything and is about to join holds the high watermark
// back, but not for longer than the lag time once it is silent, though nothing
// else happens.
func TestASilentReplicaHoldsNothingBackForLongerThanTheLagTime(t *testing.T) {
	s := NewState(1, 10*time.Second, LogEnds{Epoch: -1}, 0)
	s.Metadata(0, &Assignment{Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, Replicas: []int32{1, 2}, ISR: []int32{1}, MinISR: 1,
		Brokers: []Broker{{ID: 1, Epoch: 1, Active: true}, {ID: 2, Epoch: 1, Active: true}}}, nil)
	s.joinAfter = time.Hour // it may not be proposed yet
	s.Fetch(0, FollowerFetch{Replica: 2, BrokerEpoch: 1, LeaderEpoch: 1, LastEpoch: -1}, nil)
	s.Appended(time.Second, LogEnds{End: 1, Epoch: 1}, nil)
	s.Tick(5*time.Second, nil)
	require.Zero(t, s.HighWatermark())
	out := s.Tick(11*time.Second, nil)
	require.Equal(t, []Output{{Kind: OutHighWatermark, Offset: 1}}, out)
}
