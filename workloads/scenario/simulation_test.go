package scenario_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads/scenario"
)

func TestTheSimulatorsSettingsAreDrawnAndDrawNothingElse(t *testing.T) {
	text, err := scenarios.Files.ReadFile(scenarios.Default)
	require.NoError(t, err)
	s, err := scenario.Parse("quickstart.yaml", append(text, []byte(`
simulation:
  buggify: off | on
  schedule: uniform | fifo | pct
  preempt-one-in: 0 | 2..9
  pct-depth: 1..5
  pct-points: 100..10000
`)...))
	require.NoError(t, err)
	buggify, schedules, preempts := map[bool]int{}, map[string]int{}, map[bool]int{}
	for seed := range scenario.Seed(200) {
		plain := quickstart(t)
		plain.Seed, s.Seed = seed, seed
		require.False(t, plain.Resolve().Simulation.Buggify.Set(), "off unless it is asked for")
		require.False(t, s.Explicit())
		e := s.Resolve()
		require.True(t, e.Explicit())
		text, err := e.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse("scenario.yaml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, e, again)

		m := e.Simulation
		buggify[m.Buggify.Set()]++
		schedules[m.Schedule]++
		preempts[m.PreemptOneIn.Value() > 0]++
		pct := m.Schedule == scenario.SchedulePCT
		require.Equal(t, pct, m.PCTDepth.Value() > 0)
		require.Equal(t, pct, m.PCTPoints.Value() > 0)
		require.False(t, pct && m.PreemptOneIn.Value() > 0)

		e.Simulation = scenario.Simulation{}
		require.Equal(t, plain.Resolve(), e)
	}
	require.Greater(t, buggify[true], 50)
	require.Greater(t, buggify[false], 50)
	require.Len(t, schedules, 3)
	require.Greater(t, preempts[true], 30)
}

func TestMistakesInTheSimulatorsSettings(t *testing.T) {
	text, err := scenarios.Files.ReadFile(scenarios.Default)
	require.NoError(t, err)
	for lines, want := range map[string]string{
		"schedule: random":                   `simulation.schedule: "random" is not known`,
		"schedule: pct":                      "needs pct-depth and pct-points",
		"pct-depth: 3":                       "are those of schedule: pct",
		"schedule: tape":                     "schedule: tape and tape: go together",
		"tape: 1 2":                          "schedule: tape and tape: go together",
		"schedule: tape\n  tape: 1 x":        `"x" is no choice of a tape`,
		"schedule: tape | fifo\n  tape: 1 2": "give schedule: tape alone",
		"buggify: maybe":                     `"maybe" is neither true nor false`,
		"schedule: tape\n  tape: 1 2\n  preempt-one-in: 3": "itself says when tasks give way",
	} {
		_, err := scenario.Parse("quickstart.yaml", append(text, []byte("\nsimulation:\n  "+lines+"\n")...))
		require.ErrorContains(t, err, want, lines)
	}
	s, err := scenario.Parse("quickstart.yaml", append(text, []byte("\nsimulation:\n  schedule: tape\n  tape: 12 1:2 7\n")...))
	require.NoError(t, err)
	require.Equal(t, 3, s.Simulation.Tape.Len())
	again, err := s.Resolve().YAML()
	require.NoError(t, err)
	require.Contains(t, strings.Join(strings.Fields(string(again)), " "), "tape: 12 1:2 7")
}

// Programs may name the only topic as they name one of several.
func TestProgramsOfTheOnlyTopicStay(t *testing.T) {
	s, err := scenario.Parse("one.yaml", []byte(`
name: one
seed: 1
cluster: {brokers: 1}
topic: {name: orders, partitions: 1..4, replication.factor: 1}
load:
  duration: 5s
  programs:
    - producers: {topic: orders, count: 2, rate: 60, record-size: 200}
    - consumers: {topic: orders, count: 1}
`))
	require.NoError(t, err)
	require.Len(t, s.Resolve().Load.Programs, 2)
}
