package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that goes wrong at one time. Times count from the start
// of the workload.
type Fault struct {
	Kind Kind          `yaml:"kind" json:"kind"`
	At   time.Duration `yaml:"at" json:"at"`
	For  time.Duration `yaml:"for" json:"for"`

	// Node is the broker it happens to, or several of them; see Target.
	Node Target `yaml:"node,omitempty" json:"node,omitempty"`

	// Between and And are the two sides of a partition. Hosts in neither
	// reach everyone.
	Between []Target `yaml:"between,omitempty" json:"between,omitempty"`
	And     []Target `yaml:"and,omitempty" json:"and,omitempty"`

	// OneWay makes only the packets from Between to And vanish.
	OneWay bool `yaml:"one-way,omitempty" json:"one-way,omitempty"`

	// After delays the fault from At to the first time after it that the event
	// comes. Without one within TriggerPatience the fault does not happen.
	After Trigger `yaml:"after,omitempty" json:"after,omitzero"`

	Factor int64         `yaml:"factor,omitempty" json:"factor,omitempty"` // slow-disk: how many times slower
	Jump   time.Duration `yaml:"jump,omitempty" json:"jump,omitempty"`     // clock-jump: how far, forward or back

	Message Message       `yaml:"message,omitempty" json:"message,omitempty"` // which messages
	By      time.Duration `yaml:"by,omitempty" json:"by,omitempty"`           // how much later
	Count   int64         `yaml:"count,omitempty" json:"count,omitempty"`     // how many, 0 for all
	Files   Files         `yaml:"files,omitempty" json:"files,omitempty"`     // of which class, "" for all
	Calls   Calls         `yaml:"calls,omitempty" json:"calls,omitempty"`     // which calls fail
	LogDir  int64         `yaml:"log-dir,omitempty" json:"log-dir,omitempty"` // which log directory, from 1
}

// End is when the fault is over, if the event that it waits for comes at once.
func (f Fault) End() time.Duration { return f.At + f.After.Delay + f.For }

// latest is when the fault is over if the event it waits for comes as late as
// it may.
func (f Fault) latest() time.Duration {
	if f.After.IsZero() {
		return f.End()
	}
	return f.End() + TriggerPatience
}

// String says in one line what the fault is, in the words of the plan.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", f.Kind)
	switch {
	case len(f.Between) > 0 && f.OneWay:
		fmt.Fprintf(&b, " from %s to %s", joinWords(f.Between), joinWords(f.And))
	case len(f.Between) > 0:
		fmt.Fprintf(&b, " between %s and %s", joinWords(f.Between), joinWords(f.And))
	case f.Node != "":
		fmt.Fprintf(&b, " of %s", f.Node)
	}
	if f.LogDir != 0 {
		fmt.Fprintf(&b, " in log directory %d", f.LogDir)
	}
	if f.Calls != "" {
		fmt.Fprintf(&b, " for %s calls", f.Calls)
	}
	if f.Files != "" {
		fmt.Fprintf(&b, " on %s files", f.Files)
	}
	if f.Message != "" {
		fmt.Fprintf(&b, " of %s", counted(f.Count, string(f.Message)))
	} else if f.Count != 0 {
		fmt.Fprintf(&b, " of the first %d", f.Count)
	}
	if f.Factor != 0 {
		fmt.Fprintf(&b, " by a factor of %d", f.Factor)
	}
	if d := f.Jump + f.By; d != 0 {
		fmt.Fprintf(&b, " by %v", d)
	}
	fmt.Fprintf(&b, " at %v", f.At)
	if !f.After.IsZero() {
		fmt.Fprintf(&b, " or %v after the next %s of %s", f.After.Delay, f.After.Event, f.After.Of)
	}
	fmt.Fprintf(&b, " for %v", f.For)
	return b.String()
}

// Plan is a list of faults in order of At.
type Plan []Fault

// Sort puts the faults in order of time, keeping the order of equal times.
func (p Plan) Sort() {
	slices.SortStableFunc(p, func(a, b Fault) int { return int((a.At - b.At) / max(1, absDuration(a.At-b.At))) })
}

// End is when the last fault is over.
func (p Plan) End() time.Duration {
	var end time.Duration
	for _, f := range p {
		end = max(end, f.End())
	}
	return end
}

// Count is how many faults of kind k there are.
func (p Plan) Count(k Kind) int {
	n := 0
	for _, f := range p {
		if f.Kind == k {
			n++
		}
	}
	return n
}

func absDuration(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}

// Topology is what a plan's names are checked against and drawn from.
type Topology struct {
	Brokers    []string // host names, "broker-1" …
	Partitions []string // under load, "orders-0" …
	// Coordinators are the partitions of internal topics that programs make use of,
	// "__consumer_offsets-0" …; whoever leads one is a coordinator.
	Coordinators []string
	RackOf       []string // of each broker, "rack-1" …; none if there are no racks
	LogDirs      int      // how many each broker has; 0 is one
	MinISR       int      // effective min.insync.replicas of the topics under load
}

// has reports whether there is a partition of that name.
func (t Topology) has(partition string) bool {
	return slices.Contains(t.Partitions, partition) || slices.Contains(t.Coordinators, partition)
}

// Racks lists the racks that brokers are in.
func (t Topology) Racks() []string {
	var all []string
	for _, rack := range t.RackOf {
		if !slices.Contains(all, rack) {
			all = append(all, rack)
		}
	}
	return all
}

// InRack lists the brokers in a rack, counted from 0.
func (t Topology) InRack(rack string) []int {
	var all []int
	for i, r := range t.RackOf {
		if r == rack {
			all = append(all, i)
		}
	}
	return all
}

// Validate says what is wrong with the fault, naming the key and the remedy.
func (f Fault) Validate(t Topology) error {
	k := f.Kind.known()
	if k == nil {
		return fmt.Errorf("kind %q is not a fault; the kinds are %s", f.Kind, joinWords(Kinds()))
	}
	if f.At < 0 {
		return fmt.Errorf("at: %v is before the start of the workload; use 0s or more", f.At)
	}
	if f.For <= 0 {
		return fmt.Errorf("for: a %s needs a duration above zero, such as 2s", f.Kind)
	}
	if err := f.checkParameters(k, t); err != nil {
		return err
	}
	for _, target := range append(append([]Target{f.Node}, f.Between...), f.And...) {
		if target == "" {
			continue
		}
		if target == It && f.After.IsZero() {
			return fmt.Errorf("%q is the broker that an event is about; say after: which event, such as election of %s", It, t.anyPartition())
		}
		if err := target.Validate(t); err != nil {
			return err
		}
	}
	return f.After.validate(t)
}

// counted is "every x", or "the first 3 x".
func counted(n int64, of string) string {
	if n == 0 {
		return "every " + of
	}
	return fmt.Sprintf("the first %d %s", n, of)
}

func (t Topology) anyPartition() string {
	if len(t.Partitions) == 0 {
		return "topic-0"
	}
	return t.Partitions[0]
}

// summary lists names, the middle of long lists left out.
func summary(names []string) string {
	if len(names) <= 8 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:4], ", ") + ", … " + names[len(names)-1]
}
