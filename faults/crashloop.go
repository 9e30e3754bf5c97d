package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// CrashLoop is a broker process that dies again whenever it has been started.
const CrashLoop Kind = "crash-loop"

func crashLoop() *kind {
	return &kind{
		name:     CrashLoop,
		what:     "the broker process dies, is started, and dies again by a time after each start; the page cache stays",
		ends:     "a process that may live",
		survives: "any number, any overlap: like crashes",
		stops:    true,
		takes:    takesNode | takesBy,
		check: func(f Fault) error {
			if f.By <= 0 {
				return fmt.Errorf("by: a %s needs to know how long each process lives, such as 500ms", f.Kind)
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("%s, each process lives for %v", f.struck(h, names), f.By)
		},
		strike: with(func(p Processes, e env.Env, f Fault, h Hit) (*Strike, error) {
			dead, err := p.Kill(e, h.node())
			if err != nil {
				return nil, err
			}
			over, crashes := e.NewSignal(), 1
			loop := e.Go("crash-loop", func() {
				for !over.Wait(loopPause) {
					if dead != nil {
						dead.Undo(e)
					}
					over.Wait(f.By)
					if dead, err = p.Kill(e, h.node()); err == nil { // else something else has ended it
						crashes++
					}
				}
			})
			return &Strike{Undo: func(env.Env) string {
				over.Set()
				loop.Wait()
				if dead != nil {
					dead.Undo(e)
				}
				return fmt.Sprintf("%d crashes", crashes)
			}}, nil
		}),
		draws: []drawing{{name: "crash-loop", what: "any broker, whose processes live for 50 ms to 2 s", draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 8*time.Second)
			return Plan{{Kind: CrashLoop, At: at, For: length, Node: anyTarget(r, t), By: r.Between(50*time.Millisecond, 2*time.Second).Round(time.Millisecond)}}
		}}},
	}
}

// loopPause is how long a process of a crash loop stays dead.
const loopPause = 100 * time.Millisecond
