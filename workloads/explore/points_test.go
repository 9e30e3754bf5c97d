package explore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/rare"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// busy is a short run that comes by as many points as it can: groups, small
// segments that go soon, snapshots, followers that fall behind and cut their logs.
const busy = `
name: busy
seed: 1
cluster:
  brokers: 3
  log-dirs: 2
  properties:
    min.insync.replicas: 2
    replica.lag.time.max.ms: 1500
    broker.session.timeout.ms: 1500
    broker.heartbeat.interval.ms: 300
    offsets.topic.num.partitions: 2
    group.initial.rebalance.delay.ms: 0
    offsets.retention.check.interval.ms: 1000
    log.retention.check.interval.ms: 500
    metadata.log.max.record.bytes.between.snapshots: 100
    transaction.state.log.num.partitions: 1
    transaction.abort.timed.out.transaction.cleanup.interval.ms: 500
    transaction.remove.expired.transaction.cleanup.interval.ms: 1000
topics:
  - name: orders
    partitions: 4
    replication.factor: 3
    configs: {min.insync.replicas: 2, internal.segment.bytes: 4000, retention.ms: 3000}
  - name: accounts
    partitions: 2
    replication.factor: 3
    configs: {min.insync.replicas: 2}
load:
  duration: 14s
  properties: {request.timeout.ms: 3000, metadata.max.age.ms: 3000}
  programs:
    - producers: {topic: orders, count: 2, rate: 60, record-size: 200, properties: {acks: all, enable.idempotence: true, delivery.timeout.ms: 10000}}
    - consumers: {topic: orders, count: 2, group: readers, properties: {weir.fetch.sessions: true}}
    - committers: {topic: orders, count: 2, every: 200ms}
    - transfers: {topic: accounts, count: 1, transactions: {ids: 1, every: 50ms..200ms, abort-one-in: 3}, properties: {transaction.timeout.ms: 3000}}
    - consumers: {topic: accounts, count: 1, properties: {isolation.level: read_committed}}
    - sharers: {topic: orders, count: 2, group: sharers, stay: 1s..8s, away: 100ms..3s}
    - balancers: {topic: orders, count: 1, every: 300ms..1s, directories: true}
simulation: {buggify: on}
faults:
  plan:
    - {kind: crash, at: 1500ms, for: 5s, node: broker-3}
    - {kind: pause, at: 7500ms, for: 2s, node: leader of orders-1}
    - {kind: power-loss, at: 10500ms, for: 2s, node: broker-2}
recovery: 1m
`

// likeliest is the seed, of those not tried yet, that has the most of the points at
// one in 8 of their visits or oftener.
func likeliest(points map[string]bool, tried map[uint64]bool) (best uint64) {
	most := -1
	for seed := range uint64(2000) {
		if tried[seed] {
			continue
		}
		has := 0
		for name := range points {
			if n := sim.PointOneIn(seed, name); n > 0 && n <= 8 {
				has++
			}
		}
		if has > most {
			best, most = seed, has
		}
	}
	return best
}

// mostSeeds bounds how many seeds it may take until every point has fired.
const mostSeeds = 150

// A point that never fires is worth nothing. Each does within a few seeds, and
// whatever they do, the brokers recover.
func TestEveryPointFires(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates dozens of runs")
	}
	s, err := scenario.Parse("busy.yaml", []byte(busy))
	require.NoError(t, err)
	left := map[string]bool{}
	for _, p := range rare.Points() {
		left[p.Name] = true
	}
	tried := map[uint64]bool{}
	for len(left) > 0 && len(tried) < mostSeeds {
		one := *s
		one.Seed = scenario.Seed(likeliest(left, tried))
		tried[uint64(one.Seed)] = true
		o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: one.Resolve(), Unjudged: true})
		require.NoError(t, err)
		require.Empty(t, o.Verdict.Findings, "seed %s", one.Seed)
		require.Empty(t, o.Interrupted, "seed %s", one.Seed)
		for _, p := range o.Points {
			if p.Fired > 0 {
				delete(left, p.Name)
			}
		}
	}
	t.Logf("%d seeds", len(tried))
	require.Empty(t, left, "points that did not fire in %d seeds", len(tried))
}
