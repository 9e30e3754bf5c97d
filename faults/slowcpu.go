package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// SlowCPU is a broker that gets a part of its processor's time only.
const SlowCPU Kind = "slow-cpu"

// turn is how long a process on a slow processor runs at a stretch.
const turn = 2 * time.Millisecond

func slowCPU() *kind {
	return &kind{
		name:     SlowCPU,
		what:     "the process runs for one in factor parts of the time, 2 ms at a stretch",
		ends:     "a processor of its own",
		survives: "any number: no safety decision asks how long a step took",
		takes:    takesNode | takesFactor,
		check: func(f Fault) error {
			if f.Factor < 2 {
				return errors.New("factor: a slow-cpu needs a factor of 2 or more")
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("%s runs for a %dth of the time", f.struck(h, names), f.Factor)
		},
		strike: with(func(p Processes, e env.Env, f Fault, h Hit) (*Strike, error) {
			over, pauses := e.NewSignal(), 0
			steal := func() {
				if s, err := p.Pause(e, h.node()); err == nil {
					pauses++
					over.Wait(turn * time.Duration(f.Factor-1))
					s.Undo(e)
				}
			}
			thief := e.Go("slow-cpu", func() {
				for steal(); !over.Wait(turn); {
					steal()
				}
			})
			s := &Strike{}
			s.Undo = func(env.Env) string {
				over.Set()
				thief.Wait()
				s.Idle = pauses == 0
				return fmt.Sprintf("%d turns taken from it", pauses)
			}
			return s, nil
		}),
		draws: []drawing{{name: "slow-cpu", what: "any broker, 2 to 50 times", draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 8*time.Second)
			return Plan{{Kind: SlowCPU, At: at, For: length, Node: anyTarget(r, t), Factor: 2 + r.Int64n(2<<r.Intn(6))%49}}
		}}},
	}
}
