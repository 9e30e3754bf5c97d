package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/config"
)

func TestInternalTopicsAreKafkas(t *testing.T) {
	for name, want := range map[string]bool{
		"__consumer_offsets": true, "__transaction_state": true, "__share_group_state": true,
		"__cluster_metadata": false, "__mine": false, "_consumer_offsets": false, "consumer_offsets": false, "": false,
	} {
		require.Equal(t, want, IsInternalTopic(name), name)
	}
}

func TestInternalTopicsAreFoundByTheirCoordinator(t *testing.T) {
	for _, want := range internalTopics {
		byType, ok := InternalTopicOf(want.Coordinator)
		require.True(t, ok)
		require.Equal(t, want.Name, byType.Name)
	}
	_, ok := InternalTopicOf(3)
	require.False(t, ok)
}

func TestInternalTopicsAreCreatedWithSettingsThatCanBeSet(t *testing.T) {
	for _, topic := range internalTopics {
		require.Contains(t, topic.Configs(), config.CleanupPolicy, topic.Name)
		for name, value := range topic.Configs() {
			require.NoError(t, config.CheckTopic(name, value), topic.Name)
		}
		topic.Configs()["x"] = "y"
		require.NotContains(t, topic.Configs(), "x")
	}
}
