package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// Draw bounds what Generate may draw. Counts are inclusive ranges.
type Draw struct {
	// Start and HealBy bound the plan: no fault begins before Start, all are
	// over by HealBy. Times count from the start of the workload.
	Start  time.Duration `yaml:"start"`
	HealBy time.Duration `yaml:"heal-by"`

	LeaderCrashes Count `yaml:"leader-crash,omitempty"` // crash of the leader of a drawn partition
	Crashes       Count `yaml:"crash,omitempty"`        // crash of any broker
	PowerLosses   Count `yaml:"power-loss,omitempty"`
	Partitions    Count `yaml:"partition,omitempty"` // full, partial or one-way
	Cascades      Count `yaml:"cascade,omitempty"`   // leaders of one partition failing in quick succession, often while two brokers do not reach each other
	Pauses        Count `yaml:"pause,omitempty"`
	Restarts      Count `yaml:"restart,omitempty"`
	SlowDisks     Count `yaml:"slow-disk,omitempty"`
	FullDisks     Count `yaml:"full-disk,omitempty"`
	DiskErrors    Count `yaml:"disk-error,omitempty"`
	ClockJumps    Count `yaml:"clock-jump,omitempty"`
}

// Count is an inclusive range of how often something happens.
type Count struct{ Min, Max int }

// Resync is the time that Generate leaves between two lossy faults, so that
// what the first lost is copied back from others before the second strikes.
const Resync = 8 * time.Second

// shortest is the least length of a fault that Generate draws, other than a
// flicker of the network.
const shortest = 200 * time.Millisecond

// Validate says what is wrong with the bounds.
func (d Draw) Validate(t Topology) error {
	if d.HealBy-d.Start < time.Second {
		return fmt.Errorf("start: and heal-by: leave %v for faults; give them at least 1s", d.HealBy-d.Start)
	}
	for _, c := range d.counts() {
		if c.count.Min < 0 || c.count.Max < c.count.Min {
			return fmt.Errorf("%s: %d..%d is not a range of counts", c.name, c.count.Min, c.count.Max)
		}
		if c.lossy && c.count.Max > 0 && t.MinISR < 2 {
			return fmt.Errorf("%s: with min.insync.replicas=%d nothing acknowledged survives a lossy fault; raise min.insync.replicas to 2 or more, or write a plan", c.name, t.MinISR)
		}
		if c.peers && c.count.Max > 0 && len(t.Brokers) < 2 {
			return fmt.Errorf("%s: needs at least two brokers", c.name)
		}
	}
	return nil
}

type countOf struct {
	name  string
	count Count
	lossy bool
	peers bool
	draw  func(*env.Rand, Draw, Topology) Plan
}

// counts lists what is drawn, the most constrained first: a lossy fault needs
// a quiet place, the others go anywhere.
func (d Draw) counts() []countOf {
	return []countOf{
		{name: "power-loss", count: d.PowerLosses, lossy: true, draw: drawPowerLoss},
		{name: "full-disk", count: d.FullDisks, lossy: true, draw: drawOn(FullDisk, time.Second, 5*time.Second)},
		{name: "disk-error", count: d.DiskErrors, lossy: true, draw: drawOn(DiskError, time.Second, 4*time.Second)},
		{name: "leader-crash", count: d.LeaderCrashes, draw: drawLeaderCrash},
		{name: "cascade", count: d.Cascades, peers: true, draw: drawCascade},
		{name: "partition", count: d.Partitions, peers: true, draw: drawPartition},
		{name: "crash", count: d.Crashes, draw: drawOn(Crash, shortest, 6*time.Second)},
		{name: "pause", count: d.Pauses, draw: drawOn(Pause, shortest, 8*time.Second)},
		{name: "restart", count: d.Restarts, draw: drawOn(Restart, shortest, 4*time.Second)},
		{name: "slow-disk", count: d.SlowDisks, draw: drawSlowDisk},
		{name: "clock-jump", count: d.ClockJumps, draw: drawClockJump},
	}
}

// Generate draws the plan that seed stands for. How often something happens
// and each occurrence have random streams of their own: asking for one fault
// more of a kind leaves all others as they were.
func Generate(seed uint64, d Draw, t Topology) Plan {
	var plan Plan
	for _, c := range d.counts() {
		n := c.count.Min + env.NewRand(seed, "fault-count", c.name).Intn(c.count.Max-c.count.Min+1)
		for i := range n {
			r := env.NewRand(seed, "fault", fmt.Sprintf("%s-%d", c.name, i))
			// What finds no place that the atlas allows is left out.
			for range 64 {
				drawn := c.draw(r, d, t)
				if compatible(plan, drawn) {
					plan = append(plan, drawn...)
					break
				}
			}
		}
	}
	plan.Sort()
	return plan
}

// compatible says whether the faults drawn keep the distance that the atlas
// asks for between a lossy fault and others that stop a broker.
func compatible(plan, drawn Plan) bool {
	for _, a := range plan {
		for _, b := range drawn {
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

func drawPowerLoss(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 4*time.Second)
	return Plan{{Kind: PowerLoss, At: at, For: length, Node: anyTarget(r, t)}}
}

func drawLeaderCrash(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 6*time.Second)
	return Plan{{Kind: Crash, At: at, For: length, Node: LeaderOf(pick(r, t.Partitions))}}
}

func drawSlowDisk(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 15*time.Second)
	return Plan{{Kind: SlowDisk, At: at, For: length, Node: anyTarget(r, t), Factor: 2 + r.Int64n(60)}}
}

func drawClockJump(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 20*time.Second)
	jump := r.Between(time.Second, 24*time.Hour).Round(time.Second)
	if r.Chance(1, 2) {
		jump = -jump
	}
	return Plan{{Kind: ClockJump, At: at, For: length, Node: anyTarget(r, t), Jump: jump}}
}

// drawPartition draws the three shapes: one broker from all others, two
// brokers from each other while a third reaches both, and packets lost in one
// direction only.
func drawPartition(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, 50*time.Millisecond, 10*time.Second)
	f := Fault{Kind: Partition, At: at, For: length}
	order := r.Perm(len(t.Brokers))
	f.Between = []Target{Target(t.Brokers[order[0]])}
	for _, i := range order[1:] {
		f.And = append(f.And, Target(t.Brokers[i]))
	}
	if r.Chance(1, 2) {
		f.And = f.And[:1]
	}
	if r.Chance(1, 4) {
		f.OneWay = true
		if r.Chance(1, 2) {
			f.Between, f.And = f.And, f.Between
		}
	}
	return Plan{f}
}

// drawCascade draws leaders of one partition that fail one after the other,
// the second within a moment of its election. What it looks for are replicas
// that are electable without having all that was acknowledged; a partition
// between the two brokers that stay makes the moment longer.
func drawCascade(r *env.Rand, d Draw, t Topology) Plan {
	partition := pick(r, t.Partitions)
	total := min(10*time.Second, d.HealBy-d.Start)
	at := r.Between(d.Start, d.HealBy-total).Round(time.Millisecond)
	kinds := []Kind{Crash, Crash, Pause}
	down := func() time.Duration { return r.Between(total/20, total/4).Round(time.Millisecond) }

	first := Fault{Kind: kinds[r.Intn(len(kinds))], At: at + total/10, For: down(), Node: LeaderOf(partition)}
	second := Fault{Kind: kinds[r.Intn(len(kinds))], At: first.At, For: down(), Node: LeaderOf(partition)}
	if r.Chance(2, 3) {
		second.At += time.Millisecond
		second.OnElection = partition
		second.Delay = r.Between(0, 40*time.Millisecond).Round(time.Millisecond / 10)
	} else {
		second.At += r.Between(100*time.Millisecond, total/2).Round(time.Millisecond)
	}
	plan := Plan{first, second}
	if r.Chance(1, 2) {
		order := r.Perm(len(t.Brokers))
		plan = append(plan, Fault{Kind: Partition, At: at, For: total,
			Between: []Target{Target(t.Brokers[order[0]])}, And: []Target{Target(t.Brokers[order[1]])}})
	}
	return plan
}
