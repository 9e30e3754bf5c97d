package workloads_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// parse makes an explicit scenario with a small load and the given plan.
func parse(t *testing.T, seed int, recovery string, plan ...string) *scenario.Scenario {
	t.Helper()
	text := fmt.Sprintf(`
name: test
seed: %d
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, broker.session.timeout.ms: 3000, broker.heartbeat.interval.ms: 500, replica.lag.time.max.ms: 4000}
topic: {name: orders, partitions: 2, replication.factor: 3}
load:
  duration: 30s
  properties: {request.timeout.ms: 3000}
  producers: {count: 2, rate: 60, record-size: 200, properties: {acks: all, linger.ms: 5}}
  consumers: {count: 2}
  committers: {count: 2, every: 300ms}
recovery: %s
`, seed, recovery)
	if len(plan) > 0 {
		text += "faults:\n  plan:\n"
		for _, f := range plan {
			text += "    - {" + f + "}\n"
		}
	}
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	return s.Resolve()
}

func simulate(t *testing.T, s *scenario.Scenario) *workloads.Outcome {
	t.Helper()
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s})
	require.NoError(t, err)
	return o
}

// recorded simulates a scenario that has to pass, and reads its history back.
func recorded(t *testing.T, s *scenario.Scenario) (*workloads.Outcome, *linearizability.History) {
	t.Helper()
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	h, err := linearizability.ReadHistory(&file)
	require.NoError(t, err)
	return o, h
}

// builtIn is a scenario that is part of the program.
func builtIn(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	text, err := scenarios.Files.ReadFile(name)
	require.NoError(t, err)
	s, err := scenario.Parse(name, text)
	require.NoError(t, err)
	return s
}

func requirePassed(t *testing.T, o *workloads.Outcome) {
	t.Helper()
	for _, f := range o.Verdict.Findings {
		t.Logf("%s: %s\n%s", f.Code, f.Sentence, strings.Join(f.Evidence, "\n"))
	}
	for _, c := range o.Verdict.Checks {
		if c.Status != linearizability.Pass {
			t.Logf("%s %s: %s %s", c.Code, c.Name, c.Status, c.Note)
		}
	}
	require.Equal(t, linearizability.Pass, o.Verdict.Status)
	require.True(t, o.Complete)
	require.NotZero(t, o.Acked)
}

func TestARunWithoutFaultsPasses(t *testing.T) {
	o := simulate(t, parse(t, 1, "30s"))
	requirePassed(t, o)
	require.Empty(t, o.Faults)
	require.Equal(t, o.Acked, o.Consumed)
	require.Zero(t, o.Unknown)
}

func TestARunIsAFunctionOfItsScenario(t *testing.T) {
	plan := []string{"kind: crash, at: 4s, for: 2s, node: leader of orders-0", "kind: partition, at: 12s, for: 3s, between: [broker-1], and: [broker-3]"}
	first := simulate(t, parse(t, 3, "30s", plan...))
	requirePassed(t, first)
	require.Equal(t, first.Trace, simulate(t, parse(t, 3, "30s", plan...)).Trace)
	require.NotEqual(t, first.Trace.Hash, simulate(t, parse(t, 4, "30s", plan...)).Trace.Hash)
}

// Every kind of fault happens, is seen to do something, ends, and breaks no
// promise.
func TestEveryKindOfFault(t *testing.T) {
	for effect, fault := range map[string]string{
		"":                              "kind: crash, at: 5s, for: 2s, node: leader of orders-0",
		"unsynced bytes":                "kind: power-loss, at: 8s, for: 2s, node: leader of orders-0",
		"shut down in good order":       "kind: restart, at: 5s, for: 1s, node: controller",
		" ":                             "kind: pause, at: 5s, for: 5s, node: leader of orders-1",
		"packets held":                  "kind: partition, at: 5s, for: 6s, between: [leader of orders-0], and: [broker-1, broker-2, broker-3]",
		"I/Os took":                     "kind: slow-disk, at: 5s, for: 6s, node: broker-1, factor: 50",
		"calls failed, broker: runs on": "kind: full-disk, at: 5s, for: 4s, node: leader of orders-0",
		"calls failed, broker: broker":  "kind: disk-error, at: 5s, for: 4s, node: leader of orders-0",
		"crashes":                       "kind: crash-loop, at: 5s, for: 4s, node: leader of orders-0, by: 700ms",
		"turns taken from it":           "kind: slow-cpu, at: 5s, for: 4s, node: leader of orders-0, factor: 10",
		"off by -40ms at the end":       "kind: clock-drift, at: 5s, for: 4s, node: controller, jump: -10ms",
		"files gone":                    "kind: disk-wiped, at: 8s, for: 1s, node: leader of orders-0, files: topics",
		"moved with everything":         "kind: volume-moved, at: 8s, for: 1s, node: leader of orders-0",
		"writes failed half way":        "kind: short-write, at: 5s, for: 3s, node: leader of orders-0, files: log, count: 1",
		"1 calls failed":                "kind: disk-error, at: 5s, for: 3s, node: leader of orders-0, files: log, calls: sync and write, count: 1",
		"writes betrayed":               "kind: lost-write, at: 5s, for: 3s, node: leader of orders-0, files: log",
		" unsynced bytes":               "kind: power-loss, at: 8s, for: 20ms, node: leader of orders-0",
		"messages delayed":              "kind: message-delay, at: 5s, for: 5s, message: replica Fetch answer, by: 80ms",
		"2 messages lost":               "kind: connection-reset, at: 5s, for: 5s, message: client Produce answer, count: 2",
		"1 messages delayed":            "kind: message-delay, at: 5s, for: 5s, message: client produce request, by: 8s, count: 1, node: leader of orders-0",
		"connections reset":             "kind: connection-reset, at: 5s, for: 1s, between: [leader of orders-0], and: [all]",
		"packets late":                  "kind: slow-link, at: 5s, for: 5s, between: [leader of orders-0], and: [all], one-way: true, by: 40ms",
		"lost and sent again":           "kind: lossy-link, at: 5s, for: 5s, between: [leader of orders-0], and: [all], factor: 4",
		"  ":                            "kind: clock-jump, at: 5s, for: 5s, node: controller, jump: -3h",
	} {
		t.Run(fault, func(t *testing.T) {
			o := simulate(t, parse(t, 5, "1m", fault))
			requirePassed(t, o)
			require.Empty(t, o.Missed)
			require.Len(t, o.Faults, 1)
			require.Greater(t, o.Faults[0].End, o.Faults[0].Start)
			require.Contains(t, o.Faults[0].Effect, strings.TrimSpace(effect))
			require.False(t, o.Faults[0].Idle, o.Faults[0].Effect)
			require.Equal(t, strings.Contains(effect, "unsynced") || strings.Contains(effect, "gone"), o.Faults[0].Lossy)
		})
	}
}

// A disk that breaks its promises is found out by a loss of power, and the judge
// knows that what is gone had been synced. What the broker does about its files
// it does for each class by itself.
func TestDisksThatBreakTheirPromises(t *testing.T) {
	for kind, effect := range map[string]string{
		"lying-sync": "syncs did nothing", "lost-write": "writes betrayed", "torn-write": "writes betrayed", "misdirected-write": "writes betrayed",
	} {
		t.Run(kind, func(t *testing.T) {
			s := parse(t, 6, "1m",
				"kind: "+kind+", at: 12s, for: 8s, node: broker-2, files: log",
				"kind: power-loss, at: 19s, for: 1s, node: broker-2")
			s.Topic.Configs = scenario.Properties{"flush.messages": "1"}
			o := simulate(t, s)
			require.Len(t, o.Faults, 2, "%v", o.Missed)
			require.Contains(t, o.Faults[0].Effect, effect)
			require.False(t, o.Faults[0].Idle)
			require.True(t, o.Faults[1].Lossy && o.Faults[1].Broken && o.Faults[1].Exact, "%+v", o.Faults[1])
			require.NotEmpty(t, o.Faults[1].Recovered)
			for _, f := range o.Verdict.Findings {
				require.Contains(t, []string{"K10", "K11"}, f.Code, "%s: nothing may be lost, though the log may not be read: %s", f.Code, f.Sentence)
			}
		})
	}
	o := simulate(t, parse(t, 5, "1m", "kind: crash, at: 5s, for: 2s, node: broker-1", "kind: disk-error, at: 4s, for: 4s, node: controller, files: metadata-log"))
	requirePassed(t, o)
	require.Contains(t, o.Faults[0].Effect+o.Faults[1].Effect, "calls failed, broker: broker: metadata log")
}

// A machine whose process is down already has a page cache to lose; then the
// broker that comes back must not be trusted. Several lose power at once.
func TestPowerLossOfTheDownAndOfSeveral(t *testing.T) {
	o := simulate(t, parse(t, 7, "1m",
		"kind: crash, at: 15s, for: 3s, node: broker-2",
		"kind: power-loss, at: 16s, for: 300ms, node: broker-2",
		"kind: power-loss, at: 25s, for: 1s, node: broker-1 and broker-3"))
	requirePassed(t, o)
	require.Empty(t, o.Missed)
	require.Equal(t, o.Faults[0].Brokers, o.Faults[1].Brokers)
	require.Less(t, o.Faults[1].End, o.Faults[0].End)
	require.True(t, o.Faults[1].Lossy)
	for _, r := range o.Faults[1].Recovered {
		require.NotEqual(t, linearizability.None, r.LostEnd, "where the log ended is known from its files")
	}
	require.Equal(t, []int32{1, 3}, o.Faults[2].Brokers)
}

// A fault that waits for an election strikes the leader that it brings.
func TestFaultsFollowElections(t *testing.T) {
	o := simulate(t, parse(t, 6, "1m",
		"kind: crash, at: 5s, for: 2s, node: leader of orders-0",
		"kind: pause, at: 5s, for: 3s, node: leader of orders-0, after: election of orders-0 +10ms"))
	requirePassed(t, o)
	require.Len(t, o.Faults, 2, "missed: %v", o.Missed)
	require.NotEqual(t, o.Faults[0].Brokers, o.Faults[1].Brokers)
	require.Greater(t, o.Faults[1].Start, o.Faults[0].Start)
}

// Every event that a fault can wait for comes, and the fault begins a moment
// later on the broker that the event is about; a run with triggers is a function
// of its scenario.
func TestFaultsFollowEvents(t *testing.T) {
	for event, at := range map[string]string{
		"election of orders-0": "11s", "election of controller": "14s", "isr-expansion of orders-0": "15s", "isr-shrink of orders-0": "11s",
		"truncation of orders-0": "15s", "registration of broker-2": "18s", "roll of orders-0": "10s",
		"first-append of orders-0": "11s", "commit of orders-0": "10s",
	} {
		t.Run(event, func(t *testing.T) {
			s := parse(t, 31, "1m",
				"kind: pause, at: "+at+", for: 500ms, node: it, after: "+event+" +3ms",
				// A leader that is cut off appends what nobody copies, and has to cut it.
				"kind: partition, at: 10s, for: 6s, between: [leader of orders-0], and: [broker-1, broker-2, broker-3]",
				"kind: crash, at: 18s, for: 1s, node: broker-2",
				"kind: crash, at: 14s, for: 1s, node: controller")
			s.Topic.Configs = scenario.Properties{"internal.segment.bytes": "30000"}
			s.Load.Producers.Properties["acks"] = "1"
			o := simulate(t, s)
			requirePassed(t, o)
			require.Empty(t, o.Missed)
			about := ""
			for _, f := range o.Faults {
				if f.Kind == linearizability.Pause {
					about = f.Detail
				}
			}
			require.Contains(t, about, "(it)")
			require.Equal(t, o.Trace, simulate(t, s).Trace)
		})
	}
}

func TestWhatCannotHappenIsSaid(t *testing.T) {
	o := simulate(t, parse(t, 7, "1m",
		"kind: crash, at: 5s, for: 5s, node: broker-2",
		"kind: restart, at: 6s, for: 1s, node: broker-2",
		"kind: pause, at: 20s, for: 1s, node: leader of orders-0, after: election of orders-0"))
	requirePassed(t, o)
	require.Len(t, o.Faults, 1)
	require.Len(t, o.Missed, 2)
	require.Contains(t, strings.Join(o.Missed, "\n"), "broker-2 is down already")
	require.Contains(t, strings.Join(o.Missed, "\n"), "there was no election of orders-0")
}

// A fault that finds nothing to act on has happened, and had no effect.
func TestAFaultWithoutEffectIsSaidToHaveNone(t *testing.T) {
	o := simulate(t, parse(t, 7, "1m", "kind: message-delay, at: 5s, for: 5s, message: DeleteTopics request, by: 1s"))
	requirePassed(t, o)
	require.True(t, o.Faults[0].Idle)
	require.Equal(t, "0 messages delayed", o.Faults[0].Effect)
}

// A cluster that is not back in time has broken no promise about data, but
// that of progress.
func TestNoRecoveryIsALivenessFinding(t *testing.T) {
	o := simulate(t, parse(t, 8, "1ms", "kind: crash, at: 27s, for: 3s, node: broker-1"))
	require.Equal(t, linearizability.Failed, o.Verdict.Status)
	require.True(t, o.Liveness())
	require.Contains(t, o.Verdict.Findings[0].Sentence, "did not recover within 1ms after healing")
}

func TestACanceledRunSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := parse(t, 9, "30s")
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: s, Progress: func(p workloads.Progress) {
		if p.Acked > 0 {
			cancel()
		}
	}})
	require.NoError(t, err)
	require.False(t, o.Complete)
	require.Contains(t, o.Interrupted, "the run was interrupted")
	require.NotEqual(t, linearizability.Pass, o.Verdict.Status)
}

func TestOnlyExplicitScenariosRun(t *testing.T) {
	s := parse(t, 10, "30s")
	s.Load.Producers.Rate = scenario.Number{Min: 1, Max: 100}
	_, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s})
	require.ErrorContains(t, err, "not explicit")
}
