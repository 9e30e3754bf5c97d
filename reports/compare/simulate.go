package compare

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
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
	dirty        int // percent
	window       time.Duration
}

// warmUp is excluded from figures: connections, first batches, and with them
// the time until throttled writers have found their pace.
const warmUp = time.Second

// scenario is the run of a trial on a configuration.
func (p Plan) scenario(c Configuration, t trial) *scenario.Scenario {
	storage := c.Class()
	s := &scenario.Scenario{
		Name:     "compare-" + strings.ReplaceAll(c.Name(), ".", "-") + "-" + t.name,
		Seed:     p.Seed,
		Recovery: time.Minute,
		Cluster: scenario.Cluster{
			Brokers: p.Brokers, Storage: storage, Machine: c.Instance, Costs: p.Costs, DirtyPercent: t.dirty,
			Properties: scenario.Properties{
				"min.insync.replicas":              strconv.Itoa(p.MinISR),
				"offsets.topic.num.partitions":     "3",
				"group.initial.rebalance.delay.ms": "0",
			},
		},
		Topic: scenario.Topic{
			Name: "load", Partitions: scenario.Exactly(int64(p.Partitions)), ReplicationFactor: p.ReplicationFactor,
			Configs: scenario.Properties{"min.insync.replicas": strconv.Itoa(p.MinISR)},
		},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(warmUp + t.window), WarmUp: warmUp, History: scenario.HistoryBatches,
			Producers: scenario.Producers{
				Count: p.Producers, RecordSize: scenario.Exactly(p.RecordBytes), Partitioner: scenario.PartitionerSticky,
				Properties: p.producer(),
			},
			Consumers: scenario.Consumers{Count: p.Consumers},
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
	m.Costs, err = machine.CostTable(p.Costs)
	return &m, err
}

// simulate runs a trial.
func (p Plan) simulate(ctx context.Context, c Configuration, t trial) (*Figures, error) {
	m, err := p.profile(c, t.creditsSpent)
	if err != nil {
		return nil, err
	}
	run, err := measure.Run(ctx, p.scenario(c, t), measure.Target{Kind: measure.Sim, Options: workloads.Options{Machine: m}})
	if err != nil {
		return nil, fmt.Errorf("%v, %s: %w", c, t.name, err)
	}
	f := figures(run)
	f.Fsync, f.Requested, f.CreditsSpent = t.fsync, t.load, t.creditsSpent
	return f, nil
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
	brokers := slices.DeleteFunc(slices.Clone(m.Machines), func(u workloads.Usage) bool { return !strings.HasPrefix(u.Name, "broker") })
	f.look(brokers)
	return f
}

// look finds what the brokers' machines were busy with.
func (f *Figures) look(brokers []workloads.Usage) {
	if len(brokers) == 0 {
		return
	}
	held := map[string]time.Duration{}
	most := map[string]int64{}
	for _, u := range brokers {
		d := &f.Demand
		d.WriteBytes += per(u.DiskWrittenBytes, u.Over)
		d.WriteIOs += per(u.DiskWriteIOs, u.Over)
		d.InBytes += per(u.NetReceivedBytes, u.Over)
		d.OutBytes += per(u.NetSentBytes, u.Over)
		for _, l := range u.Limits {
			most[l.Name] = max(most[l.Name], l.Percent())
		}
		for _, h := range u.Held {
			held[h.Limit] += h.For
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
	f.Bottleneck = bottleneck(f.Used, held)
}

// busy is from how many percent of a limit on it may be what holds back.
const busy = 85

// bottleneck names what held a cluster back. A volume's limits say so
// themselves; others are told by how much of them was used.
func bottleneck(used []LimitUse, held map[string]time.Duration) string {
	top := LimitUse{}
	if len(used) > 0 {
		top = used[0]
	}
	if top.Percent >= busy && !strings.HasPrefix(top.Name, "disk") {
		return top.Name
	}
	limit, longest := "", time.Duration(0)
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if held[name] > longest {
			limit, longest = name, held[name]
		}
	}
	switch {
	case limit != "" && (top.Percent >= busy || top.Name == ""):
		return limit
	case top.Percent >= busy:
		return top.Name
	}
	return waiting
}

// waiting is the bottleneck of a cluster that used up no limit.
const waiting = "latency of the acknowledgements in flight"

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
