package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Advice is the answer to one question that somebody choosing storage has.
type Advice struct {
	Question string `json:"question"`
	// Choice is the configuration by its name, "" if there is none.
	Choice  string   `json:"choice"`
	Answer  string   `json:"answer"`
	Reasons []string `json:"reasons"`
}

// Advise computes the recommendation. It follows rules that a reader can
// repeat with the tables:
//
//   - A configuration carries a load if its ceiling without burst credits is
//     not below it and the simulation at the load met all conditions.
//   - Among those that do, the cheapest per month is the choice. What it risks
//     beyond the others is said with it.
//   - More throughput than one cluster takes is bought as further clusters of
//     the same size.
func Advise(r *Result) []Advice {
	return slices.Concat(
		[]Advice{r.overall(), r.cheapest(false), r.cheapest(true), r.perThroughput(), r.quickest(), r.keeping()},
		r.credits(),
	)
}

// carrying are the entries that carry the load of the plan, the cheapest
// first.
func (r *Result) carrying(fsync bool, entries []*Entry) (carry, rest []*Entry) {
	for _, e := range entries {
		if e.pattern(fsync).Carries(r.Plan) {
			carry = append(carry, e)
		} else {
			rest = append(rest, e)
		}
	}
	slices.SortStableFunc(carry, func(a, b *Entry) int { return cmp.Compare(a.Bill.MicroUSD(), b.Bill.MicroUSD()) })
	return carry, rest
}

func (e *Entry) pattern(fsync bool) *Pattern {
	if fsync {
		return &e.On
	}
	return &e.Off
}

func (e *Entry) name() string { return e.Configuration.Name() }

// dollarsPerMB is the price of a MB/s that goes on forever.
func (e *Entry) dollarsPerMB(fsync bool) float64 {
	s := e.pattern(fsync).Sustained()
	if s <= 0 {
		return 0
	}
	return e.Bill.USD() / (float64(s) / 1e6)
}

func withFsync(fsync bool) string {
	if fsync {
		return "with an fsync of every batch"
	}
	return "without fsync"
}

// overall is the recommendation: the cheapest that carries the load, and when
// it is to be the other kind of storage instead.
func (r *Result) overall() Advice {
	a := Advice{Question: fmt.Sprintf("Which storage for %s, with %s on each broker?", megabytes(r.Plan.LoadBytesPerSecond), gibibytes(r.Plan.StoredBytes))}
	carry, _ := r.carrying(false, r.Configurations)
	if len(carry) == 0 {
		a.Answer = "None of these: no configuration sustains the load. Take larger ones or more brokers."
		return a
	}
	best := carry[0]
	a.Choice = best.name()
	a.Answer = fmt.Sprintf("%s, for %s a month.", capital(best.Configuration.String()), dollars(best.Bill.USD()))
	a.Reasons = append(a.Reasons, fmt.Sprintf("of the %d configurations that sustain the load it is the cheapest, and it sustains %s", len(carry), megabytes(best.Off.Sustained())))
	other := slices.IndexFunc(carry, func(e *Entry) bool { return e.Configuration.Kind() != best.Configuration.Kind() })
	if other < 0 {
		return a
	}
	rival := carry[other]
	a.Reasons = append(a.Reasons, fmt.Sprintf("the cheapest of the other kind, %s, costs %s a month more and sustains %s", rival.Configuration, dollars(rival.Bill.USD()-best.Bill.USD()), megabytes(rival.Off.Sustained())))
	slow, quick := At(best.On.Common.Produce, 99), At(rival.On.Common.Produce, 99)
	if quick > 0 && slow > 2*quick {
		a.Reasons = append(a.Reasons, fmt.Sprintf("take %s instead if every batch has to be synced and latency matters: %s against %s at the 99th percentile", rival.name(), short(quick), short(slow)))
	}
	if load, from, to := r.turn(); load > 0 {
		a.Reasons = append(a.Reasons, fmt.Sprintf("from %s on %s is cheaper than %s", megabytes(load), to.name(), from.name()))
	}
	ephemeral := best
	if best.Configuration.Kind() == EBS {
		ephemeral = rival
	}
	a.Reasons = append(a.Reasons, fmt.Sprintf("an instance store loses everything when all brokers are stopped; when one host fails, %s lacks a replica for %s", ephemeral.name(), long(ephemeral.Host.Exposed())))
	return a
}

func (r *Result) cheapest(fsync bool) Advice {
	a := Advice{Question: fmt.Sprintf("What carries %s for the least money, %s?", megabytes(r.Plan.LoadBytesPerSecond), withFsync(fsync))}
	carry, rest := r.carrying(fsync, r.Configurations)
	if len(carry) == 0 {
		a.Answer = "None of the configurations sustains this load."
		for _, e := range rest {
			a.Reasons = append(a.Reasons, r.tooLittle(e, fsync))
		}
		return a
	}
	best := carry[0]
	a.Choice = best.name()
	a.Answer = fmt.Sprintf("%s: %s a month.", best.Configuration, dollars(best.Bill.USD()))
	p := best.pattern(fsync)
	a.Reasons = append(a.Reasons, fmt.Sprintf("it sustains %s, %.1f times the load; what holds it back there is %s", megabytes(p.Sustained()), float64(p.Sustained())/float64(r.Plan.LoadBytesPerSecond), p.Bottleneck()))
	a.Reasons = append(a.Reasons, fmt.Sprintf("at the load its produce latency is %s at the 99th percentile", short(At(p.Common.Produce, 99))))
	if len(carry) > 1 {
		next := carry[1]
		a.Reasons = append(a.Reasons, fmt.Sprintf("the next one, %s, costs %s a month more", next.name(), dollars(next.Bill.USD()-best.Bill.USD())))
	}
	for _, e := range rest {
		a.Reasons = append(a.Reasons, r.tooLittle(e, fsync))
	}
	return a
}

// tooLittle says why a configuration does not carry the load.
func (r *Result) tooLittle(e *Entry, fsync bool) string {
	p := e.pattern(fsync)
	switch s := p.Sustained(); {
	case s < r.Plan.LoadBytesPerSecond && p.Spent != nil && p.Ceiling.Acked >= r.Plan.LoadBytesPerSecond:
		return fmt.Sprintf("%s carries it only while burst credits last: %s with them, %s without", e.name(), megabytes(p.Ceiling.Acked), megabytes(s))
	case s < r.Plan.LoadBytesPerSecond:
		return fmt.Sprintf("%s takes %s at most, held back by %s", e.name(), megabytes(s), p.Bottleneck())
	}
	return fmt.Sprintf("%s did not keep up with it in the simulation: %s", e.name(), strings.Join(p.Common.Broken, "; "))
}

func (r *Result) perThroughput() Advice {
	a := Advice{Question: "What gives the most throughput for the money?"}
	sorted := slices.DeleteFunc(slices.Clone(r.Configurations), func(e *Entry) bool { return e.Off.Sustained() <= 0 })
	if len(sorted) == 0 {
		a.Answer = "None of the configurations passed anything."
		return a
	}
	slices.SortStableFunc(sorted, func(x, y *Entry) int { return cmp.Compare(x.dollarsPerMB(false), y.dollarsPerMB(false)) })
	best := sorted[0]
	a.Choice = best.name()
	a.Answer = fmt.Sprintf("%s: %s a month for each MB/s that it sustains.", best.Configuration, dollars(best.dollarsPerMB(false)))
	var others []string
	for _, e := range sorted[1:] {
		others = append(others, fmt.Sprintf("%s %s", e.name(), dollars(e.dollarsPerMB(false))))
	}
	if len(others) > 0 {
		a.Reasons = append(a.Reasons, "for the others it is "+strings.Join(others, ", "))
	}
	if load, from, to := r.turn(); load > 0 {
		a.Reasons = append(a.Reasons, fmt.Sprintf("from a load of %s on, the cheapest is %s in place of %s, if more clusters of the same size are added", megabytes(load), to.name(), from.name()))
	}
	return a
}

// costAt is what a load costs when clusters of this kind are added until they
// carry it, in micro-dollars a month; 0 if they never do.
func (e *Entry) costAt(load int64) int64 {
	s := e.Off.Sustained()
	if s <= 0 {
		return 0
	}
	return (load + s - 1) / s * e.Bill.MicroUSD()
}

// mostLoad is up to which load costs are compared.
const mostLoad = 2_000_000_000

// turn is the lowest load, above the plan's, from which on another kind of
// storage is the cheapest at every load up to mostLoad; 0 if there is none.
func (r *Result) turn() (load int64, from, to *Entry) {
	at := func(load int64) *Entry {
		return slices.MinFunc(r.Configurations, func(a, b *Entry) int {
			x, y := a.costAt(load), b.costAt(load)
			if (x == 0) != (y == 0) {
				return cmp.Compare(y, x)
			}
			return cmp.Compare(x, y)
		})
	}
	const step = 1_000_000
	from, to = at(r.Plan.LoadBytesPerSecond), at(mostLoad)
	if from.Configuration.Kind() == to.Configuration.Kind() {
		return 0, nil, nil
	}
	load = mostLoad
	for load-step > r.Plan.LoadBytesPerSecond && at(load-step).Configuration.Kind() == to.Configuration.Kind() {
		load -= step
	}
	return load, at(load - step), at(load)
}

func (r *Result) quickest() Advice {
	a := Advice{Question: fmt.Sprintf("What is quickest at %s when every batch is synced?", megabytes(r.Plan.LoadBytesPerSecond))}
	kept := slices.DeleteFunc(slices.Clone(r.Configurations), func(e *Entry) bool { return len(e.On.Common.Broken) > 0 })
	if len(kept) == 0 {
		a.Answer = "None of the configurations keeps up with the load."
		return a
	}
	slices.SortStableFunc(kept, func(x, y *Entry) int {
		return cmp.Compare(At(x.On.Common.Produce, 99.9), At(y.On.Common.Produce, 99.9))
	})
	best := kept[0]
	a.Choice = best.name()
	a.Answer = fmt.Sprintf("%s: %s at the 99.9th percentile, %s at the median.", best.Configuration, short(At(best.On.Common.Produce, 99.9)), short(At(best.On.Common.Produce, 50)))
	var others []string
	for _, e := range kept[1:] {
		others = append(others, fmt.Sprintf("%s %s", e.name(), short(At(e.On.Common.Produce, 99.9))))
	}
	if len(others) > 0 {
		a.Reasons = append(a.Reasons, "the others at the 99.9th percentile: "+strings.Join(others, ", "))
	}
	a.Reasons = append(a.Reasons, "latency tables of disks are assumptions around published figures; differences below a factor of two say little")
	return a
}

func (r *Result) keeping() Advice {
	a := Advice{Question: "What if records must survive that every broker is stopped at once?"}
	volumes := slices.DeleteFunc(slices.Clone(r.Configurations), func(e *Entry) bool { return e.Configuration.Kind() != EBS })
	carry, _ := r.carrying(false, volumes)
	switch {
	case len(volumes) == 0:
		a.Answer = "Not with instance store: what is stopped or moved to another host starts with empty disks."
	case len(carry) == 0:
		a.Answer = "Only EBS volumes keep them, and none of those compared carries the load."
	default:
		a.Choice = carry[0].name()
		a.Answer = fmt.Sprintf("Only EBS volumes keep them; the cheapest that carries the load is %s, at %s a month.", carry[0].Configuration, dollars(carry[0].Bill.USD()))
	}
	for _, e := range r.Configurations {
		if e.Configuration.Kind() == Ephemeral {
			a.Reasons = append(a.Reasons, fmt.Sprintf("on %s a stop, a termination or the failure of a host empties the disks; the lost broker is back in sync %s after the failure, by copying %s from the others", e.name(), long(e.Host.Exposed()), gibibytes(e.Host.CopiedBytes)))
		}
	}
	if len(carry) > 0 {
		e := carry[0]
		a.Reasons = append(a.Reasons, fmt.Sprintf("on %s the volume moves to another host and only %s are copied; back in sync %s after the failure", e.name(), gibibytes(e.Host.CopiedBytes), long(e.Host.Exposed())))
	}
	return a
}

// credits warns of configurations that are fast for a while.
func (r *Result) credits() []Advice {
	a := Advice{Question: "Which figures hold only for a while?"}
	for _, e := range r.Configurations {
		for _, p := range e.Patterns() {
			if p.Spent == nil || float64(p.Spent.Acked) > gap*float64(p.Ceiling.Acked) {
				continue
			}
			x := p.Course.Exhausted[0]
			for _, dry := range p.Course.Exhausted {
				if dry.Limit == p.Spent.Bottleneck {
					x = dry // the one that rules from then on
				}
			}
			a.Reasons = append(a.Reasons, fmt.Sprintf("%s %s takes %s until its %s credits run out, after %s at full load, and %s from then on",
				e.name(), withFsync(p.Fsync), megabytes(p.Ceiling.Acked), x.Limit, long(x.At), megabytes(p.Spent.Acked)))
		}
	}
	if len(a.Reasons) == 0 {
		return nil
	}
	a.Answer = "Those of the configurations below: a benchmark shorter than that measures the burst."
	return []Advice{a}
}

// megabytes is a rate: "20.0 MB/s".
func megabytes(perSecond int64) string {
	mb := float64(perSecond) / 1e6
	switch {
	case mb >= 99.95:
		return fmt.Sprintf("%.0f MB/s", mb)
	case mb >= 9.995:
		return fmt.Sprintf("%.1f MB/s", mb)
	}
	return fmt.Sprintf("%.2f MB/s", mb)
}

func gibibytes(n int64) string {
	gib := float64(n) / (1 << 30)
	if gib < 9.95 {
		return fmt.Sprintf("%.1f GiB", gib)
	}
	return fmt.Sprintf("%.0f GiB", gib)
}

func dollars(usd float64) string {
	if usd < 99.5 {
		return fmt.Sprintf("$%.2f", usd)
	}
	text := fmt.Sprintf("%.0f", usd)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return "$" + text
}

// short is a latency.
func short(d time.Duration) string {
	ms := float64(d) / 1e6
	switch {
	case ms >= 10_000:
		return fmt.Sprintf("%.0f s", ms/1000)
	case ms >= 1000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// long is a time that people wait.
func long(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
