package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStateSaysWhichRulesDecided(t *testing.T) {
	s := NewState(1, time.Second, LogEnds{}, 0)
	a := Assignment{Leader: 2, LeaderEpoch: 5, PartitionEpoch: 7, Replicas: []int32{1, 2}, ISR: []int32{1, 2}, MinISR: 1}
	s.Metadata(0, &a, nil)
	s.Decided()
	a.PartitionEpoch = 6
	require.Equal(t, OutIgnore, s.Metadata(0, &a, nil)[0].Kind)
	require.Equal(t, GuardFreshMetadata, s.Decided())
	require.Zero(t, s.Decided(), "told once")
}

func TestEveryOutputHasAName(t *testing.T) {
	require.Len(t, OutputKinds(), int(OutBackOff))
	require.Equal(t, "lead", OutLead.String())
	require.Equal(t, "back-off", OutBackOff.String())
	require.Len(t, Guards(), len(plantedNames))
}
