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
	"github.com/weirlab/weir/faults/drawn"
)

// Scenario is one scenario file.
type Scenario struct {
	Name     string `yaml:"name"`
	Question string `yaml:"question,omitempty"` // what the scenario answers, in one sentence
	Seed     Seed   `yaml:"seed"`

	Cluster Cluster `yaml:"cluster"`

	// Topic is the only topic under load, Topics are all if there are several:
	// one of the two is given. TopicsUnderLoad reads either.
	Topic  Topic   `yaml:"topic,omitempty"`
	Topics []Topic `yaml:"topics,omitempty"`
	Load   Load    `yaml:"load"`
	Faults Faults  `yaml:"faults,omitempty"`

	Simulation Simulation `yaml:"simulation,omitempty"`

	// Recovery is how long the cluster may take, after the load and all
	// faults have ended, until every replica is in sync and equal.
	Recovery time.Duration `yaml:"recovery"`
}

// Cluster describes the brokers. Every broker is a voter of the metadata
// quorum too.
type Cluster struct {
	Brokers Number `yaml:"brokers"`

	// Racks is how many racks the brokers are spread over, taking turns; 0 for
	// none.
	Racks Number `yaml:"racks,omitempty"`

	// LogDirs is how many log directories each broker has, and one for the metadata
	// log besides; 0 and 1 are one for all.
	LogDirs Number `yaml:"log-dirs,omitempty"`

	// BetweenRacks is what the way from one rack to another is like: one of
	// [Ways]. Empty is SameZone. Clients take turns in the racks too.
	BetweenRacks string `yaml:"between-racks,omitempty"`

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

// Values of Cluster.BetweenRacks: racks of one availability zone, and racks that
// are zones.
const (
	SameZone  = "same-zone"
	CrossZone = "cross-zone"
)

// Ways are the values of Cluster.BetweenRacks.
func Ways() []string { return []string{SameZone, CrossZone} }

// Storages are the values of Cluster.Storage.
func Storages() []string {
	return []string{"gp2", "gp3", "io2", "st1", "sc1", InstanceStore, MachineStorage}
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
	s := defaults()
	lines, err := decodeStrictly(file, text, &s, "start from scenarios/quickstart.yaml")
	if err != nil {
		return nil, err
	}
	if path, err := s.check(); err != nil {
		return nil, &Error{File: file, Line: lines[nearest(lines, path)], Path: path, Text: err.Error()}
	}
	return &s, nil
}

// DecodeStrictly fills the struct that v points to from YAML and accepts no key
// that has no place in it; file names it in errors, which name place and remedy.
func DecodeStrictly(file string, text []byte, v any) error {
	_, err := decodeStrictly(file, text, v, "nothing can be read from it")
	return err
}

func decodeStrictly(file string, text []byte, v any, remedy string) (lines map[string]int, err error) {
	var root yaml.Node
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &Error{File: file, Text: "the file is empty; " + remedy}
	}
	if err := yaml.Load(text, &root); err != nil {
		return nil, syntaxError(file, err)
	}
	if len(root.Content) == 0 {
		return nil, &Error{File: file, Text: "there is nothing but comments; " + remedy}
	}
	d := &decoder{file: file, lines: map[string]int{}}
	return d.lines, d.decode(root.Content[0], reflect.ValueOf(v).Elem(), "")
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
		Cluster:  Cluster{Brokers: Exactly(3), Storage: "gp3"},
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
	names := make([]string, s.Cluster.Brokers.Value())
	for i := range names {
		names[i] = fmt.Sprintf("broker-%d", i+1)
	}
	return names
}

// RackOf is the rack of a broker, counted from 0: "rack-1" and up, which the
// brokers take turns in, or "" if there are none.
func (s *Scenario) RackOf(broker int) string {
	if racks := int(s.Cluster.Racks.Value()); racks > 0 {
		return fmt.Sprintf("rack-%d", broker%racks+1)
	}
	return ""
}

// LogDirs are the names of each broker's log directories, disk-1 and up, and of
// that of the metadata log; nil if there is one for all.
func (s *Scenario) LogDirs() (dirs []string, metadata string) {
	n := int(s.Cluster.LogDirs.Value())
	if n < 2 {
		return nil, ""
	}
	for i := range n {
		dirs = append(dirs, fmt.Sprintf("disk-%d", i+1))
	}
	return dirs, "metadata"
}

// Topology is what the fault plan refers to. It is exact once the scenario is
// explicit.
func (s *Scenario) Topology() faults.Topology {
	t := faults.Topology{Brokers: s.BrokerNames(), LogDirs: int(s.Cluster.LogDirs.Value())}
	for i := range t.Brokers {
		if rack := s.RackOf(i); rack != "" {
			t.RackOf = append(t.RackOf, rack)
		}
	}
	for i, topic := range s.TopicsUnderLoad() {
		if minISR := s.MinISR(topic); i == 0 || minISR < t.MinISR {
			t.MinISR = minISR
		}
		for p := range topic.Partitions.Value() {
			t.Partitions = append(t.Partitions, fmt.Sprintf("%s-%d", topic.Name, p))
		}
	}
	if s.UsesGroups() {
		t.Coordinators = s.internal(t.Coordinators, "__consumer_offsets", "offsets.topic.num.partitions")
	}
	if s.UsesTransactions() {
		t.Coordinators = s.internal(t.Coordinators, "__transaction_state", "transaction.state.log.num.partitions")
	}
	if s.UsesShares() {
		t.Coordinators = s.internal(t.Coordinators, "__share_group_state", "share.coordinator.state.topic.num.partitions")
	}
	return t
}

// internal appends the partitions of an internal topic, whose number a setting of
// brokers is.
func (s *Scenario) internal(to []string, topic, setting string) []string {
	for p := range s.Cluster.Properties.Int(setting, brokerDefault(setting)) {
		to = append(to, fmt.Sprintf("%s-%d", topic, p))
	}
	return to
}

// ProducerExpiration is how long brokers remember a producer that is silent.
func (s *Scenario) ProducerExpiration() time.Duration {
	const setting = "producer.id.expiration.ms"
	return time.Duration(s.Cluster.Properties.Int(setting, brokerDefault(setting))) * time.Millisecond
}

// UsesGroups reports whether clients commit offsets.
func (s *Scenario) UsesGroups() bool {
	for _, c := range s.Load.Clients() {
		if g, ok := c.(grouped); ok && g.group() != "" {
			return true
		}
	}
	return Count[*Committers](s.Load) > 0
}

// UsesTransactions reports whether clients do transactions.
func (s *Scenario) UsesTransactions() bool {
	return Count[*Transfers](s.Load)+Count[*Pipelines](s.Load) > 0
}

// UsesShares reports whether clients are members of share groups.
func (s *Scenario) UsesShares() bool { return Count[*Sharers](s.Load) > 0 }

// Explicit reports whether nothing is left to draw.
func (s *Scenario) Explicit() bool {
	resolved := s.Resolve()
	return reflect.DeepEqual(s, resolved)
}

func (c Cluster) draw(seed uint64) Cluster {
	c.Brokers = c.Brokers.Draw(stream(seed, "cluster.brokers"))
	c.Racks = c.Racks.Draw(stream(seed, "cluster.racks"))
	c.LogDirs = c.LogDirs.Draw(stream(seed, "cluster.log-dirs"))
	c.Storage = drawn.Word(stream(seed, "cluster.storage"), c.Storage)
	c.Properties = c.Properties.draw(seed, "cluster.properties")
	return c
}

// Resolve draws everything the scenario leaves to its seed.
func (s *Scenario) Resolve() *Scenario {
	r := *s
	seed := uint64(s.Seed)
	r.Cluster = s.Cluster.draw(seed)
	r.Topic = s.Topic.draw(seed, "topic")
	r.Topics = nil
	for _, t := range s.Topics {
		if t = t.draw(seed, "topics."+t.Name); t.Partitions.Value() > 0 {
			r.Topics = append(r.Topics, t)
		}
	}
	r.Load = s.Load.draw(seed, r.TopicsUnderLoad())
	r.Simulation = s.Simulation.draw(seed)
	r.settle(s)
	if draw := s.Faults.Draw; draw != nil {
		bounds := *draw
		bounds.HealBy = min(bounds.HealBy, r.Load.Duration.Value())
		r.Faults = Faults{Plan: faults.Generate(seed, bounds, r.Topology())}
	}
	return &r
}
