package machine_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simnet"
)

// jvm is a table with one operation and the mechanisms given.
func jvm(m machine.Mechanisms) machine.Costs {
	return machine.Costs{Name: "jvm", Mechanisms: m, Source: machine.Source{What: "CPU costs", Basis: "assumption", Source: "a test"},
		Operations: map[string]machine.Cost{"request.produce": {CallNanos: 1000}, "fetch.partition": {UnitPicos: 1_000_000}}}
}

func constant(d time.Duration) []sim.Quantile {
	return []sim.Quantile{{Value: d}, {PPM: 1_000_000, Value: d}}
}

var handOver = &machine.HandOver{Wait: constant(50 * time.Microsecond), Times: map[string]int64{"request.produce": 2},
	Source: machine.Source{What: "CPU costs, besides: hand-over", Basis: "assumption", Source: "a test"}}

var collector = &machine.Collector{Name: "G1", YoungBytes: 10_000, Pause: constant(8 * time.Millisecond),
	Allocates: map[string]machine.Allocation{"request.produce": {CallBytes: 500, UnitPermille: 500}},
	Source:    machine.Source{What: "CPU costs, besides: collector", Basis: "assumption", Source: "a test"}}

// took is how long each of n operations over 1,000 units takes a task.
func took(t *testing.T, seed uint64, costs machine.Costs, n int) (each []time.Duration) {
	t.Helper()
	p := machine.Profile{Schema: machine.Schema, Name: "m", Cores: 2, MemoryBytes: 1 << 30, Costs: costs}
	k := sim.NewKernel(sim.Options{Seed: seed})
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	node := k.NewNode("broker")
	m.Host(node)
	node.Start("work", func(e env.Env) {
		for range n {
			begun := e.Now()
			e.Work("request.produce", 1000)
			each = append(each, e.Now()-begun)
			e.Sleep(100 * time.Millisecond)
		}
	})
	require.NoError(t, k.RunUntil(time.Hour))
	require.NoError(t, k.Close())
	return each
}

func TestHandOverMakesOperationsLongerAndNoCoreBusy(t *testing.T) {
	for _, d := range took(t, 1, jvm(machine.Mechanisms{HandOver: handOver}), 3) {
		require.Equal(t, time.Microsecond+2*50*time.Microsecond, d)
	}
	for _, d := range took(t, 1, jvm(machine.Mechanisms{}), 3) {
		require.Equal(t, time.Microsecond, d)
	}
}

// 1,000 bytes an operation and a young generation of 10,000: one in ten stops,
// whatever of it was filled before.
func TestCollectorStopsAtARateThatFollowsAllocation(t *testing.T) {
	costs := jvm(machine.Mechanisms{Collector: collector})
	each := took(t, 1, costs, 100)
	stops := 0
	for _, d := range each {
		if d > time.Millisecond {
			require.Equal(t, time.Microsecond+8*time.Millisecond, d)
			stops++
		}
	}
	require.Equal(t, 10, stops)
	require.Equal(t, each, took(t, 1, costs, 100), "drawn from the seed")
	first := func(seed uint64) int {
		for i, d := range took(t, seed, costs, 20) {
			if d > time.Millisecond {
				return i
			}
		}
		return -1
	}
	begins := map[int]bool{}
	for seed := range uint64(8) {
		begins[first(seed)] = true
	}
	require.Greater(t, len(begins), 2, "brokers are not in step")
}

// Two operations at once: the one that does not fill the young generation
// stands still as well.
func TestCollectorStopsAllTasks(t *testing.T) {
	p := machine.Profile{Schema: machine.Schema, Name: "m", Cores: 2, MemoryBytes: 1 << 30, Costs: jvm(machine.Mechanisms{Collector: &machine.Collector{
		Name: "G1", YoungBytes: 1, Pause: constant(time.Second), Allocates: map[string]machine.Allocation{"request.produce": {CallBytes: 1}}, Source: collector.Source}})}
	k := sim.NewKernel(sim.Options{Seed: 1})
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	node := k.NewNode("broker")
	m.Host(node)
	var ended time.Duration
	node.Start("work", func(e env.Env) {
		e.Go("other", func() {
			e.Sleep(time.Millisecond)
			e.Work("fetch.partition", 1)
			ended = e.Now()
		})
		e.Work("request.produce", 0)
	})
	require.NoError(t, k.RunUntil(time.Hour))
	require.NoError(t, k.Close())
	require.Equal(t, time.Microsecond+time.Second, ended)
}

// A collection that is due while another goes on begins behind it: it never ends
// the other early.
func TestCollectionsFollowOneAnother(t *testing.T) {
	pauses := []sim.Quantile{{Value: time.Millisecond}, {PPM: 1_000_000, Value: time.Second}}
	p := machine.Profile{Schema: machine.Schema, Name: "m", Cores: 8, MemoryBytes: 1 << 30, Costs: jvm(machine.Mechanisms{Collector: &machine.Collector{
		Name: "G1", YoungBytes: 1, Pause: pauses, Allocates: map[string]machine.Allocation{"request.produce": {CallBytes: 1}}, Source: collector.Source}})}
	k := sim.NewKernel(sim.Options{Seed: 1})
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	node := k.NewNode("broker")
	m.Host(node)
	var ends []time.Duration
	node.Start("work", func(e env.Env) {
		for i := range 8 {
			e.Go("one", func() {
				e.Sleep(time.Duration(i) * 10 * time.Microsecond)
				e.Work("request.produce", 0)
				ends = append(ends, e.Now())
			})
		}
	})
	require.NoError(t, k.RunUntil(time.Hour))
	require.NoError(t, k.Close())
	require.Len(t, ends, 8)
	require.IsIncreasing(t, ends)
	require.Greater(t, ends[7], 8*time.Millisecond, "all of them stopped the process, one after the other")
}

// A process that starts anew begins with an empty young generation, and does not
// wait for the pause that the one before died in.
func TestARestartedProcessHasAllocatedNothing(t *testing.T) {
	const fills = 10 // operations
	p := machine.Profile{Schema: machine.Schema, Name: "m", Cores: 2, MemoryBytes: 1 << 30, Costs: jvm(machine.Mechanisms{Collector: collector})}
	for seed := range uint64(8) { // which draw how full it was at first
		k := sim.NewKernel(sim.Options{Seed: seed})
		m, err := p.Build(k, "m")
		require.NoError(t, err)
		node := k.NewNode("broker")
		m.Host(node)
		slow := func(e env.Env) (first int) {
			for i := range fills {
				begun := e.Now()
				e.Work("request.produce", 1000)
				if e.Now()-begun > time.Millisecond {
					return i + 1
				}
			}
			return 0
		}
		node.Start("before", func(e env.Env) {
			slow(e)
			e.Go("stops again", func() { slow(e) })
			e.Sleep(time.Hour)
		})
		require.NoError(t, k.RunUntil(20*time.Millisecond))
		node.Crash()
		var first int
		node.Start("after", func(e env.Env) { first = slow(e) })
		require.NoError(t, k.RunUntil(time.Hour))
		require.NoError(t, k.Close())
		require.Equal(t, fills, first, "seed %d: the collection comes when the generation is full", seed)
	}
}

// What a connection has on the way is what the sockets' buffers hold: a large
// write takes a round trip for each buffer.
func TestSocketsBoundWhatIsOnTheWay(t *testing.T) {
	const oneWay, bytes = time.Millisecond, 1 << 20
	took := func(sockets *machine.Sockets, mechanismsOf func(machine.Mechanisms) machine.Mechanisms) (d time.Duration) {
		k := sim.NewKernel(sim.Options{Seed: 1})
		latency := sim.Constant(oneWay)
		net := simnet.New(k, simnet.Options{Link: simnet.LinkOptions{Latency: &latency}})
		for _, name := range []string{"from", "to"} {
			p := machine.Profile{Schema: machine.Schema, Name: name, Cores: 2, MemoryBytes: 1 << 30, Costs: jvm(mechanismsOf(machine.Mechanisms{Sockets: sockets}))}
			m, err := p.Build(k, name)
			require.NoError(t, err)
			n := k.NewNode(name)
			net.Attach(n, name)
			m.Host(n)
			m.Join(net, name)
			n.Start("main", func(e env.Env) {
				if name == "from" {
					c, err := e.Dial("to:1", time.Minute)
					require.NoError(t, err)
					for range 8 { // by then the congestion window is open
						_, err = c.Write(make([]byte, bytes))
						require.NoError(t, err)
						_, err = c.Read(make([]byte, 1))
						require.NoError(t, err)
					}
					return
				}
				l, err := e.Listen(":1")
				require.NoError(t, err)
				c, err := l.Accept()
				require.NoError(t, err)
				for range 8 {
					begun := e.Now()
					_, err = io.ReadFull(c, make([]byte, bytes))
					require.NoError(t, err)
					d = e.Now() - begun
					_, err = c.Write([]byte{1})
					require.NoError(t, err)
				}
			})
		}
		require.NoError(t, k.RunUntil(time.Hour))
		require.NoError(t, k.Close())
		return d
	}
	sockets := &machine.Sockets{BrokerBytes: 128 << 10, ClientBytes: 256 << 10, Source: machine.Source{What: "CPU costs, besides: buffers", Basis: "assumption", Source: "a test"}}
	whole := func(m machine.Mechanisms) machine.Mechanisms { return m }
	free := took(nil, whole)
	require.Less(t, free, 4*oneWay)
	broker, client := took(sockets, whole), took(sockets, machine.Mechanisms.OfClients)
	require.Greater(t, broker, 14*oneWay, "8 buffers, 7 round trips")
	require.Less(t, broker, 22*oneWay)
	require.Greater(t, client, 6*oneWay, "4 buffers, 3 round trips")
	require.Less(t, client, 10*oneWay)
}

func TestMechanismsCanBeSwitchedOff(t *testing.T) {
	all := jvm(machine.Mechanisms{HandOver: handOver, Collector: collector,
		Sockets: &machine.Sockets{BrokerBytes: 64 << 10, ClientBytes: 100 << 10}, Muting: &machine.Muting{}})
	for _, name := range machine.MechanismNames() {
		less, err := all.Without(name)
		require.NoError(t, err)
		require.NotEqual(t, all, less, name)
	}
	none, err := all.Without(machine.MechanismNames()...)
	require.NoError(t, err)
	require.Equal(t, machine.Mechanisms{}, none.Mechanisms)
	require.NotContains(t, none.Operations, "fetch.partition")
	require.Contains(t, all.Operations, "fetch.partition", "the table stays as it was")
	require.Len(t, all.Sources(), 5)
	_, err = all.Without("luck")
	require.ErrorContains(t, err, `no mechanism "luck"; use hand-over, collector, partitions, sockets, muting`)
}

func TestBadMechanismsAreNamed(t *testing.T) {
	const good = `{"name": "x", "operations": {"response": {"call_ns": 1}}, "source": {"what": "CPU costs", "basis": "assumption", "source": "s"}, "mechanisms": {` +
		`"hand_over": {"wait": [{"ppm": 0, "ns": 5}, {"ppm": 1000000, "ns": 5}], "times": {"response": 1}, "source": {"what": "w", "basis": "assumption", "source": "s"}}, ` +
		`"collector": {"name": "G1", "young_bytes": 9, "pause": [{"ppm": 0, "ns": 5}, {"ppm": 1000000, "ns": 5}], "allocates": {"response": {"call_bytes": 1}}, "source": {"what": "w", "basis": "assumption", "source": "s"}}}}`
	_, err := machine.ParseCosts([]byte(good))
	require.NoError(t, err)
	for _, c := range []struct{ old, now, names string }{
		{`"times": {"response": 1}`, `"times": {"talk": 1}`, `mechanisms.hand_over.times: there is no operation "talk"`},
		{`"times": {"response": 1}`, `"times": {"response": 99}`, "mechanisms.hand_over.times.response: 99 is not from 0 to 64"},
		{`"wait": [{"ppm": 0, "ns": 5}, {"ppm": 1000000, "ns": 5}]`, `"wait": []`, "mechanisms.hand_over.wait: has no points"},
		{`"young_bytes": 9`, `"young_bytes": 0`, "mechanisms.collector.young_bytes: 0 is not from 1 to 1125899906842624"},
		{`"young_bytes": 9`, `"young_bytes": 9223372036854775807`, "mechanisms.collector.young_bytes: 9223372036854775807 is not from"},
		{`"pause": [{"ppm": 0, "ns": 5}, {"ppm": 1000000, "ns": 5}]`, `"pause": [{"ppm": 0, "ns": 5}, {"ppm": 1000000, "ns": 9000000000000000000}]`, "mechanisms.collector.pause: 2500000h0m0s is more than 1m0s"},
		{`{"call_bytes": 1}`, `{"call_bytes": 1, "unit_permille": 9223372036854775807}`, "unit_permille from 0 to 1073741824"},
		{`{"call_bytes": 1}`, `{"call_bytes": -1}`, "mechanisms.collector.allocates.response: call_bytes must be from 0 to"},
		{`"allocates": {"response"`, `"allocates": {"rest"`, `there is no operation "rest"`},
		{`"hand_over": {`, `"sockets": {"broker_bytes": 1, "client_bytes": 9999, "source": {"what": "w", "basis": "assumption", "source": "s"}}, "hand_over": {`, "mechanisms.sockets: broker_bytes and client_bytes must be at least 4096"},
		{`"hand_over": {`, `"muting": {"source": {"what": "w", "basis": "assumption"}}, "hand_over": {`, "mechanisms.muting.source: what and source must both be given"},
	} {
		require.Contains(t, good, c.old)
		_, err := machine.ParseCosts([]byte(strings.Replace(good, c.old, c.now, 1)))
		require.ErrorContains(t, err, c.names)
	}
}
