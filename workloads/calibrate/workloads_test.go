package calibrate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/scenario"
)

func TestTheHalvesOfTheDesignAreBalanced(t *testing.T) {
	require.Len(t, Workloads(), 8)
	type pair struct{ a, b bool }
	seen := map[bool][3]map[pair]int{}
	for _, half := range []bool{true, false} {
		seen[half] = [3]map[pair]int{{}, {}, {}}
	}
	for _, w := range Workloads() {
		many := w.Partitions == manyPartitions
		half := seen[w.Calibration()]
		half[0][pair{w.AcksAll, w.Fsync}]++
		half[1][pair{w.AcksAll, many}]++
		half[2][pair{w.Fsync, many}]++
	}
	for _, half := range seen {
		for _, pairs := range half {
			require.Len(t, pairs, 4, "every pair of levels is in each half")
		}
	}
}

func TestWorkloadsAreScenariosThatFilesCanHold(t *testing.T) {
	for _, w := range Workloads() {
		for _, phase := range []Phase{Saturated, FixedRate} {
			s := w.Scenario(phase, DefaultPlan(), "machine.json", 1)
			require.True(t, s.Explicit())
			text, err := s.YAML()
			require.NoError(t, err)
			back, err := scenario.Parse(s.Name, text)
			require.NoError(t, err, string(text))
			require.Equal(t, s, back)
		}
	}
}
