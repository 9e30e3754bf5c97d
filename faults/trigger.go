package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Event is something in a cluster's life that a fault can wait for.
type Event string

// The events. What an event is of, and the broker that it is about ([It]), is
// said at each.
const (
	// Election gives a partition another leader, or the cluster another active
	// controller; it is about the one elected.
	Election Event = "election"
	// ISRExpansion is the commit of an ISR with a replica more; it is about that.
	ISRExpansion Event = "isr-expansion"
	// ISRShrink is the commit of an ISR with a replica less; it is about that.
	ISRShrink Event = "isr-shrink"
	// Truncation cuts the end of a partition's log on the broker that it is about.
	Truncation Event = "truncation"
	// Registration of a broker with the controller was accepted.
	Registration Event = "registration"
	// Roll of a partition's log begins a new segment on the broker it is about.
	Roll Event = "roll"
	// FirstAppend puts the first records of a leader epoch into a partition's log
	// on the broker that it is about, leader or follower.
	FirstAppend Event = "first-append"
	// Commit moves a partition's high watermark on the leader that it is about.
	Commit Event = "commit"
)

// Events lists what a fault can wait for, in the order of its documentation.
func Events() []Event {
	return []Event{Election, ISRExpansion, ISRShrink, Truncation, Registration, Roll, FirstAppend, Commit}
}

// Occurrence is an event that has happened.
type Occurrence struct {
	Event Event
	// Of is a partition ("orders-0"); of a registration the broker, and of an
	// election perhaps "controller".
	Of     string
	Broker int // that it is about, counted from 0
}

// Trigger has a fault wait for an event: "election of orders-0 +30ms" is 30 ms
// after the next election of that partition. The zero value waits for nothing.
type Trigger struct {
	Event Event
	Of    string // as in Occurrence
	Delay time.Duration
}

// TriggerPatience is how long a fault waits for the event that it names.
const TriggerPatience = 6 * time.Second

// IsZero reports whether there is nothing to wait for.
func (t Trigger) IsZero() bool { return t == Trigger{} }

// String is the trigger as a plan writes it.
func (t Trigger) String() string {
	s := fmt.Sprintf("%s of %s", t.Event, t.Of)
	if t.Delay != 0 {
		s += fmt.Sprintf(" +%v", t.Delay)
	}
	return s
}

// MarshalText writes "election of orders-0 +30ms".
func (t Trigger) MarshalText() ([]byte, error) {
	if t.IsZero() {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads "election of orders-0 +30ms".
func (t *Trigger) UnmarshalText(text []byte) error {
	*t = Trigger{}
	if len(text) == 0 {
		return nil
	}
	what, delay, delayed := strings.Cut(string(text), " +")
	event, of, found := strings.Cut(what, " of ")
	if delayed {
		var err error
		if t.Delay, err = time.ParseDuration(strings.TrimSpace(delay)); err != nil || t.Delay < 0 {
			return fmt.Errorf("%q: %q is no delay; write one such as +30ms", text, "+"+delay)
		}
	}
	if !found || !slices.Contains(Events(), Event(event)) {
		return fmt.Errorf("%q is not an event; write one such as \"election of orders-0 +30ms\"; the events are %s", text, joinWords(Events()))
	}
	t.Event, t.Of = Event(event), strings.TrimSpace(of)
	return nil
}

// Met reports whether the occurrence is what the trigger waits for.
func (t Trigger) Met(o Occurrence) bool { return t.Event == o.Event && t.Of == o.Of }

// validate says what is wrong with the trigger.
func (t Trigger) validate(topology Topology) error {
	switch {
	case t.IsZero():
		return nil
	case !slices.Contains(Events(), t.Event):
		return fmt.Errorf("after: %q is not an event; the events are %s", t.Event, joinWords(Events()))
	case t.Delay < 0:
		return fmt.Errorf("after: the delay of %v must not be negative", t.Delay)
	case t.Event == Election && t.Of == controllerWord:
		return nil
	case t.Event == Registration:
		if !slices.Contains(topology.Brokers, t.Of) {
			return fmt.Errorf("after: there is no broker %q; the brokers are %s", t.Of, summary(topology.Brokers))
		}
	case !topology.has(t.Of):
		return fmt.Errorf("after: there is no partition %q; the partitions are %s", t.Of, summary(topology.Partitions))
	}
	return nil
}

// longestDelay is what Generate draws at most between an event and its fault.
const longestDelay = 100 * time.Millisecond

// drawTrigger draws what the faults of one drawing wait for. Elections and
// changes of the ISR come up more often than the rest: what they hide lasts for
// as long as a message is under way.
func drawTrigger(r *env.Rand, t Topology) Trigger {
	likely := []Event{Election, Election, Election, ISRExpansion, ISRExpansion, ISRShrink, ISRShrink,
		Truncation, Registration, Roll, FirstAppend, FirstAppend, Commit}
	on := Trigger{Event: likely[r.Intn(len(likely))]}
	switch {
	case len(t.Partitions) == 0, on.Event == Election && r.Chance(1, 4):
		on.Event, on.Of = Election, controllerWord
	case on.Event == Registration:
		on.Of = pick(r, t.Brokers)
	default:
		on.Of = pick(r, t.Partitions)
	}
	// Half of the delays are within a few round trips.
	most := longestDelay
	if r.Chance(1, 2) {
		most /= 10
	}
	if r.Chance(7, 8) {
		on.Delay = r.Between(0, most).Round(time.Millisecond / 10)
	}
	return on
}

// await has the faults of one drawing wait for one event, unless some wait for
// one already, or they follow one another: an event would have them all begin at
// once. They may strike the broker that the event is about.
func (p Plan) await(r *env.Rand, d Draw, t Topology) {
	for _, f := range p {
		if !f.After.IsZero() || f.At != p[0].At {
			return
		}
	}
	on := drawTrigger(r, t)
	it := len(p) == 1 && p[0].Node != "" && r.Chance(1, 3)
	for i := range p {
		f := &p[i]
		f.After = on
		// Early enough for the event to come, where there is room for that.
		f.At = max(d.Start, min(f.At, d.HealBy-f.For-TriggerPatience))
		if it {
			f.Node = It
		}
	}
}

// joinWords lists names of any string type.
func joinWords[T ~string](list []T) string { return strings.Join(toStrings(list), ", ") }

func toStrings[T ~string](list []T) []string {
	s := make([]string, len(list))
	for i, w := range list {
		s[i] = string(w)
	}
	return s
}
