package workloads_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// Members join, leave, die and stall, static ones and others, while brokers
// fail: every record is read, nobody owns what another one does, and what is
// committed late is refused.
func TestMembersComeAndGo(t *testing.T) {
	s, err := scenario.Parse("members.yaml", []byte(`
name: members
seed: 4
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, group.min.session.timeout.ms: 500, offsets.topic.num.partitions: 2, group.initial.rebalance.delay.ms: 0, broker.session.timeout.ms: 2000, broker.heartbeat.interval.ms: 400}
topics:
  - {name: orders, partitions: 4, replication.factor: 3, configs: {min.insync.replicas: 2}}
load:
  duration: 30s
  properties: {request.timeout.ms: 3000}
  programs:
    - producers: {topic: orders, count: 2, rate: 40, record-size: 100}
    - members: {topic: orders, count: 4, group: churned, stay: 500ms..3s, away: 100ms..4s, properties: {session.timeout.ms: 1200, heartbeat.interval.ms: 300, max.poll.interval.ms: 2000}}
    - members: {topic: orders, count: 3, group: fixed, static: true, stay: 500ms..3s, away: 100ms..4s, properties: {session.timeout.ms: 1500, heartbeat.interval.ms: 300}}
faults:
  plan:
    - {kind: crash, at: 8s, for: 2s, node: controller}
    - {kind: crash, at: 14s, for: 2s, node: leader of orders-0}
    - {kind: partition, at: 19s, for: 3s, between: [broker-1], and: [broker-2]}
`))
	require.NoError(t, err)
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	for _, c := range o.Verdict.Checks {
		if c.Note == "no transactional producer took part" || c.Note == "no member of a share group took part" {
			continue
		}
		if c.Code == "K7" || c.Code == "K8" || c.Code == "K9" || c.Code == "K10" {
			require.Equal(t, linearizability.Pass, c.Status, "%s %s: %s", c.Code, c.Name, c.Note)
			require.NotZero(t, c.Inputs, "%s %s", c.Code, c.Name)
		}
	}
	h, err := linearizability.ReadHistory(&file)
	require.NoError(t, err)
	refused := map[string]int{}
	committed := 0
	for _, c := range h.Offsets {
		switch {
		case c.Write && c.Outcome == linearizability.Fail:
			refused[c.Error]++
		case c.Write && c.Generation > 0:
			committed++
		}
	}
	require.Greater(t, committed, 50)
	require.NotEmpty(t, refused, "nobody was fenced")
	newest := map[string]int32{}
	for _, a := range h.Assignments {
		newest[a.Group] = max(newest[a.Group], a.Generation)
	}
	require.Greater(t, newest["churned"], int32(10))
	require.Greater(t, newest["fixed"], int32(1))
	t.Logf("generations %v, commits refused %v", newest, refused)
}

// The same under the consumer protocol (KIP-848): member epochs fence, and who gets a
// partition gets it when the one before has given it up.
func TestMembersOfTheConsumerProtocolComeAndGo(t *testing.T) {
	_, h := recorded(t, builtIn(t, "consumer-groups.yaml"))
	refused := map[string]int{}
	for _, c := range h.Offsets {
		if c.Write && c.Outcome == linearizability.Fail {
			refused[c.Error]++
		}
	}
	require.NotEmpty(t, refused, "nobody was fenced")
	newest := map[string]int32{}
	for _, a := range h.Assignments {
		require.NotZero(t, a.Membership)
		newest[a.Group] = max(newest[a.Group], a.Generation)
	}
	require.Greater(t, newest["churned"], int32(10))
	require.Greater(t, newest["fixed"], int32(1))
	t.Logf("member epochs %v, commits refused %v", newest, refused)
}
