package regress

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weirlab/weir/workloads/experiment"
)

// Schema of a result file.
const Schema = "weir.regress/1"

// Result is a whole comparison, and is kept as JSON.
type Result struct {
	Schema  string        `json:"schema"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	Old     Build         `json:"old"`
	New     Build         `json:"new"`
	GOOS    string        `json:"goos"`
	GOARCH  string        `json:"goarch"`
	Go      string        `json:"go"`
	CPU     string        `json:"cpu,omitempty"`
	CPUs    int           `json:"cpus"`

	Rounds    int          `json:"rounds"`
	Processes []Process    `json:"processes"`
	Metrics   []Comparison `json:"metrics"`
	// Alarm is whether something became slower beyond doubt.
	Alarm bool `json:"alarm"`
}

// Metric is something that is compared. Its values are costs: more is worse.
type Metric struct {
	Name string `json:"name"`
	// About says what it is, in a sentence.
	About string `json:"about"`
	Unit  string `json:"unit"`
	// Least is the smallest change worth an alarm, as a fraction.
	Least float64 `json:"least"`

	load string
	cost func(Slice) float64
}

// Levels of the statistics.
const (
	// gateLevel is how rarely a build may exceed the gate against itself, by
	// the noise seen.
	gateLevel = 1e-4
	// sureLevel is the same for an alarm that needs no more rounds.
	sureLevel = 1e-5
	// rankLevel is how improbable the order of the processes must be, by the
	// exact test, for an alarm.
	rankLevel = 0.01
	// confidence of the intervals is one minus this.
	confidence = 0.05
)

// Smallest changes worth an alarm. Processor time is the steadiest.
const (
	leastCPU  = 0.05
	leastWall = 0.07
	leastTail = 0.20
)

// allCPU is the metric that takes the others together.
const allCPU = "cpu"

func perRequest(d func(Slice) time.Duration) func(Slice) float64 {
	return func(s Slice) float64 { return float64(d(s)) / float64(s.Requests) }
}

func cpu(s Slice) time.Duration  { return s.CPU }
func wall(s Slice) time.Duration { return s.Wall }

// metrics are what is compared, in the order in which it is shown.
var metrics = []Metric{
	{Name: allCPU, About: "processor time of the brokers, geometric mean of the loads", Unit: "µs/request", Least: leastCPU},
	{Name: "saturate/cpu", About: "processor time per record of 1 KiB, saturated", Unit: "µs/request", Least: leastCPU, load: "saturate", cost: perRequest(cpu)},
	{Name: "paced/cpu", About: "processor time per record of 1 KiB, with pauses", Unit: "µs/request", Least: leastCPU, load: "paced", cost: perRequest(cpu)},
	{Name: "batch/cpu", About: "processor time per batch of 16 KiB", Unit: "µs/request", Least: leastCPU, load: "batch", cost: perRequest(cpu)},
	{Name: "fetch/cpu", About: "processor time per fetch of 256 KiB", Unit: "µs/request", Least: leastCPU, load: "fetch", cost: perRequest(cpu)},
	{Name: "saturate/wall", About: "time per record of 1 KiB, saturated (the inverse of throughput)", Unit: "µs/request", Least: leastWall, load: "saturate", cost: perRequest(wall)},
	{Name: "batch/wall", About: "time per batch of 16 KiB (the inverse of throughput)", Unit: "µs/request", Least: leastWall, load: "batch", cost: perRequest(wall)},
	{Name: "fetch/wall", About: "time per fetch of 256 KiB (the inverse of throughput)", Unit: "µs/request", Least: leastWall, load: "fetch", cost: perRequest(wall)},
	{Name: "paced/p50", About: "median produce latency, with pauses", Unit: "µs", Least: leastWall, load: "paced", cost: func(s Slice) float64 { return float64(s.P50) }},
	{Name: "paced/p99", About: "99th percentile of produce latency, with pauses", Unit: "µs", Least: leastTail, load: "paced", cost: func(s Slice) float64 { return float64(s.P99) }},
}

// Comparison is one metric of both sides.
type Comparison struct {
	Metric
	Old Median `json:"old"`
	New Median `json:"new"`

	// Change of the cost as a fraction: the median of all pairs of an old
	// and a new process of the same round, with its exact 95 % interval.
	Change float64 `json:"change"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`

	// P is the exact probability of this order of the processes, or one that
	// speaks more for a slowdown, if nothing changed.
	P float64 `json:"p"`

	// Noise is the standard deviation of Change if nothing changed, from how
	// the processes of one build differ. Gate is the change from which on
	// there is an alarm: Least, or what the noise can do, whichever is more.
	Noise float64 `json:"noise"`
	Gate  float64 `json:"gate"`
	// Alarm: Change is beyond the gate, and P small enough.
	Alarm bool `json:"alarm"`
	// Faster is the same with old and new exchanged.
	Faster bool `json:"faster"`

	sure bool // an alarm that needs no more rounds
}

// Median of the processes of one side, in the metric's unit, with an interval
// of at least 95 % confidence (or the range, if there are few).
type Median struct {
	Value float64   `json:"value"`
	Low   float64   `json:"low"`
	High  float64   `json:"high"`
	All   []float64 `json:"all"` // one for each process
}

// value of the metric for one process, as a logarithm of nanoseconds: the
// middle half of the slices.
func (m Metric) value(p Process) float64 {
	if m.Name == allCPU {
		sum, n := 0.0, 0
		for _, part := range metrics {
			if part.load != "" && part.Least == leastCPU {
				sum += part.value(p)
				n++
			}
		}
		return sum / float64(n)
	}
	var values []float64
	for _, s := range p.Slices {
		if s.Load == m.load {
			values = append(values, math.Log(m.cost(s)))
		}
	}
	return middleMean(values)
}

// evaluate compares what is there.
func (r *Result) evaluate() {
	r.Metrics, r.Alarm, r.Rounds = nil, false, len(r.Processes)/len(seats)
	for _, m := range metrics {
		if c, ok := r.compare(m); ok {
			r.Metrics = append(r.Metrics, c)
			r.Alarm = r.Alarm || c.Alarm
		}
	}
}

func (r *Result) compare(m Metric) (Comparison, bool) {
	rounds := make([]round, r.Rounds)
	taken := make([]map[string]int, r.Rounds)
	var old, new []float64
	for _, p := range r.Processes {
		v := m.value(p)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Comparison{}, false // not measured on this system
		}
		if taken[p.Round] == nil {
			taken[p.Round] = map[string]int{}
		}
		i := taken[p.Round][p.Side]
		taken[p.Round][p.Side]++
		if p.Side == Old {
			rounds[p.Round].old[i] = v
			old = append(old, math.Exp(v)/1e3)
		} else {
			rounds[p.Round].new[i] = v
			new = append(new, math.Exp(v)/1e3)
		}
	}
	return judge(m, rounds, old, new), true
}

// judge is the whole decision about one metric.
func judge(m Metric, rounds []round, old, new []float64) Comparison {
	d := change(rounds)
	low, high := interval(rounds, confidence)
	gate := max(m.Least, math.Expm1(aaGate(rounds, gateLevel)))
	mirrored := make([]round, len(rounds))
	for i, r := range rounds {
		mirrored[i] = round{r.new, r.old}
	}
	p := pValue(rounds)
	sure := max(m.Least, math.Expm1(aaGate(rounds, sureLevel)))
	return Comparison{
		Metric: m, Old: medianOf(old), New: medianOf(new),
		Change: math.Expm1(d), Low: math.Expm1(low), High: math.Expm1(high),
		P: p, Noise: noise(rounds), Gate: gate,
		Alarm:  math.Expm1(d) > gate && p <= rankLevel,
		Faster: math.Expm1(-d) > gate && pValue(mirrored) <= rankLevel,
		sure:   math.Expm1(d) > sure && p <= rankLevel,
	}
}

func medianOf(values []float64) Median {
	low, mid, high := medianInterval(values, confidence)
	return Median{Value: mid, Low: low, High: high, All: values}
}

// suspicious reports whether it looks slower by as much as would be worth an
// alarm, without being sure.
func (c Comparison) suspicious() bool {
	return !c.sure && c.Change > c.Least && math.Log1p(c.Change) > 2*c.Noise
}

// undecided reports whether more rounds could change the answer: something is
// suspicious, and nothing is sure.
func (r *Result) undecided() bool {
	suspicious := false
	for _, c := range r.Metrics {
		if c.sure {
			return false
		}
		suspicious = suspicious || c.suspicious()
	}
	return suspicious
}

// Read takes in what [experiment.Write] wrote of a result, and judges it anew.
func Read(from io.Reader) (*Result, error) {
	r, err := experiment.Read[Result](from, Schema)
	if err != nil {
		return nil, err
	}
	for _, p := range r.Processes {
		if p.Round < 0 || p.Round >= len(r.Processes)/len(seats) {
			return nil, fmt.Errorf("the result is damaged: it has a process of round %d", p.Round)
		}
	}
	r.evaluate()
	return r, nil
}
