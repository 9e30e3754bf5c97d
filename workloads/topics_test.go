package workloads_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// twoTopics are one topic that promises to keep everything and one that gives
// what it has acknowledged away with its leader, and a third that nobody reads.
const twoTopics = `
name: two
seed: %d
cluster:
  brokers: 3
  properties: {broker.session.timeout.ms: 3000, broker.heartbeat.interval.ms: 500, replica.lag.time.max.ms: 4000, offsets.topic.num.partitions: 2, group.initial.rebalance.delay.ms: 0}
topics:
  - {name: orders, partitions: 2, replication.factor: 3, configs: {min.insync.replicas: 2}}
  - {name: audit, partitions: 2, replication.factor: 2}
  - {name: unread, partitions: 1, replication.factor: 3, configs: {min.insync.replicas: 2}}
load:
  duration: 20s
  properties: {request.timeout.ms: 3000}
  programs:
    - producers: {topic: orders, count: 2, rate: 60, record-size: 200, properties: {acks: all}}
    - producers: {topic: audit, count: 2, rate: 400, arrivals: poisson, record-size: 100, properties: {acks: 1, linger.ms: 2}}
    - producers: {topic: orders, count: 1, rate: 30, partitioner: sticky, record-size: 100, properties: {acks: all}}
    - producers: {topic: unread, count: 1, rate: 20, record-size: 100, properties: {acks: all}}
    - consumers: {topic: orders, count: 2, group: readers}
    - consumers: {topic: audit, count: 2}
    - consumers: {topic: orders, count: 1}
    - committers: {topic: orders, count: 1, every: 300ms}
    - committers: {topic: audit, count: 1, every: 300ms}
faults:
  plan:
    - {kind: partition, at: 5s, for: 8s, between: [leader of audit-1], and: [broker-1, broker-2, broker-3]}
    - {kind: pause, at: 5s, for: 1s, node: leader of audit-1, after: election of audit-1 +10ms}
recovery: 1m
`

func runTwoTopics(t *testing.T, seed int) (*workloads.Outcome, func() *linearizability.History) {
	t.Helper()
	s, err := scenario.Parse("two.yaml", fmt.Appendf(nil, twoTopics, seed))
	require.NoError(t, err)
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s.Resolve(), History: &file})
	require.NoError(t, err)
	return o, func() *linearizability.History {
		h, err := linearizability.ReadHistory(bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		return h
	}
}

// Topics in one run are each judged by their own settings: a leader that is
// cut off loses from the one what it may, and a record that is missing from another is
// found, in that one and no other.
func TestEachTopicIsJudgedByItsOwnSettings(t *testing.T) {
	o, history := runTwoTopics(t, 3)
	requirePassed(t, o)
	require.Empty(t, o.Missed)
	require.Len(t, o.Faults, 2)
	excused := map[string]int64{}
	for _, e := range o.Verdict.Excused {
		if e.Code == "K2" {
			excused[e.Topic] += e.Count
		}
	}
	require.Positive(t, excused["audit"], "acks=1 loses nothing by this fault; choose another seed")
	require.Len(t, excused, 1)

	whole := history()
	topics := map[string]linearizability.Topic{}
	for _, topic := range whole.Topics {
		topics[topic.Name] = topic
	}
	require.EqualValues(t, 2, topics["orders"].MinISR)
	require.EqualValues(t, 1, topics["audit"].MinISR)
	require.EqualValues(t, 2, topics["audit"].ReplicationFactor)
	require.Contains(t, topics, linearizability.OffsetsTopic)
	seen := map[linearizability.TopicPartition][3]bool{}
	note := func(topic string, partition int32, what int) {
		tp := linearizability.TopicPartition{Topic: topic, Partition: partition}
		s := seen[tp]
		s[what] = true
		seen[tp] = s
	}
	for _, s := range whole.States {
		note(s.Topic, s.Partition, 0)
	}
	for _, w := range whole.HighWatermarks {
		note(w.Topic, w.Partition, 1)
	}
	for _, s := range whole.Scans {
		note(s.Topic, s.Partition, 2)
	}
	values := map[int64]bool{}
	for _, s := range whole.Sends {
		require.False(t, values[s.Value], "value %d was sent twice", s.Value)
		values[s.Value] = true
	}
	for _, topic := range []string{"orders", "audit", "unread"} {
		for p := range topics[topic].Partitions {
			tp := linearizability.TopicPartition{Topic: topic, Partition: p}
			require.Equal(t, [3]bool{true, true, true}, seen[tp], "%v: states, high watermarks, final logs", tp)
		}
		t.Run("a record missing from "+topic, func(t *testing.T) {
			h := history()
			loseRecord(t, h, linearizability.TopicPartition{Topic: topic})
			v := linearizability.Judge(context.Background(), h, linearizability.Options{})
			require.Equal(t, linearizability.Failed, v.Status)
			codes := map[string]bool{}
			for _, f := range v.Findings {
				require.Equal(t, topic, f.Topic, "%s: %s", f.Code, f.Sentence)
				codes[f.Code] = true
			}
			require.True(t, codes["K2"], "%v", codes)
		})
	}
}

// loseRecord takes one acknowledged record, the last before any fault, out of
// every replica's final log.
func loseRecord(t *testing.T, h *linearizability.History, tp linearizability.TopicPartition) {
	t.Helper()
	lost := int64(linearizability.None)
	for _, s := range h.Sends {
		if s.TP == tp && s.Outcome == linearizability.OK && s.Return < h.Faults[0].Start {
			lost = max(lost, s.Offset)
		}
	}
	require.NotEqual(t, int64(linearizability.None), lost)
	replicas := 0
	for i := range h.Scans {
		s := &h.Scans[i]
		if s.Topic != tp.Topic || s.Partition != tp.Partition {
			continue
		}
		before := len(s.Records)
		s.Records = slices.DeleteFunc(slices.Clone(s.Records), func(r linearizability.ScanRecord) bool { return r.Offset == lost })
		require.Len(t, s.Records, before-1)
		replicas++
	}
	require.GreaterOrEqual(t, replicas, 2)
	h.Closing.Counts = h.Counts() // the history is whole: it is the log that lacks a record
}
