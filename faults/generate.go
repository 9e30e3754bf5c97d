package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults/drawn"
)

// Draw bounds what Generate may draw.
type Draw struct {
	// Start and HealBy bound the plan: no fault begins before Start, all are
	// over by HealBy. Times count from the start of the workload.
	Start  time.Duration `yaml:"start"`
	HealBy time.Duration `yaml:"heal-by"`

	// BeyondAtlas lets more be drawn than the protocol promises to survive:
	// lossy faults at any distance from each other, on any topic. What is lost
	// then, the judge excuses as far as the facts reach.
	BeyondAtlas drawn.Flag `yaml:"beyond-atlas,omitempty"`

	// Triggered is how many of a hundred faults wait for an event; see Trigger.
	Triggered drawn.Number `yaml:"triggered,omitempty"`

	// Coordinators is how many of a hundred drawings are about the partitions that
	// coordinators lead rather than those under load; see [Topology].
	Coordinators drawn.Number `yaml:"coordinators,omitempty"`

	// Counts is how often each drawing happens, by its key.
	Counts Counts `yaml:",inline"`
}

// Counts is how many of each drawing to make; the keys are those that [Atlas]
// lists.
type Counts map[string]Count

// Keys lists the keys there are.
func (Counts) Keys() []string {
	var keys []string
	for _, k := range kinds() {
		for _, d := range k.draws {
			keys = append(keys, d.name)
		}
	}
	return keys
}

// Count is how often something happens, or what the seed draws that from.
type Count = drawn.Number

// drawing is one way in which a kind of fault is drawn.
type drawing struct {
	name   string // its key in Draw
	what   string
	lossy  bool // as its kind is, or what it is drawn with
	peers  bool // it needs two brokers
	many   bool // it needs four
	racks  bool // it needs racks
	dirs   bool // it needs several log directories
	beyond bool // it asks more than the protocol promises
	draw   func(*env.Rand, Draw, Topology) Plan
}

// drawings lists what can be drawn, the most constrained first: a lossy fault
// needs a quiet place, the others go anywhere.
func drawings() []drawing {
	var lossy, others []drawing
	for _, k := range kinds() {
		for _, d := range k.draws {
			if d.lossy = d.lossy || k.lossy; d.lossy {
				lossy = append(lossy, d)
			} else {
				others = append(others, d)
			}
		}
	}
	return append(lossy, others...)
}

// Resync is the time that Generate leaves between two lossy faults, so that
// what the first lost is copied back from others before the second strikes.
const Resync = 8 * time.Second

// shortest is the least length of a fault that Generate draws, other than a
// flicker of the network.
const shortest = 200 * time.Millisecond

// Validate says what is wrong with the bounds, if t is the largest topology
// that they may be drawn for. Generate draws what t allows of them.
func (d Draw) Validate(t Topology) error {
	if d.HealBy-d.Start < time.Second {
		return fmt.Errorf("start: and heal-by: leave %v for faults; give them at least 1s", d.HealBy-d.Start)
	}
	if d.Triggered.Max > 100 {
		return fmt.Errorf("triggered: %d is not a percentage; use 0 to 100", d.Triggered.Max)
	}
	if d.Coordinators.Max > 100 {
		return fmt.Errorf("coordinators: %d is not a percentage; use 0 to 100", d.Coordinators.Max)
	}
	for _, w := range drawings() {
		if d.Counts[w.name].Max == 0 {
			continue
		}
		if w.beyond && !d.BeyondAtlas.May(true) {
			return fmt.Errorf("%s: asks more than the protocol promises to survive; say beyond-atlas: true if that is what you want", w.name)
		}
		if w.lossy && t.MinISR < 2 && !d.BeyondAtlas.May(true) {
			return fmt.Errorf("%s: with min.insync.replicas=%d nothing acknowledged survives a lossy fault; raise min.insync.replicas to 2 or more, write a plan, or say beyond-atlas: true", w.name, t.MinISR)
		}
		if w.peers && len(t.Brokers) < 2 {
			return fmt.Errorf("%s: needs at least two brokers", w.name)
		}
		if w.many && len(t.Brokers) < 4 {
			return fmt.Errorf("%s: needs at least four brokers", w.name)
		}
		if w.racks && len(t.Racks()) == 0 {
			return fmt.Errorf("%s: needs racks; give cluster.racks", w.name)
		}
		if w.dirs && t.LogDirs < 2 {
			return fmt.Errorf("%s: needs several log directories; give cluster.log-dirs", w.name)
		}
	}
	return nil
}

// fits reports whether the topology has what the drawing needs.
func (w drawing) fits(t Topology) bool {
	n := len(t.Brokers)
	return (!w.peers || n >= 2) && (!w.many || n >= 4) && (!w.racks || len(t.Racks()) > 0) && (!w.dirs || t.LogDirs > 1)
}

// Generate draws the plan that seed stands for. How often something happens
// and each occurrence have random streams of their own: asking for one fault
// more of a kind leaves all others as they were. What the topology has not the
// brokers or the replicas for is left out.
func Generate(seed uint64, d Draw, t Topology) Plan {
	var plan Plan
	beyond := d.BeyondAtlas.Draw(env.NewRand(seed, "fault", "beyond-atlas")).Set()
	waiting := d.Triggered.Draw(env.NewRand(seed, "fault", "triggered")).Value()
	internal := d.Coordinators.Draw(env.NewRand(seed, "fault", "coordinators")).Value()
	coordinators := t
	coordinators.Partitions = t.Coordinators
	for _, w := range drawings() {
		if !beyond && (w.beyond || w.lossy && t.MinISR < 2) || !w.fits(t) {
			continue
		}
		n := d.Counts[w.name].Draw(env.NewRand(seed, "fault-count", w.name)).Value()
		for i := range n {
			which := fmt.Sprintf("%s-%d", w.name, i)
			r, on := env.NewRand(seed, "fault", which), env.NewRand(seed, "trigger", which)
			triggered := on.Chance(waiting, 100)
			at := t
			if len(t.Coordinators) > 0 && internal > 0 && env.NewRand(seed, "coordinator", which).Chance(internal, 100) {
				at = coordinators
			}
			// What finds no place that the atlas allows is left out.
			for range 64 {
				more := w.draw(r, d, at)
				if triggered {
					more.await(on, d, at)
				}
				if beyond || compatible(plan, more) {
					plan = append(plan, more...)
					break
				}
			}
		}
	}
	plan.Sort()
	return plan
}

// compatible says whether more faults keep the distance that the atlas
// asks for between a lossy fault and others that stop a broker.
func compatible(plan, more Plan) bool {
	for _, a := range plan {
		for _, b := range more {
			lossy := a.Kind.Lossy() || b.Kind.Lossy()
			stops := (a.Kind.Lossy() || a.Kind.Stops()) && (b.Kind.Lossy() || b.Kind.Stops())
			if lossy && stops {
				gap := distance(a, b)
				if a.At < b.latest()+gap && b.At < a.latest()+gap {
					return false
				}
			}
		}
	}
	return true
}

// distance is how long a lossy fault and another that stops a broker must be
// apart: not at the same time, and Resync if both are lossy.
func distance(a, b Fault) time.Duration {
	if a.Kind.Lossy() && b.Kind.Lossy() {
		return Resync
	}
	return 0
}

// span draws when a fault of length lo to hi happens, within the bounds.
func (d Draw) span(r *env.Rand, lo, hi time.Duration) (at, length time.Duration) {
	hi = min(hi, d.HealBy-d.Start)
	lo = min(lo, hi)
	length = r.Between(lo, hi).Round(time.Millisecond)
	at = r.Between(d.Start, d.HealBy-length).Round(time.Millisecond)
	return at, min(length, d.HealBy-at)
}

func pick(r *env.Rand, names []string) string { return names[r.Intn(len(names))] }

// anyTarget draws a broker, more often by the part it plays than by name.
func anyTarget(r *env.Rand, t Topology) Target {
	switch {
	case len(t.Partitions) > 0 && r.Chance(2, 5):
		return LeaderOf(pick(r, t.Partitions))
	case len(t.Partitions) > 0 && r.Chance(1, 3):
		return FollowerOf(pick(r, t.Partitions))
	case r.Chance(1, 4):
		return controllerWord
	}
	return Target(pick(r, t.Brokers))
}

func drawOn(k Kind, lo, hi time.Duration) func(*env.Rand, Draw, Topology) Plan {
	return func(r *env.Rand, d Draw, t Topology) Plan {
		at, length := d.span(r, lo, hi)
		return Plan{{Kind: k, At: at, For: length, Node: anyTarget(r, t)}}
	}
}
