package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/weirlab/weir/env"
)

// Point is what came of a place in the programs where something rare may
// happen ([env.Lab.Rare]).
type Point struct {
	Name  string
	Asked int64 // how often a program came by
	Fired int64 // how often it happened
	OneIn int64 // at a rate of about one in so many; 0: not in this run
}

// State is a state that programs have told of ([env.Lab.Reached]).
type State struct {
	Kind, State, Detail string
	Times               int64
}

// Rates of points: one in a power of two of their visits, from one in 4 up to
// one in 1024. That the most frequent is not one in 1 keeps every point from
// holding a program up for ever.
const (
	pointOneIn    = 4 // how many of the points a run has
	leastRareLog2 = 2
	mostRareLog2  = 10
)

// laboratory is what all points and states of a world are counted in. Nothing
// of it is in the trace hash: what points do to the programs is.
type laboratory struct {
	seed   uint64
	on     bool
	points map[string]*Point
	states map[stateName]*int64
}

type stateName struct{ kind, state, detail string }

func (l *laboratory) init(o Options) {
	l.seed, l.on = o.Seed, o.Buggify
	l.points, l.states = map[string]*Point{}, map[stateName]*int64{}
}

// point finds a point. Whether it is in this run, and its rate, are functions of
// the seed and its name alone, so that a point more in the programs leaves those
// of all others as they are.
func (l *laboratory) point(name string) *Point {
	p := l.points[name]
	if p != nil {
		return p
	}
	p = &Point{Name: name}
	if l.on {
		p.OneIn = PointOneIn(l.seed, name)
	}
	l.points[name] = p
	return p
}

// PointOneIn is at how many of its visits a point has something rare happen in
// the world of a seed, on average: at one in so many, or 0 for none.
func PointOneIn(seed uint64, name string) int64 {
	r := env.NewRand(seed, "buggify", name)
	if !r.Chance(1, pointOneIn) {
		return 0
	}
	return 1 << (leastRareLog2 + r.Intn(mostRareLog2-leastRareLog2+1))
}

// hand is the laboratory's hand in one process.
type hand struct {
	l       *laboratory
	p       *process
	streams map[string]*pointOf

	// What programs came by lately, by where the text of the name lies, which for
	// a constant does not change: points and states are come by all the time.
	points [handSlots]*pointOf
	states [handSlots]stateCount
}

const handSlots = 128

type stateCount struct {
	stateName
	times *int64
}

func handSlot(name string) uintptr {
	at := uintptr(unsafe.Pointer(unsafe.StringData(name)))
	return (at>>3 ^ at>>9) % handSlots
}

// pointOf is a point in one process, with a stream of its own.
type pointOf struct {
	*Point
	r *env.Rand
}

var _ env.Hand = (*hand)(nil)

func (l *laboratory) hand(p *process) *env.Lab { return env.NewLab(&hand{l: l, p: p}) }

// outside reports whether it is not the process itself that comes by: it is
// dead, or somebody looks into it from outside of its tasks, which must change
// nothing.
func (h *hand) outside() bool {
	t := h.p.k.current
	return t == nil || t.proc != h.p || h.p.dead
}

// Strike implements env.Hand.
func (h *hand) Strike(name string, times int64) *env.Rand {
	if h.outside() {
		return nil
	}
	h.p.k.called()
	recent := &h.points[handSlot(name)]
	if *recent == nil || (*recent).Name != name {
		*recent = h.stream(name)
	}
	at := *recent
	at.Asked++
	if at.OneIn == 0 || !at.r.Chance(1, at.OneIn*times) {
		return nil
	}
	at.Fired++
	return at.r
}

// stream is the point as this process has it.
func (h *hand) stream(name string) *pointOf {
	at := h.streams[name]
	if at == nil {
		if h.streams == nil {
			h.streams = map[string]*pointOf{}
		}
		at = &pointOf{Point: h.l.point(name)}
		if at.OneIn > 0 {
			at.r = env.NewRand(h.l.seed, "buggify/"+name, fmt.Sprintf("%s#%d", h.p.node.name, h.p.epoch)).Salted(&h.p.k.salt)
		}
		h.streams[name] = at
	}
	return at
}

// Reached implements env.Hand.
func (h *hand) Reached(kind, state, detail string) {
	if h.outside() {
		return
	}
	name := stateName{kind, state, detail}
	recent := &h.states[(handSlot(kind)^handSlot(state)*5^handSlot(detail)*25)%handSlots]
	if recent.times == nil || recent.stateName != name {
		*recent = stateCount{name, h.l.state(name)}
	}
	*recent.times++
}

func (l *laboratory) state(name stateName) *int64 {
	n := l.states[name]
	if n == nil {
		n = new(int64)
		l.states[name] = n
	}
	return n
}

// Points lists the points that programs came by, by name.
func (k *Kernel) Points() []Point {
	points := make([]Point, 0, len(k.lab.points))
	for _, name := range env.SortedKeys(k.lab.points) {
		points = append(points, *k.lab.points[name])
	}
	return points
}

// States lists the states that programs told of, by name.
func (k *Kernel) States() []State {
	states := make([]State, 0, len(k.lab.states))
	for name, n := range k.lab.states {
		states = append(states, State{name.kind, name.state, name.detail, *n})
	}
	slices.SortFunc(states, func(a, b State) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.State, b.State), strings.Compare(a.Detail, b.Detail))
	})
	return states
}
