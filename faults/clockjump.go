package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// ClockJump is a wall clock that is off by Fault.Jump.
const ClockJump Kind = "clock-jump"

func clockJump() *kind {
	return &kind{
		name:     ClockJump,
		what:     "the wall clock is off by jump",
		ends:     "the right time",
		survives: "any number: no safety decision reads the wall clock",
		takes:    takesNode | takesJump,
		check: func(f Fault) error {
			if f.Jump == 0 {
				return errors.New("jump: a clock-jump needs a jump, such as 1h or -5s")
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("wall clock of %s off by %v", names(h.Nodes...), f.Jump)
		},
		strike: with(func(c Clocks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return c.SetClock(e, h.node(), f.Jump)
		}),
		draws: []drawing{{name: "clock-jump", what: "any broker, 1 s to 24 h, sometimes 3 days, forward or back", draw: drawClockJump}},
	}
}

func drawClockJump(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 20*time.Second)
	most := 24 * time.Hour
	if r.Chance(1, 4) {
		most *= 3 // beyond what producers are remembered for, by default
	}
	jump := r.Between(time.Second, most).Round(time.Second)
	if r.Chance(1, 2) {
		jump = -jump
	}
	return Plan{{Kind: ClockJump, At: at, For: length, Node: anyTarget(r, t), Jump: jump}}
}
