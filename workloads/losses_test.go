package workloads_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// When every broker loses power at once, or the only one does, what the disks
// lost is gone, and every check excuses that and nothing else.
func TestWhatTheDisksLostIsExcused(t *testing.T) {
	lost := int64(0)
	for seed := range 3 {
		o := simulate(t, parse(t, 20+seed, "1m", "kind: power-loss, at: 20s, for: 2s, node: broker-1",
			"kind: power-loss, at: 20s, for: 2s, node: broker-2", "kind: power-loss, at: 20s, for: 2s, node: broker-3"))
		requirePassed(t, o)
		for _, f := range o.Faults {
			require.True(t, f.Exact)
			require.Equal(t, f.Lossy, len(f.Recovered) > 0, "%+v", f)
			for _, r := range f.Recovered {
				require.Less(t, r.LogEnd, r.LostEnd)
				require.Positive(t, r.LostBytes)
			}
		}
		for _, e := range o.Verdict.Excused {
			require.NotContains(t, e.Reason, "by rule")
			if e.Code == "K2" {
				lost += e.Count
			}
		}
	}
	require.Positive(t, lost)
	excused := 0 // a disk may also happen to keep everything
	for seed := range 6 {
		s, err := scenario.Parse("test.yaml", fmt.Appendf(nil, `
name: alone
seed: %d
cluster: {brokers: 1, storage: gp3}
topic: {name: orders, partitions: 1, replication.factor: 1}
load: {duration: 15s, producers: {count: 1, rate: 50, record-size: 100, properties: {acks: all}}, consumers: {count: 1}, committers: {count: 1, every: 200ms}}
faults: {plan: [{kind: power-loss, at: 6s, for: 2s, node: broker-1}]}
recovery: 60s
`, seed))
		require.NoError(t, err)
		o := simulate(t, s.Resolve())
		requirePassed(t, o)
		excused += min(1, len(o.Verdict.Excused))
	}
	require.GreaterOrEqual(t, excused, 3)
}

// A history tells of the processes that their disks ended, when they ended, and
// of no others: neither a disk that fails unnoticed nor a crash is one.
func TestHistoriesTellWhichProcessesTheirDisksEnded(t *testing.T) {
	for plan, ended := range map[string]bool{
		"kind: disk-error, at: 3s, for: 1500ms, node: broker-1": true,
		"kind: disk-error, at: 3s, for: 1ns, node: broker-1":    false,
		"kind: crash, at: 3s, for: 1s, node: broker-1":          false,
	} {
		s, err := scenario.Parse("test.yaml", fmt.Appendf(nil, `
name: test
seed: 5
cluster: {brokers: 3, properties: {min.insync.replicas: 2}}
topic: {name: orders, partitions: 1, replication.factor: 3}
load: {duration: 7s, producers: {count: 1, rate: 50, record-size: 100, properties: {acks: all}}, consumers: {count: 1}}
faults: {plan: [{%s}]}
recovery: 60s
`, plan))
		require.NoError(t, err)
		o, h := recorded(t, s.Resolve())
		require.Len(t, o.Faults, 1, "the injector's")
		told := 0
		for _, f := range h.Faults {
			if f.Kind == linearizability.DiskFailed {
				told++
				require.Equal(t, []int32{1}, f.Brokers)
				require.Greater(t, f.Start, o.Faults[0].Start)
				require.True(t, f.Exact)
			}
		}
		require.Equal(t, ended, told > 0, plan)
	}
}

// The history of a real run says what it ought to hold: take away any kind of
// line and judging it again proves nothing. What a group and the offsets topic
// did is part of it.
func TestARunsHistoryKnowsWhatItOughtToHold(t *testing.T) {
	s, err := scenario.Parse("test.yaml", []byte(`
name: test
seed: 4
cluster: {brokers: 3, properties: {min.insync.replicas: 2, offsets.topic.num.partitions: 2, group.initial.rebalance.delay.ms: 0}}
topic: {name: orders, partitions: 2, replication.factor: 3}
load:
  duration: 8s
  programs:
    - producers: {count: 2, rate: 50, record-size: 100, properties: {acks: all}}
    - consumers: {count: 2, group: readers}
    - committers: {count: 1, every: 200ms}
    - administrators: {count: 1, every: 200ms}
faults: {plan: [{kind: pause, at: 3s, for: 1s, node: broker-2}]}
recovery: 60s
`))
	require.NoError(t, err)
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s.Resolve(), History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	for _, k := range o.Verdict.Checks {
		switch k.Note {
		case "no transactional producer took part", "no topic has keys that are written again", "no member of a share group took part":
		default:
			require.NotEqual(t, linearizability.Skipped, k.Status, k.Name)
		}
	}
	lines := strings.SplitAfter(file.String(), "\n")
	judge := func(keep func(string) bool) linearizability.Verdict {
		var kept strings.Builder
		for _, line := range lines {
			if keep(line) {
				kept.WriteString(line)
			}
		}
		h, err := linearizability.ReadHistory(strings.NewReader(kept.String()))
		require.NoError(t, err)
		return linearizability.Judge(context.Background(), h, linearizability.Options{})
	}
	again := judge(func(string) bool { return true })
	require.Equal(t, o.Verdict, again, "judged again, the verdict is the same")
	for _, kind := range []string{"manifest", "topic", "send", "poll", "list-offsets", "commit", "fetch-offset", "fault", "partition-state",
		"epoch-start", "high-watermark", "assignment", "administration", "live", "end"} {
		require.Contains(t, file.String(), fmt.Sprintf(`"f":%q`, kind))
		v := judge(func(line string) bool { return !strings.Contains(line, fmt.Sprintf(`"f":%q`, kind)) })
		require.Equal(t, linearizability.Unknown, v.Status, "without %s: %v", kind, v.Findings)
	}
	half := len(lines) / 2
	n := 0
	require.Equal(t, linearizability.Unknown, judge(func(string) bool { n++; return n <= half }).Status)
	require.Contains(t, file.String(), `"topic":"__consumer_offsets"`)
}
