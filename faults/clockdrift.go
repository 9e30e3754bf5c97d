package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// ClockDrift is a wall clock that runs too fast or too slowly.
const ClockDrift Kind = "clock-drift"

func clockDrift() *kind {
	return &kind{
		name:     ClockDrift,
		what:     "the wall clock gains jump each second; with a negative one it loses",
		ends:     "the right time",
		survives: "any number: no safety decision reads the wall clock",
		takes:    takesNode | takesJump,
		check: func(f Fault) error {
			if f.Jump == 0 || f.Jump <= -time.Second || f.Jump%time.Microsecond != 0 {
				return errors.New("jump: a clock-drift needs what the clock gains each second, in whole microseconds and more than -1s, such as 500us or -20ms")
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("wall clock of %s gains %v each second", f.struck(h, names), f.Jump)
		},
		strike: with(func(c Clocks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return c.DriftClock(e, h.node(), int64(f.Jump/time.Microsecond))
		}),
		draws: []drawing{{name: "clock-drift", what: "any broker, 100 µs to 800 ms each second, forward or back", draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 20*time.Second)
			gain := 100 * time.Microsecond << r.Intn(14)
			gain = r.Between(gain/2, min(gain, 800*time.Millisecond)).Round(time.Microsecond)
			if r.Chance(1, 2) {
				gain = -gain
			}
			return Plan{{Kind: ClockDrift, At: at, For: length, Node: anyTarget(r, t), Jump: gain}}
		}}},
	}
}
