package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestFeaturesFromZeroAreHiddenBelowV4: older Java clients fail on an oldest
// version of 0 (KAFKA-17011).
func TestFeaturesFromZeroAreHiddenBelowV4(t *testing.T) {
	table := NewTable(API{Key: keyAPIVersions, MaxVersion: 4, Listeners: BrokerListener, Handle: func(*Call) kmsg.Response { return nil }})
	table.SetFeatures(func() ([]Feature, int64) {
		return []Feature{{Name: "from.zero", MaxVersion: 1, Level: 1}, {Name: "from.one", MinVersion: 1, MaxVersion: 2}}, 7
	})
	require.Len(t, table.apiVersions(3, BrokerListener).SupportedFeatures, 1)
	require.Len(t, table.apiVersions(4, BrokerListener).SupportedFeatures, 2)
	require.Len(t, table.apiVersions(3, BrokerListener).FinalizedFeatures, 1)
	require.EqualValues(t, 7, table.apiVersions(3, BrokerListener).FinalizedFeaturesEpoch)
}
