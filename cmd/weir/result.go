package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

const (
	statusFailed  = linearizability.Failed
	statusUnknown = linearizability.Unknown
)

func now() time.Time { return time.Now() }

// result is a result directory being written. It is the run's Sink.
type result struct {
	dir     string
	files   []*os.File
	buffers []*bufio.Writer
	history *bufio.Writer

	latency *reports.Latency
	series  *reports.Series
	events  *reports.Events
	brokers int
	rowErr  error
}

// resultDir is the directory of a run: out/<scenario>/<time>-<seed>.
func resultDir(out string, s *scenario.Scenario, started time.Time) string {
	return filepath.Join(out, s.Name, started.UTC().Format("20060102T150405.000")+"-"+s.Seed.String())
}

// newResult makes a result directory and opens its files.
func newResult(dir string, s *scenario.Scenario, started time.Time) (*result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("result directory: %w", err)
	}
	plan, err := s.YAML()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, reports.PlanFile), plan, 0o644); err != nil {
		return nil, err
	}
	r := &result{dir: dir, brokers: int(s.Cluster.Brokers.Value())}
	writers := map[string]*bufio.Writer{}
	for _, name := range []string{reports.HistoryFile, reports.LatencyFile, reports.SeriesFile, reports.EventsFile} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, r.closeFiles())
		}
		r.files = append(r.files, f)
		writers[name] = bufio.NewWriterSize(f, 256<<10)
		r.buffers = append(r.buffers, writers[name])
	}
	r.history = writers[reports.HistoryFile]
	r.latency = reports.NewLatency(writers[reports.LatencyFile], started, time.Second)
	r.events = reports.NewEvents(writers[reports.EventsFile])
	r.series, err = reports.NewSeries(writers[reports.SeriesFile], seriesColumns(s)...)
	return r, err
}

func seriesColumns(s *scenario.Scenario) []string {
	columns := []string{
		reports.ColOffered, reports.ColAcked, reports.ColAckedBytes, reports.ColFailed, reports.ColUnknown,
		reports.ColConsumed, reports.ColConsumedBytes, reports.ColLag,
	}
	for _, name := range s.BrokerNames() {
		columns = append(columns, reports.ColDiskWritten+":"+name, reports.ColDiskSyncs+":"+name, reports.ColNetSent+":"+name, reports.ColCPU+":"+name, reports.ColCredits+":"+name)
	}
	return columns
}

// Latency implements workloads.Sink.
func (r *result) Latency(tag string, at, d time.Duration, n int64) {
	r.latency.Record(tag, at, d, n)
}

// Row implements workloads.Sink.
func (r *result) Row(at time.Duration, row workloads.Row) {
	values := []int64{row.Offered, row.Acked, row.AckedBytes, row.Failed, row.Unknown, row.Consumed, row.ConsumedBytes, row.Lag}
	for i := range r.brokers {
		var b target.BrokerRow
		if i < len(row.Brokers) {
			b = row.Brokers[i]
		}
		credits := int64(-1)
		if b.HasCredits {
			credits = b.CreditsPPM
		}
		values = append(values, b.DiskWrittenBytes, b.DiskSyncs, b.NetSentBytes, int64(b.CPU), credits)
	}
	if err := r.series.Row(at, values...); err != nil && r.rowErr == nil {
		r.rowErr = err
	}
}

// Event implements workloads.Sink.
func (r *result) Event(node string, at time.Duration, name string, attrs []env.Attr) {
	ev := reports.Event{Time: at, Node: node, Name: name}
	if len(attrs) > 0 {
		ev.Attrs = make(map[string]any, len(attrs))
	}
	for _, a := range attrs {
		if a.IsText {
			ev.Attrs[a.Key] = a.Text
		} else {
			ev.Attrs[a.Key] = a.Int
		}
	}
	r.events.Write(ev)
}

// PartitionState implements workloads.Sink.
func (r *result) PartitionState(p linearizability.PartitionState) { r.events.PartitionState(p) }

// close writes what is buffered. Errors of any file are reported together.
func (r *result) close() error {
	errs := []error{r.rowErr, r.latency.Close(), r.series.Close(), r.events.Close()}
	for _, b := range r.buffers {
		errs = append(errs, b.Flush())
	}
	return errors.Join(append(errs, r.closeFiles())...)
}

// finish writes what the run came to, and the report.
func (r *result) finish(record runRecord, o *workloads.Outcome, wall time.Duration) error {
	record.fill(o, wall)
	if err := errors.Join(r.close(), record.Save(r.dir)); err != nil {
		return err
	}
	if err := reports.Write(r.dir); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (r *result) closeFiles() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files = nil
	return errors.Join(errs...)
}

// runRecord is run.json on its way.
type runRecord struct{ *reports.Run }

func newRun(s *scenario.Scenario, target string, started time.Time, planted []faults.Bug) runRecord {
	r := &reports.Run{
		Scenario:    s.Name,
		Question:    s.Question,
		Seed:        s.Seed.String(),
		Target:      target,
		Started:     started,
		Interrupted: "the run did not come to its end",
		Provenance:  provenance(),
		Settings:    settings(s),
		WarmUp:      s.Load.WarmUp,
		History:     linearizability.Recording{Mode: linearizability.RecordingMode(s.Load.History), Every: s.Load.SampleEvery},
		Verdict:     linearizability.Verdict{Status: statusUnknown},
	}
	for _, bug := range planted {
		r.Planted = append(r.Planted, bug.ID+": "+bug.About)
	}
	for i, name := range s.BrokerNames() {
		b := reports.Broker{ID: int32(i + 1), Name: name, Machine: "a process on this machine"}
		switch target {
		case targetLocal:
		case targetApacheKafka:
			b.Machine = "a process of Apache Kafka on this machine"
		default:
			b.Machine = "not known"
		case targetSim:
			b.Machine, b.Storage = "simulated", simtarget.StorageName(s.Cluster)
			if s.Cluster.Machine != "" {
				b.Machine = "simulated " + s.Cluster.Machine
			}
		}
		r.Brokers = append(r.Brokers, b)
	}
	if target == targetSim {
		for _, m := range simtarget.Models(s, nil) {
			r.Models = append(r.Models, reports.Model(m))
		}
	}
	return runRecord{r}
}

// fill adds what the run came to.
func (r runRecord) fill(o *workloads.Outcome, wall time.Duration) {
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

// settings lists what was set, by Kafka's names. Where there are several topics
// or programs of a kind, each setting says whose it is.
func settings(s *scenario.Scenario) []reports.Setting {
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

// provenance is what this program was built from and runs on.
func provenance() reports.Provenance {
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
