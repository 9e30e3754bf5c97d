package workloads_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// What was recorded of a run under any schedule, written into its scenario and
// read back, is the same run.
func TestARecordedScheduleIsTheSameRun(t *testing.T) {
	hashes := map[uint64]bool{}
	for _, m := range []scenario.Simulation{
		{PreemptOneIn: scenario.Exactly(7)},
		{Schedule: scenario.SchedulePCT, PCTDepth: scenario.Exactly(3), PCTPoints: scenario.Exactly(3000)},
		{Schedule: scenario.ScheduleFIFO},
	} {
		s := parse(t, 12, "30s", "kind: crash, at: 5s, for: 2s, node: leader of orders-0")
		s.Load.Duration = scenario.ExactSpan(9 * time.Second)
		s.Simulation = m
		tape := &sim.Tape{}
		o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, Tape: tape})
		require.NoError(t, err)
		requirePassed(t, o)
		require.Equal(t, o.Trace, simulate(t, s).Trace, "recording changes nothing")
		hashes[o.Trace.Hash] = true

		replay := *s
		replay.Simulation = scenario.Simulation{Schedule: scenario.ScheduleTape, Tape: tape}
		text, err := replay.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse("tape.yaml", text)
		require.NoError(t, err)
		require.Equal(t, o.Trace, simulate(t, again).Trace)
	}
	require.Len(t, hashes, 3)
}
