package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// Members is the program of consumers that come and go: members of a group that
// join, read for a while and then leave it, fall silent as if they had died, or
// stall as a process does that is paused for long, and commit afterwards as if
// nothing had happened. When the load has ended they stay until everything
// written is read, as those of [Consume] do, whose recording they share.
type Members struct {
	Consume

	// Stay and Away bound how long a member reads before it goes, and how long
	// it is gone or stalls.
	Stay, Away Bounds
	// Static makes them static members (KIP-345), who keep their partitions while
	// they are away for less than their session.
	Static bool
	// Mixed has every other member only be static. What the others do then begins
	// generations that static ones take no part in.
	Mixed bool
	// EchoOneIn has one commit in so many be followed by a heartbeat or a commit of
	// who the member was in an earlier generation, which must be refused. 0: none.
	EchoOneIn int64
}

// Bounds are the least and the most of a length of time that a program draws.
type Bounds struct{ Min, Max time.Duration }

func (b Bounds) draw(r *env.Rand) time.Duration { return r.Between(b.Min, b.Max) }

func (b Bounds) check(what string) error {
	if b.Min <= 0 || b.Max < b.Min {
		return fmt.Errorf("members %s between %s and %s: it must be above zero, and not less than it begins with", what, b.Min, b.Max)
	}
	return nil
}

// Kind implements Program.
func (p *Members) Kind() string { return "member" }

func (p *Members) join(w *Workload, first int) error {
	if p.Group == "" {
		return fmt.Errorf("members of no group")
	}
	if err := p.Stay.check("stay"); err != nil {
		return err
	}
	if err := p.Away.check("are away"); err != nil {
		return err
	}
	if p.EchoOneIn < 0 {
		return fmt.Errorf("an echo in %d commits: it must not be negative", p.EchoOneIn)
	}
	return p.Consume.join(w, first)
}

// The ways in which a member goes.
const (
	leaves = iota
	dies
	stalls
	ways
)

func (p *Members) run(e env.Env, name string, i int) error {
	w := p.w
	rand := e.Rand("membership", name)
	if wait := w.cfg.Start - w.now(e); wait > 0 {
		e.Sleep(wait)
	}
	past := &echoes{oneIn: p.EchoOneIn, rand: e.Rand("echoes", name)}
	for life := int64(0); ; life++ {
		over, err := p.live(e, name, i, life, rand, past)
		if over || err != nil {
			return err
		}
		p.idle(e, p.Away.draw(rand))
	}
}

// idle sleeps for d, or until the load ends.
func (p *Members) idle(e env.Env, d time.Duration) {
	if d = min(d, p.w.end()-p.w.now(e)); d > 0 {
		e.Sleep(d)
	}
}

// live is a member from joining to going. It reports whether the run is over.
func (p *Members) live(e env.Env, name string, i int, life int64, rand *env.Rand, past *echoes) (over bool, err error) {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return true, err
	}
	defer c.Close()
	stay, way := p.Stay.draw(rand), rand.Intn(ways)
	run := &consuming{p: &p.Consume, w: w, e: e, c: c, index: i, life: life, until: e.Now() + stay, echoes: past}
	cfg := p.Consumer
	cfg.Group = p.Group
	run.attend(&cfg)
	cfg.Silent = way == dies && w.now(e)+stay < w.end()
	if p.Static && (!p.Mixed || i%2 == 0) {
		cfg.InstanceID, run.static = name, name
	}
	if run.k, err = c.NewConsumer(cfg); err != nil {
		return true, err
	}
	if err := run.k.Subscribe([]string{p.Topic}); err != nil {
		return true, err
	}
	run.read()
	if way == stalls && !w.over(e) {
		pause := p.Away.draw(rand)
		run.k.Stall(pause)
		p.idle(e, pause)
		run.commit()
		run.until = e.Now() + stay
		run.read()
	}
	over = w.over(e)
	if !over && way == leaves {
		run.commit()
	}
	run.k.Close()
	return over, nil
}
