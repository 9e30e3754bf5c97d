package measure

import (
	"encoding/base64"
	"fmt"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/target"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// Kind is where a scenario runs.
type Kind string

// The kinds of target.
const (
	Sim   Kind = "sim"   // simulated
	Local Kind = "local" // processes of this machine
)

// Target is where a scenario runs and how.
type Target struct {
	Kind Kind

	// Judged has the judge look at the history. Measurement.Verdict is then
	// what it says; otherwise it is empty.
	Judged bool

	// Detailed keeps the latencies of each second and the delays before records
	// were handed over.
	Detailed bool

	// Options are passed on: Machine for a machine profile that is in no file;
	// Broker and Dir for the local target. Scenario, Sink, History and Brief
	// are set by Run.
	Options workloads.Options
}

// Measurement is what a run measured between the end of its warm-up and the
// end of its load. It survives a round trip through JSON.
type Measurement struct {
	Scenario string `json:"scenario"` // its name
	Target   Kind   `json:"target"`
	Seed     string `json:"seed"`
	Machine  string `json:"machine,omitempty"` // of the brokers
	Storage  string `json:"storage,omitempty"` // of the brokers
	History  string `json:"history"`           // records, batches or sampled

	WarmUp time.Duration `json:"warm_up"` // excluded
	Window time.Duration `json:"window"`  // measured

	// Records and bytes of value per second of the window. Offered is what the
	// schedule asked for; in a saturating run it is what was handed over.
	OfferedPerSecond       float64 `json:"offered_per_s"`
	AckedPerSecond         float64 `json:"acked_per_s"`
	AckedBytesPerSecond    float64 `json:"acked_bytes_per_s"`
	ConsumedPerSecond      float64 `json:"consumed_per_s"`
	ConsumedBytesPerSecond float64 `json:"consumed_bytes_per_s"`

	// Records of the whole run.
	Acked   int64 `json:"acked"`
	Failed  int64 `json:"failed"`
	Unknown int64 `json:"unknown"`

	// Backlog is how many records were acknowledged and not yet consumed at
	// the end of the load, 0 without consumers.
	Backlog int64 `json:"backlog"`

	// FollowerLag is how many records followers lacked at the end of the load, each
	// counted once for each of them that lacks it, and FollowerLagBefore when the
	// window began: where it grows, the brokers acknowledge more than followers
	// copy, and the throughput is no steady state. A simulation knows them.
	FollowerLag       int64 `json:"follower_lag,omitempty"`
	FollowerLagBefore int64 `json:"follower_lag_before,omitempty"`
	// FollowerLagTime is what passed between the two.
	FollowerLagTime time.Duration `json:"follower_lag_time,omitempty"`

	// Produce counts from the intended sending of a record to its
	// acknowledgement, ProduceUncorrected from its hand-over to the client,
	// EndToEnd from the intended sending to the arrival at a consumer.
	Produce            Distribution `json:"produce"`
	ProduceUncorrected Distribution `json:"produce_uncorrected"`
	EndToEnd           Distribution `json:"end_to_end"`

	// Delay counts from the intended sending of a record to its hand-over; empty
	// unless [Target.Detailed] was asked for.
	Delay Distribution `json:"delay,omitzero"`

	// Rows are the seconds of the run, warm-up included.
	Rows []Second `json:"rows,omitempty"`

	// Machines are what the brokers' machines did in the window, then the
	// clients' if their processor is not free.
	Machines []target.Usage `json:"machines,omitempty"`

	Models   []simtarget.Model `json:"models,omitempty"`
	Validity []Condition       `json:"validity,omitempty"`
	Verdict  string            `json:"verdict,omitempty"` // the judge's, in one word and a sentence

	TraceHash string        `json:"trace_hash,omitempty"` // of a simulation
	Events    int64         `json:"events,omitempty"`     // that the simulator handled
	Wall      time.Duration `json:"wall"`                 // that the run took in reality
}

// Second is a second of a run.
type Second struct {
	// At is when it ended, since the load began; negative before.
	At time.Duration `json:"at"`
	workloads.Row
	// Latency of the records acknowledged in it, from their intended sending.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
	// Detail is nil unless [Target.Detailed] was asked for.
	Detail *Detail `json:"detail,omitempty"`
}

// Detail is the latencies of a second: from the hand-over of a record to its
// acknowledgement, before it, and to the arrival at a consumer.
type Detail struct {
	Publish  Summary `json:"publish"`
	Delay    Summary `json:"delay"`
	EndToEnd Summary `json:"end_to_end"`
}

// Summary is a distribution in a few figures, all 0 if it is of nothing.
type Summary struct {
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"`
	P75   time.Duration `json:"p75"`
	P95   time.Duration `json:"p95"`
	P99   time.Duration `json:"p99"`
	P999  time.Duration `json:"p999"`
	P9999 time.Duration `json:"p9999"`
	Max   time.Duration `json:"max"`
}

// Summary sums the distribution up.
func (d Distribution) Summary() Summary {
	return Summary{d.Mean(), d.P(50), d.P(75), d.P(95), d.P(99), d.P(99.9), d.P(99.99), d.Max()}
}

// Condition is something that must hold for a figure to mean what it says.
type Condition struct {
	Name string `json:"name"`
	Met  bool   `json:"met"`
	Note string `json:"note,omitempty"`
}

// Valid reports whether all conditions are met.
func (m *Measurement) Valid() bool {
	for _, c := range m.Validity {
		if !c.Met {
			return false
		}
	}
	return true
}

// Distribution is a distribution of latencies: an HdrHistogram of nanoseconds
// with three significant digits.
type Distribution struct {
	h *hdrhistogram.Histogram
}

// Bounds of what is recorded: a microsecond and an hour. What is outside
// counts as the bound.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// Record adds n latencies of d.
func (d *Distribution) Record(v time.Duration, n int64) {
	if d.h == nil {
		d.h = newHistogram()
	}
	// In range by construction.
	_ = d.h.RecordValues(min(max(int64(v), lowest), highest), n)
}

// Merge adds all of other.
func (d *Distribution) Merge(other Distribution) {
	if other.h == nil {
		return
	}
	if d.h == nil {
		d.h = newHistogram()
	}
	d.h.Merge(other.h)
}

// Count is how many latencies were recorded.
func (d Distribution) Count() int64 {
	if d.h == nil {
		return 0
	}
	return d.h.TotalCount()
}

// P is the latency at a percentile, such as 99.9; 0 if nothing was recorded.
func (d Distribution) P(percentile float64) time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return time.Duration(d.h.ValueAtPercentile(percentile))
}

// Max is the highest latency.
func (d Distribution) Max() time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return time.Duration(d.h.Max())
}

// Mean is the average latency.
func (d Distribution) Mean() time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return time.Duration(d.h.Mean())
}

// MarshalText writes the histogram in its compressed form (V2, base64), empty
// if nothing was recorded.
func (d Distribution) MarshalText() ([]byte, error) {
	if d.Count() == 0 {
		return nil, nil
	}
	// Encode yields base64 already.
	b, err := d.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("measure: encoding a histogram: %w", err)
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Distribution) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Distribution{}
		return nil
	}
	if _, err := base64.StdEncoding.DecodeString(string(text)); err != nil {
		return fmt.Errorf("measure: a histogram is not base64: %w", err)
	}
	h, err := hdrhistogram.Decode(text)
	if err != nil {
		return fmt.Errorf("measure: decoding a histogram: %w", err)
	}
	d.h = h
	return nil
}

// FollowersFallBehind is by how many records a second what followers lack grew
// over the window, and whether that is little enough, a tenth of what was
// acknowledged, for the throughput to be a steady state.
func (m *Measurement) FollowersFallBehind() (perSecond float64, steady bool) {
	if m.FollowerLagTime <= 0 {
		return 0, true
	}
	perSecond = float64(m.FollowerLag-m.FollowerLagBefore) / m.FollowerLagTime.Seconds()
	return perSecond, perSecond <= m.AckedPerSecond/10
}
