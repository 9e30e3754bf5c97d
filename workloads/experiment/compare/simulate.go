package compare

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Figures are what one simulation of a cluster came to.
type Figures struct {
	// Fsync tells that every batch was synced before it was acknowledged
	// (flush.messages=1).
	Fsync bool `json:"fsync"`
	// Requested is the load in bytes of record values per second, 0 for as much
	// as the cluster takes.
	Requested int64 `json:"requested_bytes_per_s,omitempty"`
	// CreditsSpent tells that all burst credits were gone at the start.
	CreditsSpent bool `json:"credits_spent,omitempty"`

	Acked    int64 `json:"acked_bytes_per_s"`
	Consumed int64 `json:"consumed_bytes_per_s"`
	// Latency from the intended sending of a record to its acknowledgement, and
	// to its arrival at a consumer.
	Produce  []Quantile `json:"produce"`
	EndToEnd []Quantile `json:"end_to_end,omitempty"`
	// Seconds are the seconds of the run, warm-up included.
	Seconds []Second `json:"seconds"`

	// Bottleneck is the limit that was closest to its end on a broker.
	Bottleneck string `json:"bottleneck"`
	// Used are the limits of the busiest broker, in percent.
	Used []LimitUse `json:"used"`
	// Demand is what a broker asked of its machine, on average.
	Demand Demand `json:"demand"`

	// Broken are the conditions of validity that were not met.
	Broken []string `json:"broken,omitempty"`

	WarmUp    time.Duration `json:"warm_up"`
	Window    time.Duration `json:"window"`
	TraceHash string        `json:"trace_hash"`
	Events    int64         `json:"events"`
	Wall      time.Duration `json:"wall"`
}

// Quantile is a point of a distribution of latencies.
type Quantile struct {
	Percent float64       `json:"percent"`
	Latency time.Duration `json:"ns"`
}

// Second is a second of a run.
type Second struct {
	At    time.Duration `json:"at"` // when it ended, since the load began
	Acked int64         `json:"acked_bytes"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
}

// LimitUse is how much of a limit was used.
type LimitUse struct {
	Name    string `json:"name"`
	Percent int64  `json:"percent"`
}

// At is the latency at a percentile of the distribution, 0 if it has none.
func At(q []Quantile, percent float64) time.Duration {
	for _, p := range q {
		if p.Percent >= percent {
			return p.Latency
		}
	}
	return 0
}

// percentiles are those that are kept of a distribution.
var percentiles = []float64{1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 98.5, 99, 99.25, 99.5, 99.75, 99.9, 99.95, 99.99}

// trial is what a simulation is asked.
type trial struct {
	name         string
	fsync        bool
	load         int64 // bytes per second, 0 to saturate
	creditsSpent bool
	// settled starts with page caches as they are after hours of a load that is
	// more than the disks take.
	settled bool
	window  time.Duration
}

// warmUp is excluded from figures: connections, first batches, and with them
// the time until throttled writers have found their pace.
const warmUp = time.Second

// warmUp of a run whose page caches have to settle is longer.
func (t trial) warmUp() time.Duration {
	if t.settled {
		return 2 * warmUp
	}
	return warmUp
}

func (t trial) dirtyPercent() int {
	if t.settled {
		return machine.SetPoint
	}
	return 0
}

// settledSeconds is for how many seconds of writing there are dirty pages in a
// machine that is to settle within its warm-up.
const settledSeconds = 2

// settledBytes is the least that may be dirty in such a machine: with less,
// write-back would come in smaller pieces than it does in a large cache.
const settledBytes = 256 << 20

// settle makes the page cache of a machine so small.
func (c Configuration) settle(m *machine.Profile, creditsSpent bool) error {
	l, err := c.limits()
	if err != nil {
		return err
	}
	*m = m.WithDirtyLimit(max(settledBytes, settledSeconds*l.writing(creditsSpent)))
	return nil
}

// writing is what the disks write per second.
func (m *limits) writing(creditsSpent bool) int64 {
	if m.volume == nil {
		return m.disks[0].Limits().WriteThroughput.Baseline * int64(len(m.disks))
	}
	volume := m.volume.Volume().Limits().Throughput
	pipe, _ := m.EBSRules()
	if creditsSpent {
		return min(volume.Baseline, pipe.Baseline)
	}
	return min(volume.Burst, pipe.Burst)
}

// scenario is the run of a trial on a configuration.
func (p Plan) scenario(c Configuration, t trial) *scenario.Scenario {
	storage := c.Class()
	s := &scenario.Scenario{
		Name:     "compare-" + strings.ReplaceAll(c.Name(), ".", "-") + "-" + t.name,
		Seed:     p.Seed,
		Recovery: time.Minute,
		Cluster: scenario.Cluster{
			Brokers: scenario.Exactly(int64(p.Brokers)), Storage: storage, Machine: c.Instance, Costs: p.Costs, DirtyPercent: t.dirtyPercent(),
			Properties: scenario.Properties{
				"min.insync.replicas":              strconv.Itoa(p.MinISR),
				"offsets.topic.num.partitions":     "3",
				"group.initial.rebalance.delay.ms": "0",
			},
		},
		Topic: scenario.Topic{
			Name: "load", Partitions: scenario.Exactly(int64(p.Partitions)), ReplicationFactor: scenario.Exactly(int64(p.ReplicationFactor)),
			Configs: scenario.Properties{"min.insync.replicas": strconv.Itoa(p.MinISR)},
		},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(t.warmUp() + t.window), WarmUp: t.warmUp(), History: scenario.HistoryBatches,
			Producers: scenario.Producers{
				Count: scenario.Exactly(int64(p.Producers)), RecordSize: scenario.Exactly(p.RecordBytes), Partitioner: scenario.PartitionerSticky,
				Properties: p.producer(),
			},
			Consumers: scenario.Consumers{Count: scenario.Exactly(int64(p.Consumers))},
		},
	}
	if c.Volume != nil {
		s.Cluster.Volume = scenario.Volume{SizeGiB: c.Volume.GiB, IOPS: c.Volume.IOPS, ThroughputMiBps: c.Volume.MiBps}
	}
	if t.fsync {
		s.Topic.Configs["flush.messages"] = "1"
	}
	if t.load == 0 {
		s.Load.Producers.Arrivals = scenario.ArrivalsSaturate
	} else {
		s.Load.Producers.Rate = scenario.Exactly(max(1, t.load/p.RecordBytes))
	}
	if p.Groups > 1 { // each reads everything: a program of its own
		producers, consumers := s.Load.Producers, s.Load.Consumers
		s.Load.Programs = []scenario.Program{{Producers: &producers}}
		for range p.Groups {
			s.Load.Programs = append(s.Load.Programs, scenario.Program{Consumers: &consumers})
		}
		s.Load.Producers, s.Load.Consumers = scenario.Producers{}, scenario.Consumers{}
	}
	return s
}

// producer is how producers are set up: for throughput, and safe.
func (p Plan) producer() scenario.Properties {
	return scenario.Properties{"acks": "all", "enable.idempotence": "true", "batch.size": strconv.FormatInt(p.BatchBytes, 10), "linger.ms": strconv.FormatInt(p.Linger.Milliseconds(), 10)}
}

// profile is the machine of a configuration.
func (p Plan) profile(c Configuration, creditsSpent bool) (*machine.Profile, error) {
	s := machine.Storage{Class: machine.InstanceStore}
	if c.Volume != nil {
		s = machine.Storage{Class: c.Volume.Class, GiB: c.Volume.GiB, IOPS: c.Volume.IOPS, MiBps: c.Volume.MiBps}
	}
	if creditsSpent {
		s.CreditsSpent = 100
	}
	m, err := machine.EC2(c.Instance, s)
	if err != nil {
		return nil, err
	}
	costs, err := machine.CostTable(p.Costs)
	m = m.WithCosts(costs)
	return &m, err
}

// simulate runs a trial.
func (p Plan) simulate(ctx context.Context, c Configuration, t trial) (*Figures, error) {
	m, err := p.profile(c, t.creditsSpent)
	if err == nil && t.settled {
		err = c.settle(m, t.creditsSpent)
	}
	if err != nil {
		return nil, err
	}
	run, err := measure.Run(ctx, p.scenario(c, t), measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: m}})
	if err != nil {
		return nil, fmt.Errorf("%v, %s: %w", c, t.name, err)
	}
	f := figures(run)
	f.look(brokersOf(run), c, t.creditsSpent)
	f.Fsync, f.Requested, f.CreditsSpent = t.fsync, t.load, t.creditsSpent
	return f, nil
}

// AtLoad simulates the cluster of the plan at its load on a configuration,
// with all burst credits or with none, which is what limits sustain.
func (p Plan) AtLoad(ctx context.Context, c Configuration, fsync, creditsSpent bool) (*Figures, error) {
	return p.simulate(ctx, c, trial{name: "load", fsync: fsync, load: p.LoadBytesPerSecond, creditsSpent: creditsSpent, window: patience * p.Window})
}

// Ceiling simulates the same with producers that send as fast as they can.
func (p Plan) Ceiling(ctx context.Context, c Configuration, fsync, creditsSpent bool) (*Figures, error) {
	return p.simulate(ctx, c, trial{name: "ceiling", fsync: fsync, settled: !fsync, creditsSpent: creditsSpent, window: p.Window})
}

func figures(m *measure.Measurement) *Figures {
	f := &Figures{
		Acked: int64(m.AckedBytesPerSecond), Consumed: int64(m.ConsumedBytesPerSecond),
		Produce: quantiles(m.Produce), EndToEnd: quantiles(m.EndToEnd),
		WarmUp: m.WarmUp, Window: m.Window, TraceHash: m.TraceHash, Events: m.Events, Wall: m.Wall,
	}
	for _, s := range m.Rows {
		if s.At <= 0 || s.At > m.WarmUp+m.Window+time.Second/2 {
			continue
		}
		f.Seconds = append(f.Seconds, Second{At: s.At, Acked: s.AckedBytes, P50: s.P50, P99: s.P99})
	}
	for _, c := range m.Validity {
		if !c.Met {
			f.Broken = append(f.Broken, "not met: "+c.Name+" ("+c.Note+")")
		}
	}
	return f
}

// brokersOf are the machines of the brokers.
func brokersOf(m *measure.Measurement) []target.Usage {
	return slices.DeleteFunc(slices.Clone(m.Machines), func(u target.Usage) bool { return !strings.HasPrefix(u.Name, "broker") })
}

// look finds what the brokers' machines were busy with.
func (f *Figures) look(brokers []target.Usage, c Configuration, creditsSpent bool) {
	if len(brokers) == 0 {
		return
	}
	most := map[string]int64{}
	for _, u := range brokers {
		d := Demand{
			WriteBytes: per(u.DiskWrittenBytes, u.Over), WriteIOs: per(u.DiskWriteIOs, u.Over),
			InBytes: per(u.NetReceivedBytes, u.Over), OutBytes: per(u.NetSentBytes, u.Over),
		}
		f.Demand.add(d)
		for _, l := range u.Limits {
			if l.Name == target.LimitProcessor {
				most[l.Name] = max(most[l.Name], l.Percent())
			}
		}
		reads := Demand{WriteBytes: per(u.DiskReadBytes, u.Over), WriteIOs: per(u.DiskReadIOs, u.Over)}
		for _, l := range c.used(d, reads, creditsSpent) {
			most[l.Name] = max(most[l.Name], l.Percent)
		}
	}
	n := int64(len(brokers))
	f.Demand = Demand{f.Demand.WriteBytes / n, f.Demand.WriteIOs / n, f.Demand.InBytes / n, f.Demand.OutBytes / n}
	for name, percent := range most {
		f.Used = append(f.Used, LimitUse{name, percent})
	}
	slices.SortFunc(f.Used, func(a, b LimitUse) int {
		return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(a.Name, b.Name))
	})
	f.Bottleneck = waiting
	if len(f.Used) > 0 && f.Used[0].Percent >= busy {
		f.Bottleneck = f.Used[0].Name
	}
}

func (d *Demand) add(o Demand) {
	d.WriteBytes += o.WriteBytes
	d.WriteIOs += o.WriteIOs
	d.InBytes += o.InBytes
	d.OutBytes += o.OutBytes
}

// used is how much of each limit of a machine its demand takes, while credits
// last or without them.
func (c Configuration) used(writes, reads Demand, creditsSpent bool) []LimitUse {
	m, err := c.limits()
	if err != nil {
		return nil // it was simulated, so there is one
	}
	var all []LimitUse
	add := func(r ec2.Rule, name string, times, n int64) {
		limit := r.Burst
		if creditsSpent {
			limit = r.Baseline
		}
		all = append(all, LimitUse{name, 100 * n / max(1, limit*times)})
	}
	if m.volume != nil {
		l := m.volume.Volume().Limits()
		ios, bytes := writes.WriteIOs+reads.WriteIOs, writes.WriteBytes+reads.WriteBytes
		pipe, pipeIOs := m.EBSRules()
		add(l.IOPS, l.IOPS.Name, 1, ios)
		add(pipe, pipe.Name, 1, bytes)
		add(pipeIOs, pipeIOs.Name, 1, ios)
		if l.WholeBlocks {
			bytes = max(bytes, ios*l.MergeBytes)
		}
		add(l.Throughput, l.Throughput.Name, 1, bytes)
	} else {
		l, n := m.disks[0].Limits(), int64(len(m.disks))
		add(l.WriteIOPS, l.WriteIOPS.Name, n, writes.WriteIOs)
		add(l.WriteThroughput, l.WriteThroughput.Name, n, writes.WriteBytes)
		add(l.ReadIOPS, l.ReadIOPS.Name, n, reads.WriteIOs)
		add(l.ReadThroughput, l.ReadThroughput.Name, n, reads.WriteBytes)
	}
	add(m.NetworkRule(), networkIn, 1, writes.InBytes)
	add(m.NetworkRule(), networkOut, 1, writes.OutBytes)
	return all
}

// busy is from how many percent of a limit on it is what holds back.
const busy = 85

// waiting is the bottleneck of a cluster that used up no limit.
const waiting = "waiting for acknowledgements"

func per(n int64, over time.Duration) int64 {
	if over <= 0 {
		return 0
	}
	return int64(float64(n) / over.Seconds())
}

func quantiles(d measure.Distribution) []Quantile {
	if d.Count() == 0 {
		return nil
	}
	var all []Quantile
	for _, p := range percentiles {
		all = append(all, Quantile{p, d.P(p)})
	}
	return all
}
