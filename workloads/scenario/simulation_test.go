package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/scenario"
)

func TestASwitchIsDrawnAndDrawsNothingElse(t *testing.T) {
	seen := map[scenario.Switch]int{}
	for seed := range scenario.Seed(200) {
		s := quickstart(t)
		s.Seed = seed
		plain := s.Resolve()
		require.False(t, plain.Simulation.Buggify.On(), "off unless it is asked for")

		s.Simulation.Buggify = scenario.OffOrOn
		require.False(t, s.Explicit())
		drawn := s.Resolve()
		require.True(t, drawn.Explicit())
		text, err := drawn.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse("scenario.yaml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, drawn, again)
		seen[drawn.Simulation.Buggify]++

		drawn.Simulation = scenario.Simulation{}
		require.Equal(t, plain, drawn)
	}
	require.Len(t, seen, 2)
	require.Greater(t, seen[scenario.On], 50)
	require.Greater(t, seen[scenario.Off], 50)
}
