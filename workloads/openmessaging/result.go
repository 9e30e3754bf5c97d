package openmessaging

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/weirlab/weir/workloads/measure"
)

// Result is a result file: the fields of the benchmark's class TestResult, and
// those that Redpanda's fork adds, by the same names. Rates are in records a
// second, latencies in milliseconds. Lists have a value for each second behind the
// warm-up, of the latencies those percentiles that are kept for each second.
type Result struct {
	Workload          string `json:"workload"`
	Driver            string `json:"driver"`
	MessageSize       int64  `json:"messageSize"`
	Topics            int64  `json:"topics"`
	Partitions        int64  `json:"partitions"` // of a topic
	ProducersPerTopic int64  `json:"producersPerTopic"`
	ConsumersPerTopic int64  `json:"consumersPerTopic"`

	Version          string `json:"version,omitempty"`
	BeginTime        string `json:"beginTime,omitempty"`
	EndTime          string `json:"endTime,omitempty"`
	SampleRateMillis int64  `json:"sampleRateMillis"`

	PublishRate      []float64 `json:"publishRate"`
	PublishErrorRate []float64 `json:"publishErrorRate"`
	ConsumeRate      []float64 `json:"consumeRate"`
	Backlog          []int64   `json:"backlog"`

	PublishLatency50 []float64 `json:"publishLatency50pct"`
	PublishLatency99 []float64 `json:"publishLatency99pct"`
	PublishMax       []float64 `json:"publishLatencyMax"`

	aggregated map[string]float64
	quantiles  map[string]map[string]float64
}

// steps are the percentiles that the benchmark names.
var steps = []struct {
	name    string
	percent float64
}{{"50", 50}, {"75", 75}, {"95", 95}, {"99", 99}, {"999", 99.9}, {"9999", 99.99}, {"99999", 99.999}}

// NewResult is what was measured of a workload under a driver.
func NewResult(w *Workload, d *Driver, m *measure.Measurement) *Result {
	r := &Result{
		Workload: w.Name, Driver: d.Name, MessageSize: w.MessageSize, Topics: w.Topics, Partitions: w.PartitionsPerTopic,
		ProducersPerTopic: w.ProducersPerTopic, ConsumersPerTopic: w.SubscriptionsPerTopic * w.ConsumersPerSubscription,
		SampleRateMillis: time.Second.Milliseconds(), aggregated: map[string]float64{}, quantiles: map[string]map[string]float64{},
		PublishRate: []float64{}, PublishErrorRate: []float64{}, ConsumeRate: []float64{}, Backlog: []int64{},
		PublishLatency50: []float64{}, PublishLatency99: []float64{}, PublishMax: []float64{},
	}
	for _, s := range m.Rows {
		if s.At <= m.WarmUp || s.At > m.WarmUp+m.Window {
			continue
		}
		r.PublishRate = append(r.PublishRate, float64(s.Acked))
		r.PublishErrorRate = append(r.PublishErrorRate, float64(s.Failed))
		r.ConsumeRate = append(r.ConsumeRate, float64(s.Consumed))
		r.Backlog = append(r.Backlog, s.Lag)
		r.PublishLatency50 = append(r.PublishLatency50, millis(s.P50))
		r.PublishLatency99 = append(r.PublishLatency99, millis(s.P99))
		r.PublishMax = append(r.PublishMax, millis(s.Max))
	}
	for _, k := range []struct {
		name string
		d    measure.Distribution
	}{{"PublishLatency", m.ProduceUncorrected}, {"EndToEndLatency", m.EndToEnd}} {
		if k.d.Count() == 0 {
			continue
		}
		r.aggregated["aggregated"+k.name+"Avg"] = millis(k.d.Mean())
		r.aggregated["aggregated"+k.name+"Max"] = millis(k.d.Max())
		for _, s := range steps {
			r.aggregated["aggregated"+k.name+s.name+"pct"] = millis(k.d.P(s.percent))
		}
		of := map[string]float64{}
		for _, percent := range quantiles() {
			of[strconv.FormatFloat(percent, 'f', -1, 64)] = millis(k.d.P(percent))
		}
		r.quantiles["aggregated"+k.name+"Quantiles"] = of
	}
	return r
}

// quantiles are the points of the aggregated distributions.
func quantiles() []float64 {
	all := []float64{1, 5}
	for p := 10.0; p < 100; p += 10 {
		all = append(all, p)
	}
	return append(all, 95, 99, 99.5, 99.9, 99.99, 99.999, 100)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

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
	for name, v := range r.aggregated {
		if all[name], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	for name, v := range r.quantiles {
		if all[name], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

// FileName is what the benchmark calls a result file.
func (r *Result) FileName(at time.Time) string {
	return fmt.Sprintf("%s-%s-%s.json", notName.ReplaceAllString(r.Workload, "-"), notName.ReplaceAllString(r.Driver, "-"), at.UTC().Format("2006-01-02-15-04-05"))
}
