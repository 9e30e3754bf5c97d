package scenario

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weirlab/weir/faults"
)

// Scenario is one scenario file.
type Scenario struct {
	Name     string `yaml:"name"`
	Question string `yaml:"question,omitempty"` // what the scenario answers, in one sentence
	Seed     Seed   `yaml:"seed"`

	Cluster Cluster `yaml:"cluster"`
	Topic   Topic   `yaml:"topic"`
	Load    Load    `yaml:"load"`
	Faults  Faults  `yaml:"faults,omitempty"`

	// Recovery is how long the cluster may take, after the load and all
	// faults have ended, until every replica is in sync and equal.
	Recovery time.Duration `yaml:"recovery"`
}

// Cluster describes the brokers. Every broker is a voter of the metadata
// quorum too.
type Cluster struct {
	Brokers int `yaml:"brokers"`
	// Storage is one of [Storages]. Local targets use the disk they find.
	Storage string `yaml:"storage"`
	// Volume sizes an EBS volume; what is left out is as the class comes.
	Volume Volume `yaml:"volume,omitempty"`

	// Machine is what each broker runs on: an EC2 instance type
	// ("i3en.2xlarge") or the file of a machine profile. Empty is a machine
	// whose processor is free and whose network is one zone's.
	Machine string `yaml:"machine,omitempty"`
	// Costs names the table of CPU costs. Empty is that of the machine
	// profile, or "weir" for an instance type.
	Costs string `yaml:"costs,omitempty"`
	// Together puts every process of the run, clients too, on one such
	// machine, as on a laptop.
	Together bool `yaml:"together,omitempty"`
	// DirtyPercent is how full of older dirty pages the page caches are when
	// the load starts, in percent of what they allow before writers wait: what
	// a long run before this one has left.
	DirtyPercent int `yaml:"dirty-percent,omitempty"`

	// Properties are broker settings, the same for all brokers.
	Properties Properties `yaml:"properties,omitempty"`
}

// Volume sizes an EBS volume. 0 is what the class comes with.
type Volume struct {
	SizeGiB         int64 `yaml:"size-gib,omitempty"`
	IOPS            int64 `yaml:"iops,omitempty"`
	ThroughputMiBps int64 `yaml:"throughput-mibps,omitempty"`
	// CreditsPercent is how full its burst credits and those of its instance
	// are at the start. Absent is 100.
	CreditsPercent *int64 `yaml:"credits-percent,omitempty"`
}

// Values of Cluster.Storage that are not EBS classes.
const (
	InstanceStore  = "instance-store" // all disks of the machine's instance store, striped
	MachineStorage = "machine"        // the disk of the machine profile
)

// Storages are the values of Cluster.Storage.
func Storages() []string {
	return []string{"gp2", "gp3", "io2", "st1", "sc1", InstanceStore, MachineStorage}
}

// Topic is the topic under load, created before the load starts.
type Topic struct {
	Name              string     `yaml:"name"`
	Partitions        Number     `yaml:"partitions"`
	ReplicationFactor int        `yaml:"replication.factor"`
	Configs           Properties `yaml:"configs,omitempty"`
}

// Load is what clients do.
type Load struct {
	Duration Span `yaml:"duration"`
	// WarmUp is the part of Duration, at its start, that figures leave out.
	WarmUp time.Duration `yaml:"warm-up,omitempty"`
	// History is how much of what clients do is recorded: one of [Histories].
	History string `yaml:"history,omitempty"`
	// SampleEvery is which share of the records a sampled history has: one in
	// so many.
	SampleEvery int64 `yaml:"sample-every,omitempty"`
	// Properties are the settings that all clients share.
	Properties Properties `yaml:"properties,omitempty"`
	Producers  Producers  `yaml:"producers,omitempty"`
	Consumers  Consumers  `yaml:"consumers,omitempty"`
	Committers Committers `yaml:"committers,omitempty"`
}

// Values of Load.History.
const (
	HistoryRecords = "records" // every operation on every record; the default
	HistoryBatches = "batches" // one operation per batch
	HistorySampled = "sampled" // the operations of one record in Load.SampleEvery
)

// Histories are the values of Load.History.
func Histories() []string { return []string{HistoryRecords, HistoryBatches, HistorySampled} }

// Values of Producers.Arrivals.
const (
	ArrivalsConstant = "constant" // evenly spaced; the default
	ArrivalsPoisson  = "poisson"  // independent of each other, Rate on average
	ArrivalsRamp     = "ramp"     // evenly spaced, from RampFrom to Rate over the load
	ArrivalsSaturate = "saturate" // no schedule: as fast as buffer.memory lets
)

// Arrivals are the values of Producers.Arrivals.
func Arrivals() []string {
	return []string{ArrivalsConstant, ArrivalsPoisson, ArrivalsRamp, ArrivalsSaturate}
}

// Values of Producers.Partitioner.
const (
	PartitionerRoundRobin = "round-robin" // record by record; the default
	PartitionerSticky     = "sticky"      // batch by batch, as Kafka does without keys (KIP-480)
)

// Partitioners are the values of Producers.Partitioner.
func Partitioners() []string { return []string{PartitionerRoundRobin, PartitionerSticky} }

// Producers send records in an open loop: on schedule, whether earlier ones
// were answered or not.
type Producers struct {
	Count       int        `yaml:"count,omitempty"`
	Rate        Number     `yaml:"rate,omitempty"`        // records per second of all producers together
	Arrivals    string     `yaml:"arrivals,omitempty"`    // one of Arrivals()
	RampFrom    Number     `yaml:"ramp-from,omitempty"`   // records per second at the start of a ramp
	Partitioner string     `yaml:"partitioner,omitempty"` // one of Partitioners()
	RecordSize  Number     `yaml:"record-size,omitempty"` // bytes of value per record
	Properties  Properties `yaml:"properties,omitempty"`
}

// Consumers read all partitions, shared out among them.
type Consumers struct {
	Count int `yaml:"count,omitempty"`
	// Group, if set, is the consumer group that they share the partitions in;
	// without one each reads partitions of its own.
	Group      string     `yaml:"group,omitempty"`
	Properties Properties `yaml:"properties,omitempty"`
}

// Committers commit and fetch offsets of shared (group, partition) pairs, so
// that the committed offset can be checked as a register.
type Committers struct {
	Count int  `yaml:"count,omitempty"`
	Every Span `yaml:"every,omitempty"` // pause between the operations of one committer
}

// Faults is either an explicit plan or bounds to draw one within.
type Faults struct {
	Plan faults.Plan  `yaml:"plan,omitempty"`
	Draw *faults.Draw `yaml:"draw,omitempty"`
}

// Seed is a 64-bit number, written in hexadecimal since that is how reports
// carry it.
type Seed uint64

// String is the seed as reports and commands write it.
func (s Seed) String() string { return fmt.Sprintf("0x%x", uint64(s)) }

// MarshalText writes the seed in hexadecimal.
func (s Seed) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a decimal or 0x-hexadecimal seed.
func (s *Seed) UnmarshalText(text []byte) error {
	v, err := ParseSeed(string(text))
	*s = v
	return err
}

// ParseSeed reads a decimal or 0x-hexadecimal seed.
func ParseSeed(text string) (Seed, error) {
	v, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("seed %q is not a whole number of at most 64 bits, decimal or 0x…", text)
	}
	return Seed(v), nil
}

// ReadFile reads a scenario file.
func ReadFile(name string) (*Scenario, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return Parse(name, b)
}

// Parse reads a scenario; file names it in errors.
func Parse(file string, text []byte) (*Scenario, error) {
	var root yaml.Node
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &Error{File: file, Text: "the file is empty; start from scenarios/quickstart.yaml"}
	}
	if err := yaml.Load(text, &root); err != nil {
		return nil, syntaxError(file, err)
	}
	if len(root.Content) == 0 {
		return nil, &Error{File: file, Text: "there is nothing but comments; start from scenarios/quickstart.yaml"}
	}
	s := defaults()
	d := &decoder{file: file, lines: map[string]int{}}
	if err := d.decode(root.Content[0], reflect.ValueOf(&s).Elem(), ""); err != nil {
		return nil, err
	}
	if path, err := s.check(); err != nil {
		return nil, &Error{File: file, Line: d.lines[nearest(d.lines, path)], Path: path, Text: err.Error()}
	}
	return &s, nil
}

// yamlPosition is how the yaml package says where it stumbled.
var yamlPosition = regexp.MustCompile(`^go-yaml load error in .* at L(\d+)\.C\d+(?:-L\d+\.C\d+)?: `)

func syntaxError(file string, err error) error {
	text := strings.TrimSpace(err.Error())
	e := &Error{File: file}
	if at := yamlPosition.FindStringSubmatch(text); at != nil {
		e.Line, _ = strconv.Atoi(at[1])
		text = text[len(at[0]):]
	}
	e.Text = "not YAML: " + text
	return e
}

func defaults() Scenario {
	return Scenario{
		Cluster:  Cluster{Brokers: 3, Storage: "gp3"},
		Recovery: time.Minute,
	}
}

// nearest is the longest prefix of path that has a line.
func nearest(lines map[string]int, path string) string {
	for path != "" {
		if _, ok := lines[path]; ok {
			return path
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return ""
}

// YAML writes the scenario as a file that Parse reads back unchanged.
func (s *Scenario) YAML() ([]byte, error) { return yaml.Dump(s, yaml.WithIndent(2)) }

// BrokerNames are the host names of the brokers, "broker-1" and up; a
// broker's node.id is its number.
func (s *Scenario) BrokerNames() []string {
	names := make([]string, s.Cluster.Brokers)
	for i := range names {
		names[i] = fmt.Sprintf("broker-%d", i+1)
	}
	return names
}

// Topology is what the fault plan refers to. It is exact once the scenario is
// explicit.
func (s *Scenario) Topology() faults.Topology {
	t := faults.Topology{Brokers: s.BrokerNames(), MinISR: s.MinISR()}
	for p := range s.Topic.Partitions.Value() {
		t.Partitions = append(t.Partitions, fmt.Sprintf("%s-%d", s.Topic.Name, p))
	}
	return t
}

// MinISR is the effective min.insync.replicas of the topic: brokers silently
// cap it at the replication factor.
func (s *Scenario) MinISR() int {
	t := s.Topic
	own := t.Configs.Int("min.insync.replicas", s.Cluster.Properties.Int("min.insync.replicas", 1))
	return int(max(1, min(own, int64(t.ReplicationFactor))))
}

// Explicit reports whether nothing is left to draw.
func (s *Scenario) Explicit() bool {
	resolved := s.Resolve()
	return reflect.DeepEqual(s, resolved)
}

// Resolve draws everything the scenario leaves to its seed.
func (s *Scenario) Resolve() *Scenario {
	r := *s
	seed := uint64(s.Seed)
	r.Cluster.Properties = s.Cluster.Properties.draw(seed, "cluster.properties")
	r.Topic.Partitions = s.Topic.Partitions.draw(seed, "topic.partitions")
	r.Topic.Configs = s.Topic.Configs.draw(seed, "topic.configs")
	r.Load.Properties = s.Load.Properties.draw(seed, "load.properties")
	r.Load.Producers.Properties = s.Load.Producers.Properties.draw(seed, "load.producers.properties")
	r.Load.Consumers.Properties = s.Load.Consumers.Properties.draw(seed, "load.consumers.properties")
	r.Load.Duration = s.Load.Duration.draw(seed, "load.duration")
	r.Load.Producers.Rate = s.Load.Producers.Rate.draw(seed, "load.producers.rate")
	r.Load.Producers.RampFrom = s.Load.Producers.RampFrom.draw(seed, "load.producers.ramp-from")
	r.Load.Producers.RecordSize = s.Load.Producers.RecordSize.draw(seed, "load.producers.record-size")
	r.Load.Committers.Every = s.Load.Committers.Every.draw(seed, "load.committers.every")
	if draw := s.Faults.Draw; draw != nil {
		bounds := *draw
		bounds.HealBy = min(bounds.HealBy, r.Load.Duration.Value())
		r.Faults = Faults{Plan: faults.Generate(seed, bounds, r.Topology())}
	}
	return &r
}
