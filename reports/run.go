package reports

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Names of the files in a result directory.
const (
	RunFile     = "run.json"
	HistoryFile = "history.jsonl"
	LatencyFile = "latency.hlog"
	SeriesFile  = "series.csv"
	EventsFile  = "events.jsonl"
	PlanFile    = "scenario.yaml"
	ReportFile  = "report.html"
)

// Schema is the value of Run.Schema that this version writes and reads.
const Schema = "weir.run/1"

// Run is run.json: where a run came from, what it counted and what the judge
// made of it. Durations are nanoseconds in the file.
type Run struct {
	Schema   string `json:"schema"`
	Scenario string `json:"scenario"`
	// Question that the scenario answers, in one sentence; may be empty.
	Question string `json:"question,omitempty"`
	// Seed in text ("0x2a"), since JavaScript loses digits above 2^53.
	Seed string `json:"seed"`
	// Target is sim, local or kafka://host:port.
	Target string `json:"target"`
	// Command reproduces the run exactly.
	Command string `json:"command"`
	// Planted names the planted bugs that were switched on.
	Planted []string `json:"planted,omitempty"`

	// Started is the wall clock at the start.
	Started time.Time `json:"started"`
	// Complete is false while the run goes on and stays so if it is cut short.
	Complete bool `json:"complete"`
	// Interrupted says why a run is not complete.
	Interrupted string `json:"interrupted,omitempty"`

	// Time that passed for the cluster, and for whoever waited.
	ClusterTime time.Duration `json:"cluster_time"`
	WallTime    time.Duration `json:"wall_time"`
	// LoadStart is when clients began to produce, WarmUp how long they did so
	// before anything counts: it is excluded from percentiles.
	LoadStart time.Duration `json:"load_start,omitempty"`
	WarmUp    time.Duration `json:"warm_up,omitempty"`
	// LoadEnd is when clients stopped producing; what follows is healing,
	// draining and scanning. 0 if not known.
	LoadEnd time.Duration `json:"load_end,omitempty"`
	// Throughput is what was acknowledged of the load; nil if not counted.
	Throughput *Throughput `json:"throughput,omitempty"`
	// History is how much of what clients did was recorded and could be judged.
	History linearizability.Recording `json:"history"`
	// Events the simulator handled; 0 on a real target.
	Events int64 `json:"events,omitempty"`
	// TraceHash over every event of a simulation, in hexadecimal.
	TraceHash string `json:"trace_hash,omitempty"`
	// Rerun is "same" or "different" if the run was repeated to compare the
	// trace hash, "" if it was not.
	Rerun string `json:"rerun,omitempty"`

	Brokers    []Broker    `json:"brokers"`
	Provenance Provenance  `json:"provenance"`
	Models     []Model     `json:"models,omitempty"`
	Settings   []Setting   `json:"settings,omitempty"`
	Counters   []Counter   `json:"counters,omitempty"`
	Validity   []Condition `json:"validity,omitempty"`

	Faults  []linearizability.Fault `json:"faults"`
	Verdict linearizability.Verdict `json:"verdict"`
}

// Simulated says whether the cluster was a simulation.
func (r *Run) Simulated() bool { return r.Target == "sim" }

// countsFrom is when the warm-up was over.
func (r *Run) countsFrom() time.Duration {
	if r.WarmUp == 0 {
		return 0
	}
	return r.LoadStart + r.WarmUp
}

// Throughput counts the records that were meant to be sent between two times
// since the run began, the load without its warm-up, and were acknowledged.
// Late are those of them whose acknowledgement came after To.
type Throughput struct {
	From       time.Duration `json:"from"`
	To         time.Duration `json:"to"`
	Acked      int64         `json:"acked_records"`
	AckedBytes int64         `json:"acked_bytes"`
	Late       int64         `json:"late_records"`
}

// Broker is one broker of the cluster.
type Broker struct {
	ID   int32  `json:"id"`
	Name string `json:"name"` // as in Event.Node, "broker-1"
	// Machine and Storage describe what it ran on ("m7g.xlarge", "EBS gp3 3000 IOPS").
	Machine string `json:"machine,omitempty"`
	Storage string `json:"storage,omitempty"`
}

// Provenance is what the run was made with.
type Provenance struct {
	Version string `json:"version"`          // of Weir
	Commit  string `json:"commit,omitempty"` // with "-dirty" if it had changes
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	CPUs    int    `json:"cpus"`
}

// Model is a table of figures that a simulation rests on.
type Model struct {
	What   string `json:"what"`   // "disk latency"
	Name   string `json:"name"`   // "EBS gp3"
	Source string `json:"source"` // where the figures come from
	// Checked says that they were compared with hardware; if not, plots say so.
	Checked bool `json:"checked"`
}

// basis is what kind of figures these are, from the beginning of the source
// ("specification: AWS EBS user guide"), in brackets.
func (m *Model) basis() string {
	basis, _, ok := strings.Cut(m.Source, ":")
	if !ok || strings.Contains(basis, " ") {
		return ""
	}
	return " (" + basis + ")"
}

// Setting is one effective setting, by its Kafka property name where it has one.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Counter is something counted during the run.
type Counter struct {
	Name  string `json:"name"` // "acknowledged records"
	Value int64  `json:"value"`
	Unit  string `json:"unit,omitempty"` // "B", "ns"; "" for a plain number
}

// Condition is something that must hold for the figures to mean anything.
type Condition struct {
	Name string `json:"name"` // "open loop kept its schedule"
	Met  bool   `json:"met"`
	Note string `json:"note,omitempty"`
}

// Save writes run.json into dir, replacing the old one in one step so that a
// reader never finds half a file.
func (r *Run) Save(dir string) error {
	r.Schema = Schema
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", RunFile, err)
	}
	name := filepath.Join(dir, RunFile)
	if err := os.WriteFile(name+".tmp", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// Load reads run.json from dir.
func Load(dir string) (*Run, error) {
	name := filepath.Join(dir, RunFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s is not a result directory: %w", dir, err)
	}
	var r Run
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("%s: schema %q, but this version of weir reads %q", name, r.Schema, Schema)
	}
	return &r, nil
}
