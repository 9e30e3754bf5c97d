package ec2

import (
	"fmt"
	"strings"
)

// Event is something that happens to a machine.
type Event string

// The events that [Catalogue.Survival] knows.
const (
	Reboot      Event = "reboot"       // the operating system restarts in order
	Stop        Event = "stop"         // the instance is stopped or hibernated, and started again
	Terminate   Event = "terminate"    // the instance is given up
	PowerLoss   Event = "power-loss"   // the host loses power and comes back
	HostFailure Event = "host-failure" // the host is gone; the instance starts on another
	ZoneLoss    Event = "zone-loss"    // the availability zone is gone
)

// Events are all events, the mildest first.
func Events() []Event {
	return []Event{Reboot, Stop, Terminate, PowerLoss, HostFailure, ZoneLoss}
}

// Outcome is what is left of the data.
type Outcome string

const (
	Kept   Outcome = "kept"   // everything that was written
	Synced Outcome = "synced" // what was synced; the rest is as after a loss of power
	Lost   Outcome = "lost"   // nothing, or nothing that can be reached
)

// Survival is what is left on a class of storage after an event.
type Survival struct {
	Class   string
	Event   Event
	Outcome Outcome
	Note    string

	Provenance Provenance
}

func (c *Catalogue) addSurvival(r *row) {
	s := Survival{
		Class: r.name("class"), Event: Event(r.name("event")), Outcome: Outcome(r.name("outcome")),
		Note: r.name("note"), Provenance: r.provenance(),
	}
	switch s.Outcome {
	case Kept, Synced, Lost:
	default:
		r.fail("outcome", fmt.Errorf("%q is not an outcome; use kept, synced or lost", s.Outcome))
	}
	c.Survivals = append(c.Survivals, s)
}

// Survival says what a class of storage keeps after an event.
func (c *Catalogue) Survival(class string, event Event) (Survival, error) {
	var events []string
	for _, s := range c.Survivals {
		if s.Class == class {
			if s.Event == event {
				return s, nil
			}
			events = append(events, string(s.Event))
		}
	}
	if len(events) == 0 {
		return Survival{}, fmt.Errorf("ec2: the catalogue does not say what storage class %q survives", class)
	}
	return Survival{}, fmt.Errorf("ec2: event %q is not known for storage class %s; use one of %s", event, class, strings.Join(events, ", "))
}
