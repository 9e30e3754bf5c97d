package ec2

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Rule is a limit in units (I/Os or bytes): what it allows always, what it
// allows for a while, and for how long.
type Rule struct {
	Name string // what it limits, for people: "gp2 IOPS"
	Unit string // "I/Os" or "bytes"

	// Baseline is what may always pass, Burst what may pass while credits
	// last, in units per second. Equal is no burst.
	Baseline, Burst int64

	// Credit is how many units that the baseline did not use may be saved.
	// A new bucket has them all.
	Credit int64

	// Reserve is how many units may be saved besides, and Earn how many come
	// to it per second in which nothing passes. It is spent when Credit is out.
	// The EBS pipe of an instance has one: its burst is promised for a time per
	// day, and after it the baseline is all there is.
	Reserve, Earn int64
}

// FixedRule is a limit without a burst.
func FixedRule(name, unit string, perSecond int64) Rule {
	return Rule{Name: name, Unit: unit, Baseline: perSecond, Burst: perSecond}
}

func (r Rule) check() error {
	switch {
	case r.Baseline <= 0:
		return fmt.Errorf("ec2: limit %q: its baseline is %d %s a second; it must be positive", r.Name, r.Baseline, r.Unit)
	case r.Burst < r.Baseline:
		return fmt.Errorf("ec2: limit %q: its burst of %d %s a second is below its baseline of %d", r.Name, r.Burst, r.Unit, r.Baseline)
	case r.Credit < 0 || r.Reserve < 0 || r.Earn < 0:
		return fmt.Errorf("ec2: limit %q: credits must not be negative", r.Name)
	case r.Burst > math.MaxInt64>>2 || r.Credit > math.MaxInt64>>2 || r.Reserve > math.MaxInt64>>2 || r.Earn > r.Burst:
		return fmt.Errorf("ec2: limit %q: its figures are too large", r.Name)
	}
	return nil
}

// BurstDuration is how long saved credits last at the burst rate; false if
// there is no burst to run out of. It is AWS's formula: the credits divided
// by what bursting takes from them, the burst rate less the baseline.
func (r Rule) BurstDuration(saved int64) (time.Duration, bool) {
	drain := r.Burst - r.Baseline
	if drain <= 0 {
		return 0, false
	}
	d, _ := perSecond(saved, drain)
	return d, true
}

// RefillDuration is how long an idle limit takes from no credits to full ones.
func (r Rule) RefillDuration() time.Duration {
	d, _ := perSecond(r.Credit, r.Baseline)
	if r.Earn > 0 {
		earn, _ := perSecond(r.Reserve, r.Earn)
		d = max(d, earn)
	}
	return d
}

// Bucket is a Rule at work. It is a fluid queue with exact integer accounts:
// transfers pass in the order they are admitted, each at the burst rate while
// there are credits and at the baseline when there are none.
type Bucket struct {
	rule Rule

	at   time.Duration // when the last admitted transfer has passed, or later
	part int64         // of a nanosecond at the burst rate that it took besides, in 1/Burst

	credit, reserve account
}

// account is an amount of units with what is less than a unit in billionths:
// the nanoseconds of a rate in units per second add up in it exactly.
type account struct {
	units, billionths int64
}

// NewBucket makes a bucket full of credits at time 0.
func NewBucket(r Rule) (*Bucket, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return &Bucket{rule: r, credit: account{units: r.Credit}, reserve: account{units: r.Reserve}}, nil
}

// SetCredits makes the bucket hold percent of the credits, and of the reserve,
// that it can hold. It is for the start of a run.
func (b *Bucket) SetCredits(percent int64) {
	share := func(most int64) account {
		percent := min(max(percent, 0), 100)
		return account{units: most/100*percent + most%100*percent/100}
	}
	b.credit, b.reserve = share(b.rule.Credit), share(b.rule.Reserve)
}

// SetCreditsAt is SetCredits at a later time: what was saved until now is gone.
func (b *Bucket) SetCreditsAt(now time.Duration, percent int64) {
	if now > b.at {
		b.at, b.part = now, 0
	}
	b.SetCredits(percent)
}

// Rule is the limit.
func (b *Bucket) Rule() Rule { return b.rule }

// Admit queues n units at time now. They begin to pass at start and have
// passed at end. A bucket serves first what it is given first: a time before
// that of an earlier call is behind that call's transfer all the same.
func (b *Bucket) Admit(now time.Duration, n int64) (start, end time.Duration) {
	start = max(now, b.at)
	if n <= 0 {
		return start, start
	}
	if start > b.at {
		b.refill(start - b.at)
		b.at, b.part = start, 0
	}

	// The burst rate is kept to fractions of nanoseconds, so that rounding
	// never adds up.
	took, part := perSecondAnd(n, b.rule.Burst, b.part)
	b.part = part
	// Whatever the credits do not cover, the baseline has to bring.
	if wait := b.untilCovered(n); wait > took {
		took, b.part = wait, 0
	}
	b.at = min(start+took, math.MaxInt64>>1)

	b.credit.add(b.rule.Baseline, took)
	owed := b.reserve.take(b.credit.take(n))
	if owed > 0 {
		// Covered by the two fractions together.
		b.credit.billionths = max(0, b.credit.billionths+b.reserve.billionths-billion)
		b.reserve.billionths = 0
	}
	b.credit.limit(b.rule.Credit)
	b.reserve.limit(b.rule.Reserve)
	return start, b.at
}

// refill lets the bucket be idle.
func (b *Bucket) refill(idle time.Duration) {
	b.credit.add(b.rule.Baseline, idle)
	b.credit.limit(b.rule.Credit)
	b.reserve.add(b.rule.Earn, idle)
	b.reserve.limit(b.rule.Reserve)
}

// untilCovered is how long from now until credits and baseline cover n units.
func (b *Bucket) untilCovered(n int64) time.Duration {
	lacking := account{units: n - b.credit.units, billionths: -b.credit.billionths}
	lacking.units -= b.reserve.units
	lacking.billionths -= b.reserve.billionths
	for lacking.billionths < 0 {
		lacking.units--
		lacking.billionths += billion
	}
	if lacking.units < 0 {
		return 0
	}
	return lacking.at(b.rule.Baseline)
}

// Saved is how many credits there are at a time, of at most how many, with
// those of the reserve. Before the end of the last admitted transfer it is
// what will be left then.
func (b *Bucket) Saved(now time.Duration) (saved, most int64) {
	idle := *b
	if now > b.at {
		idle.refill(now - b.at)
	}
	return idle.credit.units + idle.reserve.units, b.rule.Credit + b.rule.Reserve
}

const billion = int64(time.Second)

// add adds what a rate brings in a time; it never exceeds what fits.
func (a *account) add(rate int64, t time.Duration) {
	hi, lo := bits.Mul64(uint64(rate), uint64(t))
	lo, carry := bits.Add64(lo, uint64(a.billionths), 0)
	hi += carry
	if hi >= uint64(billion)/4 {
		a.units, a.billionths = math.MaxInt64>>1, 0
		return
	}
	units, rest := bits.Div64(hi, lo, uint64(billion))
	a.units = min(a.units+int64(units), math.MaxInt64>>1)
	a.billionths = int64(rest)
}

// take takes n units as far as there are, and returns how many were lacking.
func (a *account) take(n int64) (lacking int64) {
	got := min(n, a.units)
	a.units -= got
	return n - got
}

// limit lets what is above most spill.
func (a *account) limit(most int64) {
	if a.units > most {
		a.units, a.billionths = most, 0
	}
}

// at is the time in which a rate brings the amount, rounded up.
func (a account) at(rate int64) time.Duration {
	hi, lo := bits.Mul64(uint64(a.units), uint64(billion))
	lo, carry := bits.Add64(lo, uint64(a.billionths), 0)
	hi += carry
	if hi >= uint64(rate) {
		return math.MaxInt64 >> 2
	}
	t, rest := bits.Div64(hi, lo, uint64(rate))
	if rest > 0 {
		t++
	}
	return time.Duration(min(t, math.MaxInt64>>2))
}

// perSecond is how long n units take at a rate, rounded down; rest is what was
// cut off, in nanoseconds/rate.
func perSecond(n, rate int64) (t time.Duration, rest int64) {
	return perSecondAnd(n, rate, 0)
}

// perSecondAnd is perSecond with a rest from before.
func perSecondAnd(n, rate, before int64) (t time.Duration, rest int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(billion))
	lo, carry := bits.Add64(lo, uint64(before), 0)
	hi += carry
	if hi >= uint64(rate) {
		return math.MaxInt64 >> 2, 0
	}
	q, r := bits.Div64(hi, lo, uint64(rate))
	return time.Duration(min(q, math.MaxInt64>>2)), int64(r)
}
