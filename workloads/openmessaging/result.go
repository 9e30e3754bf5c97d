package openmessaging

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/measure"
)

// Result is a result file: the fields of the benchmark's class TestResult by its
// names and in its units, and some that Redpanda's fork adds. Rates are in records
// a second, latencies in milliseconds, those of "delay", from the time at which a
// record should have been sent to its hand-over, in microseconds. Lists have a
// value for each whole second behind the warm-up, where the benchmark's have one
// for every ten. What begins with "aggregated" is of the whole test.
type Result struct {
	Workload          string `json:"workload"`
	Driver            string `json:"driver"`
	MessageSize       int64  `json:"messageSize"`
	Topics            int64  `json:"topics"`
	Partitions        int64  `json:"partitions"` // of a topic
	ProducersPerTopic int64  `json:"producersPerTopic"`
	ConsumersPerTopic int64  `json:"consumersPerTopic"` // of one subscription, as the benchmark counts

	Version          string `json:"version,omitempty"`
	BeginTime        string `json:"beginTime,omitempty"`
	EndTime          string `json:"endTime,omitempty"`
	SampleRateMillis int64  `json:"sampleRateMillis"`

	PublishRate      []float64 `json:"publishRate"`
	PublishErrorRate []float64 `json:"publishErrorRate"`
	ConsumeRate      []float64 `json:"consumeRate"`
	Backlog          []int64   `json:"backlog"`

	file       string // of the workload
	seconds    map[string][]number
	aggregated map[string]number
	quantiles  map[string]map[string]number
}

// number is a latency in the unit of its field.
type number float64

// MarshalJSON writes whole numbers without a fraction, which fields of the
// benchmark that are of whole numbers need.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); f != math.Trunc(f) {
		return strconv.AppendFloat(nil, f, 'f', -1, 64), nil
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}

// kinds are the latencies of a result.
var kinds = []struct {
	name   string // of the fields, behind what they begin with
	list   string // how the fields with a value for each second begin
	unit   func(time.Duration) number
	second func(*measure.Detail) measure.Summary
	all    func(*measure.Measurement) measure.Distribution
}{
	{
		"PublishLatency", "publishLatency", millis,
		func(d *measure.Detail) measure.Summary { return d.Publish },
		func(m *measure.Measurement) measure.Distribution { return m.ProduceUncorrected },
	},
	{
		"PublishDelayLatency", "publishDelayLatency", micros,
		func(d *measure.Detail) measure.Summary { return d.Delay },
		func(m *measure.Measurement) measure.Distribution { return m.Delay },
	},
	{
		"EndToEndLatency", "endToEndLatency", millis,
		func(d *measure.Detail) measure.Summary { return d.EndToEnd },
		func(m *measure.Measurement) measure.Distribution { return m.EndToEnd },
	},
}

// steps are the figures of a summary, by how their fields end.
var steps = []struct {
	name string
	of   func(measure.Summary) time.Duration
}{
	{"Avg", func(s measure.Summary) time.Duration { return s.Mean }},
	{"50pct", func(s measure.Summary) time.Duration { return s.P50 }},
	{"75pct", func(s measure.Summary) time.Duration { return s.P75 }},
	{"95pct", func(s measure.Summary) time.Duration { return s.P95 }},
	{"99pct", func(s measure.Summary) time.Duration { return s.P99 }},
	{"999pct", func(s measure.Summary) time.Duration { return s.P999 }},
	{"9999pct", func(s measure.Summary) time.Duration { return s.P9999 }},
	{"Max", func(s measure.Summary) time.Duration { return s.Max }},
}

// NewResult is what was measured of a workload under a driver, in detail
// ([measure.Target].Detailed).
func NewResult(w *Workload, d *Driver, m *measure.Measurement) *Result {
	r := &Result{
		Workload: w.Name, Driver: d.Name, MessageSize: w.MessageSize, Topics: w.Topics, Partitions: w.PartitionsPerTopic,
		ProducersPerTopic: w.ProducersPerTopic, ConsumersPerTopic: w.ConsumersPerSubscription,
		SampleRateMillis: time.Second.Milliseconds(),
		PublishRate:      []float64{}, PublishErrorRate: []float64{}, ConsumeRate: []float64{}, Backlog: []int64{},
		file: w.file, seconds: map[string][]number{}, aggregated: map[string]number{}, quantiles: map[string]map[string]number{},
	}
	seconds := within(m)
	for _, s := range seconds {
		r.PublishRate = append(r.PublishRate, float64(s.Acked))
		r.PublishErrorRate = append(r.PublishErrorRate, float64(s.Failed))
		r.ConsumeRate = append(r.ConsumeRate, float64(s.Consumed))
		r.Backlog = append(r.Backlog, s.Lag)
	}
	for _, k := range kinds {
		for _, step := range steps {
			list := []number{}
			for _, s := range seconds {
				if s.Detail != nil {
					list = append(list, k.unit(step.of(k.second(s.Detail))))
				}
			}
			r.seconds[k.list+step.name] = list
			r.aggregated["aggregated"+k.name+step.name] = k.unit(step.of(k.all(m).Summary()))
		}
		all := k.all(m)
		r.aggregated["aggregated"+k.name+"99999pct"] = k.unit(all.P(99.999))
		of := map[string]number{}
		for _, percent := range quantiles() {
			if all.Count() > 0 {
				of[javaDouble(percent)] = k.unit(all.P(percent))
			}
		}
		r.quantiles["aggregated"+k.name+"Quantiles"] = of
	}
	return r
}

// within are the seconds that lie behind the warm-up and before the end of the
// load, all of them.
func within(m *measure.Measurement) []measure.Second {
	return slices.DeleteFunc(slices.Clone(m.Rows), func(s measure.Second) bool {
		return s.At-time.Second < m.WarmUp || s.At > m.WarmUp+m.Window
	})
}

// quantiles are the points of the aggregated distributions.
func quantiles() []float64 {
	all := []float64{1, 5}
	for p := 10.0; p < 100; p += 10 {
		all = append(all, p)
	}
	return append(all, 95, 99, 99.5, 99.9, 99.99, 99.999, 100)
}

// javaDouble is how Java writes a number that is a key: "50.0", "99.9".
func javaDouble(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func millis(d time.Duration) number { return number(float64(d.Microseconds()) / 1000) }
func micros(d time.Duration) number { return number(d.Microseconds()) }

// MarshalJSON writes the fields in one object, as the benchmark does.
func (r *Result) MarshalJSON() ([]byte, error) {
	type plain Result
	b, err := json.Marshal((*plain)(r))
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for _, fields := range []any{r.seconds, r.aggregated, r.quantiles} {
		if b, err = json.Marshal(fields); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &all); err != nil { // which adds to it
			return nil, err
		}
	}
	return json.Marshal(all)
}

// FileName is what the benchmark calls a result file: by the workload's file, the
// driver and the time.
func (r *Result) FileName(at time.Time) string {
	name := strings.TrimSuffix(filepath.Base(r.file), filepath.Ext(r.file))
	return fmt.Sprintf("%s-%s-%s.json", notName.ReplaceAllString(name, "-"), notName.ReplaceAllString(r.Driver, "-"), at.UTC().Format("2006-01-02-15-04-05"))
}
