package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// Run runs a scenario, which must be explicit, and measures it. A run that did
// not come to its end is an error, and so is one that found a promise broken:
// nobody wants figures of a broken cluster.
func Run(ctx context.Context, s *scenario.Scenario, t Target) (*Measurement, error) {
	var run func(context.Context, workloads.Options) (*workloads.Outcome, error)
	switch t.Kind {
	case Sim:
		run = workloads.RunSim
	case Local:
		run = workloads.RunLocal
	default:
		return nil, fmt.Errorf("measure: there is no target %q; use %s or %s", t.Kind, Sim, Local)
	}
	if err := measurable(s); err != nil {
		return nil, fmt.Errorf("measuring %s: %w", s.Name, err)
	}
	sink := newSink(s)
	if t.Detailed {
		sink.detail = &detail{}
	}
	o := t.Options
	o.Scenario, o.Sink, o.History, o.Brief = s, sink, nil, !t.Judged
	started := time.Now()
	out, err := run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("measuring %s: %w", s.Name, err)
	}
	if !out.Complete {
		return nil, fmt.Errorf("measuring %s: %s", s.Name, out.Interrupted)
	}
	if len(out.Verdict.Findings) > 0 {
		return nil, fmt.Errorf("measuring %s: %w", s.Name, findingsError(out.Verdict.Findings))
	}
	m := sink.measurement(s, out)
	m.Target, m.Wall = t.Kind, time.Since(started)
	if t.Kind == Sim {
		m.Models = simtarget.Models(s, o.Machine)
		m.TraceHash = fmt.Sprintf("%016x", out.Trace.Hash)
		m.Events = int64(out.Trace.Steps)
	}
	if t.Judged {
		m.Verdict = string(out.Verdict.Status)
	}
	return m, nil
}

func findingsError(findings []linearizability.Finding) error {
	var sentences []string
	for _, f := range findings {
		sentences = append(sentences, f.Code+": "+f.Sentence)
	}
	return errors.New(strings.Join(sentences, "; "))
}

// sink keeps what a run tells. The local target calls it from many goroutines.
type sink struct {
	warmUp, duration time.Duration
	saturate         bool

	mu     sync.Mutex
	origin time.Duration // when the load began
	begun  bool
	m      Measurement
	acked  int64 // records acknowledged within the window
	read   int64 // records consumed within it
	second Distribution
	// lagSince is when the lag before the window was seen, on the load's clock.
	lagSince time.Duration
	detail   *detail // nil if nobody wants it
}

// detail is what is kept of the second that goes on, and of delays.
type detail struct {
	// intended is the latency of the record told of last, from its intended
	// sending: a meter tells both latencies of a record, this one first.
	intended                 time.Duration
	publish, delay, endToEnd Distribution
}

// see takes a latency in and returns the delay of the record, false if it is not
// known yet.
func (d *detail) see(tag string, took time.Duration, n int64) (delay time.Duration, known bool) {
	switch tag {
	case workloads.TagProduce:
		d.intended = took
	case workloads.TagProduceUncorrected:
		delay = max(0, d.intended-took)
		d.publish.Record(took, n)
		d.delay.Record(delay, n)
		return delay, true
	case workloads.TagEndToEnd:
		d.endToEnd.Record(took, n)
	}
	return 0, false
}

// end is what the second came to; the next begins.
func (d *detail) end() *Detail {
	of := &Detail{Publish: d.publish.Summary(), Delay: d.delay.Summary(), EndToEnd: d.endToEnd.Summary()}
	*d = detail{intended: d.intended}
	return of
}

func newSink(s *scenario.Scenario) *sink {
	return &sink{
		warmUp: s.Load.WarmUp, duration: s.Load.Duration.Value(),
		saturate: producers(s).Arrivals == scenario.ArrivalsSaturate,
	}
}

// inWindow reports whether an instant is behind the warm-up and before the end
// of the load.
func (k *sink) inWindow(at time.Duration) bool {
	since := at - k.origin
	return k.begun && since >= k.warmUp && since < k.duration
}

// Latency implements workloads.Sink.
func (k *sink) Latency(tag string, at, d time.Duration, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if tag == workloads.TagProduce {
		k.second.Record(d, n)
	}
	inWindow := k.inWindow(at)
	if k.detail != nil {
		if delay, known := k.detail.see(tag, d, n); known && inWindow {
			k.m.Delay.Record(delay, n)
		}
	}
	if !inWindow {
		return
	}
	switch tag {
	case workloads.TagProduce:
		k.acked += n
		k.m.Produce.Record(d, n)
	case workloads.TagProduceUncorrected:
		k.m.ProduceUncorrected.Record(d, n)
	case workloads.TagEndToEnd:
		k.read += n
		k.m.EndToEnd.Record(d, n)
	}
}

// Row implements workloads.Sink.
func (k *sink) Row(at time.Duration, r workloads.Row) {
	k.mu.Lock()
	defer k.mu.Unlock()
	row := Second{
		At: at - k.origin, Row: r,
		P50: k.second.P(50), P99: k.second.P(99), Max: k.second.Max(),
	}
	if k.detail != nil {
		row.Detail = k.detail.end()
	}
	k.m.Rows = append(k.m.Rows, row)
	k.second = Distribution{}
	if since := at - k.origin; k.begun && since <= k.duration {
		k.m.Backlog = r.Lag
		k.m.FollowerLag = 0
		for _, b := range r.Brokers {
			k.m.FollowerLag += b.FollowerLag
		}
		if since <= k.warmUp {
			k.m.FollowerLagBefore, k.lagSince = k.m.FollowerLag, since
		}
		k.m.FollowerLagTime = since - k.lagSince
	}
}

// Event implements workloads.Sink.
func (k *sink) Event(_ string, at time.Duration, name string, _ []env.Attr) {
	if name != workloads.EventLoadBegins {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.origin, k.begun = at, true
	for i := range k.m.Rows {
		k.m.Rows[i].At -= at
	}
}

// PartitionState implements workloads.Sink.
func (k *sink) PartitionState(linearizability.PartitionState) {}

// measurement sums up what was told.
func (k *sink) measurement(s *scenario.Scenario, out *workloads.Outcome) *Measurement {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := &k.m
	l, p := s.Load, producers(s)
	m.Scenario, m.Seed = s.Name, s.Seed.String()
	m.Machine, m.Storage = s.Cluster.Machine, simtarget.StorageName(s.Cluster)
	m.History = l.History
	if m.History == "" {
		m.History = scenario.HistoryRecords
	}
	m.WarmUp, m.Window = k.warmUp, k.duration-k.warmUp
	seconds := m.Window.Seconds()
	m.AckedPerSecond = float64(k.acked) / seconds
	m.AckedBytesPerSecond = m.AckedPerSecond * float64(p.RecordSize.Value())
	m.ConsumedPerSecond = float64(k.read) / seconds
	m.ConsumedBytesPerSecond = m.ConsumedPerSecond * float64(p.RecordSize.Value())
	m.OfferedPerSecond = offered(p, k.warmUp, k.duration)
	if k.saturate {
		m.OfferedPerSecond = m.AckedPerSecond
	}
	m.Acked, m.Failed, m.Unknown = out.Acked, out.Failed, out.Unknown
	if scenario.Count[*scenario.Consumers](l) == 0 {
		m.Backlog = 0
	}
	m.Machines = out.Usage
	m.Validity = k.validity(s, out)
	return m
}

// measurable says why a load cannot be measured: it has one rate and one size
// of records, and whoever reads along only reads.
func measurable(s *scenario.Scenario) error {
	if len(scenario.Of[*scenario.Producers](s.Load)) > 1 {
		return errors.New("several programs of producers have no one rate and record size to measure by; leave one of them")
	}
	for _, p := range s.Load.Programs {
		if p.Producers == nil && p.Consumers == nil {
			return errors.New("only producers and consumers are measured; leave other programs out of the list")
		}
	}
	return nil
}

// producers are the only program of producers, or none.
func producers(s *scenario.Scenario) scenario.Producers {
	for _, p := range scenario.Of[*scenario.Producers](s.Load) {
		return *p
	}
	return scenario.Producers{}
}

// offered is what a schedule asks for on average between two instants of the
// load.
func offered(p scenario.Producers, from, to time.Duration) float64 {
	rate := float64(p.Rate.Value())
	if p.Arrivals != scenario.ArrivalsRamp {
		return rate
	}
	low := float64(p.RampFrom.Value())
	return low + (rate-low)*(1+float64(from)/float64(to))/2
}

// Thresholds of validity. OMB calls a rate sustained if so much of what was
// requested was sent; a backlog of a second of records is bounded.
const (
	sustained      = 0.995
	boundedSeconds = 1.0
	lateTolerance  = 10 * time.Millisecond
)

func (k *sink) validity(s *scenario.Scenario, out *workloads.Outcome) []Condition {
	m := &k.m
	var list []Condition
	add := func(name string, met bool, format string, args ...any) {
		list = append(list, Condition{Name: name, Met: met, Note: fmt.Sprintf(format, args...)})
	}
	if !k.saturate && producers(s).Count.Max > 0 {
		add("at least 99.5% of what was requested was acknowledged", m.AckedPerSecond >= sustained*m.OfferedPerSecond,
			"%.0f of %.0f records/s", m.AckedPerSecond, m.OfferedPerSecond)
		add("the open loop kept its schedule", out.LateBy <= lateTolerance,
			"the latest record was handed over %v after its time", out.LateBy.Round(time.Microsecond))
	}
	if scenario.Count[*scenario.Consumers](s.Load) > 0 {
		add("consumers kept up", float64(m.Backlog) <= boundedSeconds*max(m.AckedPerSecond, 1),
			"%d records were acknowledged and not yet read at the end of the load", m.Backlog)
	}
	if producers(s).Count.Max > 0 {
		add("no record failed", m.Failed+m.Unknown == 0, "%d failed, %d of unknown fate", m.Failed, m.Unknown)
	}
	if m.WarmUp == 0 {
		add("a warm-up was excluded", false, "load.warm-up is not set")
	}
	return list
}
