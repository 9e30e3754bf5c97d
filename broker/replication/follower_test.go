package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// After an unclean election the leader's log may be another from an offset on
// that was trimmed here long ago.
func TestFollowerCutsBelowItsLogStart(t *testing.T) {
	s := NewState(2, time.Second, LogEnds{Start: 129, End: 129, Epoch: 2}, 129)
	s.Metadata(0, &Assignment{Leader: 1, LeaderEpoch: 3, PartitionEpoch: 1, Replicas: []int32{1, 2}, ISR: []int32{1}, MinISR: 1}, nil)
	out := s.Answered(FetchAnswer{AskedEpoch: 3, AskedOffset: 129, AskedLast: 2, LogStart: 109,
		Diverging: true, DivergingEpoch: 2, DivergingEnd: 109, OwnEpoch: 2, OwnEnd: 129}, nil)
	require.Equal(t, []Output{{Kind: OutTruncate, Offset: 109}}, out)
	out = s.LogChanged(LogEnds{Start: 109, End: 109, Epoch: -1}, nil)
	require.Equal(t, []Output{{Kind: OutHighWatermark, Offset: 109}}, out)
}
