package workloads_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/scenario"
)

// Administrators create, change and delete topics while brokers fail: what they
// are told is done is done, and everything that they may ask for is asked for.
func TestAdministrators(t *testing.T) {
	s, err := scenario.Parse("administrators.yaml", []byte(`
name: administrators
seed: 2
cluster:
  brokers: 3
  properties: {min.insync.replicas: 2, offsets.topic.num.partitions: 2, broker.session.timeout.ms: 2000, broker.heartbeat.interval.ms: 400, auto.create.topics.enable: false}
topics:
  - {name: orders, partitions: 2, replication.factor: 3, configs: {min.insync.replicas: 2}}
load:
  duration: 60s
  properties: {request.timeout.ms: 3000}
  programs:
    - producers: {topic: orders, count: 1, rate: 10, record-size: 100}
    - administrators: {topic: orders, count: 4, every: 50ms}
faults:
  plan:
    - {kind: crash, at: 8s, for: 2s, node: controller}
    - {kind: crash, at: 14s, for: 2s, node: leader of orders-0}
    - {kind: partition, at: 19s, for: 3s, between: [broker-1], and: [broker-2]}
    - {kind: pause, at: 26s, for: 3s, node: controller}
`))
	require.NoError(t, err)
	_, h := recorded(t, s)
	answered, unanswered := map[string]int{}, 0
	for _, a := range h.Administrations {
		if a.Error == "" {
			answered[a.Op]++
		} else {
			unanswered++
		}
	}
	require.GreaterOrEqual(t, len(answered), 28, "%v", answered)
	require.Greater(t, answered["create"], 20)
	require.Greater(t, answered["delete"], 10)
	require.Equal(t, 4, answered["describe at the end"])
	require.NotZero(t, unanswered, "no fault was noticed")
	t.Logf("%v, %d unanswered", answered, unanswered)
}
