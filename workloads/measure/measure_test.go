package measure_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
)

// small is a load that a simulated machine of two cores carries easily.
func small() *scenario.Scenario {
	return &scenario.Scenario{
		Name: "small", Seed: 1, Recovery: time.Minute,
		Cluster: scenario.Cluster{Brokers: scenario.Exactly(3), Storage: "gp3"},
		Topic:   scenario.Topic{Name: "t", Partitions: scenario.Exactly(3), ReplicationFactor: scenario.Exactly(3)},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(4 * time.Second), WarmUp: time.Second, History: scenario.HistoryBatches,
			Producers: scenario.Producers{Count: scenario.Exactly(2), Rate: scenario.Exactly(2000), RecordSize: scenario.Exactly(200),
				Properties: scenario.Properties{"acks": "all", "linger.ms": "1"}},
			Consumers: scenario.Consumers{Count: scenario.Exactly(1)},
		},
	}
}

func run(t *testing.T, s *scenario.Scenario, target measure.Target) *measure.Measurement {
	t.Helper()
	m, err := measure.Run(context.Background(), s, target)
	require.NoError(t, err)
	return m
}

func TestASteadyLoadIsMeasuredAsOffered(t *testing.T) {
	m := run(t, small(), measure.Target{Kind: measure.Sim})
	require.InEpsilon(t, 2000, m.AckedPerSecond, 0.01)
	require.InEpsilon(t, 2000, m.ConsumedPerSecond, 0.01)
	require.InEpsilon(t, m.AckedPerSecond*3, float64(m.Produce.Count()), 0.01, "the window is three seconds long")
	require.True(t, m.Valid(), "%+v", m.Validity)
	require.Greater(t, m.Produce.P(50), time.Millisecond, "records linger for a millisecond")
	require.GreaterOrEqual(t, m.Produce.P(99), m.Produce.P(50))
	require.GreaterOrEqual(t, m.EndToEnd.P(50), m.Produce.P(50)/2)
	require.Len(t, m.Machines, 3)
}

func TestJudgingDoesNotChangeWhatIsMeasured(t *testing.T) {
	judged := run(t, small(), measure.Target{Kind: measure.Sim, Judged: true})
	require.Equal(t, "pass", judged.Verdict)
	brief := run(t, small(), measure.Target{Kind: measure.Sim})
	require.Equal(t, judged.AckedPerSecond, brief.AckedPerSecond)
}

func TestALoadBeyondTheDiskIsInvalid(t *testing.T) {
	s := small()
	s.Load.Producers.Rate = scenario.Exactly(400_000)
	s.Load.Producers.RecordSize = scenario.Exactly(1000)
	s.Load.Producers.Properties["buffer.memory"] = "4194304"
	s.Cluster.DirtyPercent = 100
	s.Load.Duration = scenario.ExactSpan(2 * time.Second)
	m := run(t, s, measure.Target{Kind: measure.Sim})
	require.Less(t, m.AckedPerSecond, 200_000.0, "the volume writes 125 MiB/s")
	require.False(t, m.Valid())
}

func TestAMeasurementSurvivesJSON(t *testing.T) {
	m := run(t, small(), measure.Target{Kind: measure.Sim})
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var back measure.Measurement
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, m.Produce.P(99), back.Produce.P(99))
	require.Equal(t, m.EndToEnd.Count(), back.EndToEnd.Count())
	again, err := json.Marshal(&back)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(again))
}
