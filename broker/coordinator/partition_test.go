package coordinator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/coordinator"
)

func TestPartitionForIsJavas(t *testing.T) {
	// "group".hashCode() is 98629247, "é𐍈".hashCode() counts three UTF-16 units.
	require.EqualValues(t, 98629247%50, coordinator.PartitionFor("group", 50))
	require.EqualValues(t, ((0xe9*31+0xd800)*31+0xdf48)%50, coordinator.PartitionFor("é𐍈", 50))
	require.EqualValues(t, 0, coordinator.PartitionFor("", 50))
	for i := range 1000 {
		p := coordinator.PartitionFor(fmt.Sprintf("some-longer-name-%d", i), 7)
		require.True(t, p >= 0 && p < 7)
	}
}
