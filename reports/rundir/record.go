package rundir

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// Targets of a run, as run.json names them.
const (
	TargetSim         = "sim"
	TargetLocal       = "local"
	TargetApacheKafka = "apache-kafka"
)

// Record is run.json on its way.
type Record struct{ *reports.Run }

// NewRun is what run.json says of a run that has begun.
func NewRun(s *scenario.Scenario, target string, started time.Time, planted []faults.Bug) Record {
	r := &reports.Run{
		Scenario:    s.Name,
		Question:    s.Question,
		Seed:        s.Seed.String(),
		Target:      target,
		Started:     started,
		Interrupted: "the run did not come to its end",
		Provenance:  Provenance(),
		Settings:    Settings(s),
		WarmUp:      s.Load.WarmUp,
		History:     linearizability.Recording{Mode: linearizability.RecordingMode(s.Load.History), Every: s.Load.SampleEvery},
		Verdict:     linearizability.Verdict{Status: linearizability.Unknown},
	}
	for _, bug := range planted {
		r.Planted = append(r.Planted, bug.ID+": "+bug.About)
	}
	for i, name := range s.BrokerNames() {
		b := reports.Broker{ID: int32(i + 1), Name: name, Machine: "a process on this machine"}
		switch target {
		case TargetLocal:
		case TargetApacheKafka:
			b.Machine = "a process of Apache Kafka on this machine"
		case TargetSim:
			b.Machine, b.Storage = "simulated", simtarget.StorageName(s.Cluster)
			if s.Cluster.Machine != "" {
				b.Machine = "simulated " + s.Cluster.Machine
			}
		default:
			b.Machine = "not known"
		}
		r.Brokers = append(r.Brokers, b)
	}
	if target == TargetSim {
		for _, m := range simtarget.Models(s, nil) {
			r.Models = append(r.Models, reports.Model(m))
		}
	}
	return Record{r}
}

// fill adds what the run came to.
func (r Record) fill(o *workloads.Outcome, wall time.Duration) {
	r.Complete, r.Interrupted = o.Complete, o.Interrupted
	r.ClusterTime, r.WallTime, r.LoadStart, r.LoadEnd = o.ClusterTime, wall, o.LoadStart, o.LoadEnd
	r.Faults, r.Verdict = o.Faults, o.Verdict
	if o.Throughput.To > o.Throughput.From {
		r.Throughput = (*reports.Throughput)(&o.Throughput)
	}
	if o.Trace.Steps > 0 {
		r.Events = int64(o.Trace.Steps)
		r.TraceHash = fmt.Sprintf("%016x", o.Trace.Hash)
	}
	r.Counters = []reports.Counter{
		{Name: "acknowledged records", Value: o.Acked},
		{Name: "failed records", Value: o.Failed},
		{Name: "records of unknown fate", Value: o.Unknown},
		{Name: "consumed records", Value: o.Consumed},
		{Name: "operations in the history", Value: o.Operations},
	}
	if o.Trace.Steps > 0 {
		r.Counters = append(r.Counters,
			reports.Counter{Name: "task switches", Value: int64(o.Stats.Switches)},
			reports.Counter{Name: "tasks started", Value: o.Stats.TasksStarted},
			reports.Counter{Name: "process crashes", Value: o.Stats.Crashes})
	}
	const tolerance = 10 * time.Millisecond
	r.Validity = append(r.Validity, reports.Condition{
		Name: "the open loop kept its schedule",
		Met:  o.LateBy <= tolerance,
		Note: fmt.Sprintf("the latest record was handed over %v after its time", o.LateBy.Round(time.Microsecond)),
	})
	for _, note := range o.Missed {
		r.Validity = append(r.Validity, reports.Condition{Name: "every fault of the plan happened", Note: note})
	}
	for _, f := range o.Faults {
		if f.Idle {
			r.Validity = append(r.Validity, reports.Condition{Name: "every fault of the plan had an effect",
				Note: fmt.Sprintf("%s of %s at %v had none", f.Kind, f.Detail, f.Start.Round(time.Millisecond))})
		}
	}
	if o.Blind != "" {
		r.Validity = append(r.Validity, reports.Condition{Name: "invariants over the brokers' own state were checked", Note: o.Blind})
	}
}

// Settings lists what was set, by Kafka's names. Where there are several topics
// or programs of a kind, each setting says whose it is.
func Settings(s *scenario.Scenario) []reports.Setting {
	var list []reports.Setting
	set := func(whose, name string, value any) {
		list = append(list, reports.Setting{Name: whose + name, Value: fmt.Sprint(value)})
	}
	add := func(prefix string, p scenario.Properties) {
		for _, name := range p.Names() {
			set(prefix, name, p[name])
		}
	}
	topics := s.TopicsUnderLoad()
	// whose says which topic a setting is of, if there are several.
	whose := func(t scenario.Topic, alone string) string {
		if len(topics) == 1 {
			return alone
		}
		return "topic " + t.Name + ": "
	}
	for _, t := range topics {
		set(whose(t, ""), "partitions", t.Partitions.Value())
		set(whose(t, ""), "replication.factor", t.ReplicationFactor.Value())
	}
	set("", "producers", scenario.Count[*scenario.Producers](s.Load))
	set("", "consumers", scenario.Count[*scenario.Consumers](s.Load))
	set("", "committers", scenario.Count[*scenario.Committers](s.Load))
	if n := scenario.Count[*scenario.Members](s.Load); n > 0 {
		set("", "members who come and go", n)
	}
	if n := scenario.Count[*scenario.Seekers](s.Load); n > 0 {
		set("", "seekers", n)
	}
	if n := scenario.Count[*scenario.Administrators](s.Load); n > 0 {
		set("", "administrators", n)
	}
	if n := scenario.Count[*scenario.Balancers](s.Load); n > 0 {
		set("", "balancers", n)
	}
	if n := scenario.Count[*scenario.Transfers](s.Load); n > 0 {
		set("", "clients that transfer", n)
	}
	if n := scenario.Count[*scenario.Pipelines](s.Load); n > 0 {
		set("", "members of pipelines", n)
	}
	if n := scenario.Count[*scenario.Sharers](s.Load); n > 0 {
		set("", "members of share groups", n)
	}
	producers := scenario.Of[*scenario.Producers](s.Load)
	for i, p := range producers {
		which := programOf(producers, i, "producers", "")
		if len(producers) > 1 {
			set(which, "count", p.Clients())
		}
		set(which, "records per second", p.Rate.Value())
		set(which, "record size in bytes", p.RecordSize.Value())
		if p.Arrivals != "" {
			set(which, "arrivals", p.Arrivals)
		}
	}
	set("", "history", recording(s.Load))
	for _, t := range topics {
		add(whose(t, "topic: "), t.Configs)
	}
	add("broker: ", s.Cluster.Properties)
	add("client: ", s.Load.Properties)
	for i, p := range producers {
		add(programOf(producers, i, "producers", "producer: "), p.Properties)
	}
	consumers := scenario.Of[*scenario.Consumers](s.Load)
	for i, c := range consumers {
		add(programOf(consumers, i, "consumers", "consumer: "), c.Properties)
	}
	return list
}

// programOf says which of a kind's programs a setting is of: alone if there is
// one.
func programOf[Kind scenario.Clients](all []Kind, i int, kind, alone string) string {
	switch on := all[i].On(); {
	case len(all) == 1:
		return alone
	case on == "":
		return fmt.Sprintf("%s %d: ", kind, i+1)
	default:
		return fmt.Sprintf("%s %d on %s: ", kind, i+1, on)
	}
}

// recording says how much of what clients did is in the history.
func recording(l scenario.Load) string {
	return linearizability.Recording{Mode: linearizability.RecordingMode(l.History), Every: l.SampleEvery}.String()
}

// Provenance is what this program was built from and runs on.
func Provenance() reports.Provenance {
	p := reports.Provenance{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return p
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		p.Version = v
	}
	setting := func(key string) string {
		i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
		if i < 0 {
			return ""
		}
		return info.Settings[i].Value
	}
	p.Commit = setting("vcs.revision")
	if p.Commit != "" && setting("vcs.modified") == "true" {
		p.Commit += "-dirty"
	}
	return p
}
