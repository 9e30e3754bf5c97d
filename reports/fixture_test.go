package reports

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
)

// The fixture in testdata/quickstart is a result directory such as a run of
// the quickstart scenario leaves, made by writeFixture through the package's
// own writers: three brokers, six partitions, 44 s, four faults.

var fixtureStart = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

const ms = time.Millisecond

func fixtureFaults() []linearizability.Fault {
	return []linearizability.Fault{
		{Kind: "crash", Brokers: []int32{1}, Start: 8400 * ms, End: 13 * time.Second, Detail: "leader of orders-0 (broker-1) killed", Effect: "3 leaders moved"},
		{Kind: "power-loss", Brokers: []int32{2}, Start: 18200 * ms, End: 23100 * ms, Lossy: true, Detail: "broker-2 lost power", Effect: "1,482 pages and 2 names lost"},
		{Kind: "partition", Brokers: []int32{1, 3}, Start: 28900 * ms, End: 34600 * ms, Detail: "broker-1 cut from broker-3, both directions", Effect: "2,114 packets held"},
		{Kind: "slow-disk", Brokers: []int32{3}, Start: 36 * time.Second, End: 38500 * ms, Detail: "device of broker-3 20 times slower"},
	}
}

// stall is how long a produce request waits beyond its service time at a time.
func stall(at time.Duration) time.Duration {
	for _, s := range []struct{ from, until time.Duration }{
		{8400 * ms, 12100 * ms}, {18200 * ms, 20900 * ms}, {29 * time.Second, 30400 * ms}} {
		if at >= s.from && at < s.until {
			return s.until - at
		}
	}
	if at >= 36*time.Second && at < 38500*ms {
		return 35 * ms
	}
	return 0
}

func writeFixture(t testing.TB, dir string) {
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	const load, rate = 40 * time.Second, 420
	rnd := env.NewRand(42, "fixture", "latency")
	lat := NewLatency(create(LatencyFile), fixtureStart, time.Second)
	names := []string{"broker-1", "broker-2", "broker-3"}
	columns := []string{ColOffered, ColAcked, ColAckedBytes, ColFailed, ColUnknown, ColConsumed, ColConsumedBytes, ColLag}
	for _, n := range names {
		columns = append(columns, ColDiskWritten+":"+n, ColDiskSyncs+":"+n, ColNetSent+":"+n, ColCPU+":"+n, ColCredits+":"+n)
	}
	series, err := NewSeries(create(SeriesFile), columns...)
	require.NoError(t, err)
	type done struct{ at, took, late time.Duration }
	var all []done
	rows := make([]struct{ offered, acked, unknown, consumed int64 }, 45)
	for i := range int(load.Seconds() * rate) {
		at := time.Second + time.Duration(i)*time.Second/rate
		// Two multiplied uniforms give a skewed service time.
		service := 2200*time.Microsecond + time.Duration(rnd.Int64n(3000)*rnd.Int64n(3000))*ms/4_500_000
		if rnd.Chance(1, 120) {
			service += time.Duration(rnd.Int64n(40)) * ms
		}
		late := time.Duration(0)
		wait := stall(at)
		if wait > 0 && i%3 != 0 {
			wait = time.Duration(rnd.Int64n(int64(60 * ms))) // other leaders go on
		}
		if wait > 400*ms {
			late = wait * 2 / 5 // the producer's buffer was full: it sent late
		}
		all = append(all, done{at + wait + service, wait + service, late})
		rows[at/time.Second].offered++
	}
	// Records are noted when they are acknowledged.
	slices.SortStableFunc(all, func(a, b done) int { return int(a.at - b.at) })
	for _, d := range all {
		lat.Record(TagProduce, d.at, d.took, 1)
		lat.Record(TagProduceUncorrected, d.at, d.took-d.late, 1)
		lat.Record(TagEndToEnd, d.at, d.took+time.Duration(rnd.Int64n(int64(9*ms)))+ms, 1)
		rows[d.at/time.Second].acked++
		rows[min(44, (d.at+3*ms)/time.Second)].consumed++
	}
	require.NoError(t, lat.Close())
	lag := int64(0)
	for i, r := range rows {
		if i == 9 || i == 18 {
			r.unknown = 7
		}
		lag += r.acked - r.consumed
		values := []int64{r.offered, r.acked, r.acked * 900, 0, r.unknown, r.consumed, r.consumed * 900, lag}
		for b := range names {
			up := int64(1)
			if (b == 0 && i >= 8 && i < 13) || (b == 1 && i >= 18 && i < 23) {
				up = 0
			}
			v := up * r.acked
			values = append(values, v*940+up*rnd.Int64n(20000), up*(6+rnd.Int64n(4)), v*1900+up*rnd.Int64n(50000), v*41000+up*rnd.Int64n(4_000_000), max(0, 1_000_000-int64(i*(b+1))*11_000))
		}
		require.NoError(t, series.Row(time.Duration(i+1)*time.Second, values...))
	}
	require.NoError(t, series.Close())
	writeFixtureEvents(t, create(EventsFile))
	require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), []byte("name: quickstart\nseed: 0x2a\n"), 0o644))
	require.NoError(t, fixtureRun().Save(dir))
}

func writeFixtureEvents(t testing.TB, f *os.File) {
	events := NewEvents(f)
	state := make([]linearizability.PartitionState, 6)
	put := func(at time.Duration, p int, leader int32, isr ...int32) {
		s := &state[p]
		if leader != s.Leader {
			s.LeaderEpoch++
		}
		s.Topic, s.Partition, s.Time, s.Leader, s.Replicas, s.ISR = "orders", int32(p), at, leader, []int32{1, 2, 3}, isr
		s.PartitionEpoch++
		events.PartitionState(*s)
	}
	events.Write(Event{Time: 350 * ms, Node: "broker-1", Name: EventController, Attrs: map[string]any{"epoch": 1}})
	for p := range state {
		put(700*ms, p, int32(p%3+1), 1, 2, 3)
	}
	at := func(x float64) time.Duration { return time.Duration(math.Round(x*1000)) * ms }
	events.Write(Event{Time: at(9.1), Node: "broker-3", Name: EventController, Attrs: map[string]any{"epoch": 2}})
	put(at(12.0), 0, 2, 2, 3)
	put(at(12.0), 3, 3, 2, 3)
	for _, p := range []int{1, 2, 4, 5} {
		put(at(12.05), p, state[p].Leader, 2, 3)
	}
	for p := range state {
		put(at(14.2)+time.Duration(p)*40*ms, p, state[p].Leader, 1, 2, 3)
	}
	for p := range state {
		leader := state[p].Leader
		if leader == 2 {
			leader = 1
		}
		put(at(20.8), p, leader, 1, 3)
	}
	events.Write(Event{Time: at(23.4), Node: "broker-2", Name: EventRecovery, Attrs: map[string]any{"topic": "orders", "partition": 1, "end": 2210}})
	events.Write(Event{Time: at(24.1), Node: "broker-2", Name: EventTruncate, Attrs: map[string]any{"topic": "orders", "partition": 1, "from": 2210, "to": 2204}})
	for p := range state {
		put(at(25.3)+time.Duration(p)*30*ms, p, state[p].Leader, 1, 2, 3)
	}
	for p := range state {
		isr := []int32{1, 2}
		if state[p].Leader == 3 {
			isr = []int32{2, 3}
		}
		put(at(30.4)+time.Duration(p)*20*ms, p, state[p].Leader, isr...)
	}
	for p := range state {
		put(at(35.9)+time.Duration(p)*50*ms, p, state[p].Leader, 1, 2, 3)
	}
	require.NoError(t, events.Close())
}

func fixtureRun() *Run {
	checks := []linearizability.Check{
		{Code: "K2", Name: "acknowledged records survive", Status: linearizability.Pass, Inputs: 16786, Unit: "acknowledged records", Excused: 3},
		{Code: "K1", Name: "one offset, one record", Status: linearizability.Pass, Inputs: 67158, Unit: "observations"},
		{Code: "K5", Name: "what was read was committed and stays", Status: linearizability.Pass, Inputs: 33586, Unit: "records read"},
		{Code: "K3", Name: "no duplicates under idempotence", Status: linearizability.Pass, Inputs: 16786, Unit: "records in the log"},
		{Code: "K5", Name: "a definite error appended nothing", Status: linearizability.Pass, Unit: "records refused"},
		{Code: "LIN", Name: "the log is linearizable (exact check by offsets)", Status: linearizability.Pass, Inputs: 18211, Unit: "operations"},
		{Code: "K8", Name: "committed offsets are a linearizable register (Porcupine)", Status: linearizability.Pass, Inputs: 934, Unit: "operations"},
		{Code: "K11", Name: "replicas agree in the end", Status: linearizability.Pass, Inputs: 33572, Unit: "records compared"},
		{Code: "K12", Name: "every electable replica holds every committed record", Status: linearizability.Pass, Inputs: 39410, Unit: "replicas seen"},
	}
	r := &Run{
		Scenario: "quickstart", Seed: "0x2a", Target: "sim",
		Question: "Does a cluster with RF 3, acks=all and min.insync.replicas=2 keep every promise through crashes, a power loss and partitions?",
		Command:  "weir run quickstart --seed 0x2a",
		Started:  fixtureStart, Complete: true, ClusterTime: 44 * time.Second, WallTime: 6200 * ms, LoadStart: time.Second, WarmUp: 2 * time.Second, LoadEnd: 41 * time.Second,
		Throughput: &Throughput{From: 3 * time.Second, To: 41 * time.Second, Acked: 38 * 420, AckedBytes: 38 * 420 * 900, Late: 210},
		Events:     9_412_003, TraceHash: "5be0cd19137e2179", Rerun: "same",
		Provenance: Provenance{Version: "devel", Commit: "0c1d2e3f", Go: "go1.26.0", OS: "linux", Arch: "amd64", CPUs: 2},
		Models: []Model{{What: "disk latency", Name: "EBS gp3", Source: "specification: AWS EBS user guide", Checked: false},
			{What: "network latency", Name: "one availability zone", Source: "AWS documentation", Checked: false}},
		Settings: []Setting{{"partitions", "6"}, {"replication.factor", "3"}, {"topic: min.insync.replicas", "2"}, {"producer: acks", "all"},
			{"producer: enable.idempotence", "true"}, {"producer: linger.ms", "5"}, {"records per second", "420"}},
		Counters: []Counter{{"acknowledged records", 16786, ""}, {"records of unknown fate", 14, ""}, {"bytes acknowledged", 15_107_400, "B"}, {"longest election", 2_700_000_000, "ns"}},
		Validity: []Condition{{"the open loop kept its schedule", true, "the latest record was handed over 412µs after its time"}},
		Faults:   fixtureFaults(),
		Verdict: linearizability.Verdict{Status: linearizability.Pass, Checks: checks, Excused: []linearizability.Excuse{
			{Code: "K2", Topic: "orders", Partition: 4, First: 1911, Last: 1913, Count: 3, Reason: "acks=1 promises nothing beyond leader epoch 1, and epoch 2 began at offset 1911"}}},
	}
	for i := range 3 {
		r.Brokers = append(r.Brokers, Broker{ID: int32(i + 1), Name: fmt.Sprintf("broker-%d", i+1), Machine: "simulated", Storage: "EBS gp3"})
	}
	return r
}

// failed turns the fixture into a run that found the planted bug.
func failed(r *Run) {
	r.Planted = []string{"B1: followers truncate to their high watermark (KIP-101)"}
	r.Command = "weir run quickstart --seed 0x2a --plant B1"
	r.Rerun = ""
	r.Verdict.Status = linearizability.Failed
	r.Verdict.Excused = nil
	r.Verdict.Checks[0].Status, r.Verdict.Checks[0].Findings, r.Verdict.Checks[0].Excused = linearizability.Failed, 6, 0
	r.Verdict.Findings = []linearizability.Finding{
		{Code: "K2", Topic: "orders", Partition: 3, Offset: 1204, Time: 8391 * ms, Count: 6,
			Sentence: "offset 1204 of orders-3 was acknowledged to client 7 with acks=all at 8.391 s and is absent from the log after leader epoch 2",
			Evidence: []string{"sent by client 7 at 8.386 s (value 30064771277), acknowledged at 8.391 s by broker 1 after 1 attempt",
				"final log: broker 3 holds value 34359739573 of leader epoch 2 at offset 1204",
				"broker 3 became leader in epoch 2 at 12.000 s cleanly; electable brokers 2 and 3 had lost nothing since the record was sent (ISR [1 2 3], ELR [])",
				"also: offset 1205 at 8.391 s", "also: offset 1206 at 8.393 s"}},
		{Code: "K12", Topic: "orders", Partition: 3, Offset: 1204, Time: 12 * time.Second, Count: 1,
			Sentence: "broker 3 became leader of orders-3 in epoch 2 with its log ending at offset 1204, but everything below 1210 was committed, seen at 12.000 s"},
	}
}
