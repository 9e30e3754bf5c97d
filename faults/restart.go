package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// Restart is a controlled shutdown and a new process.
const Restart Kind = "restart"

func restart() *kind {
	return &kind{
		name:     Restart,
		what:     "controlled shutdown",
		ends:     "a new process",
		survives: "any number, any overlap",
		stops:    true,
		takes:    takesNode,
		strike: func(e env.Env, on Machines, f Fault, h Hit) (*Strike, error) {
			p, err := able[Processes](on, f.Kind)
			if err != nil {
				return nil, err
			}
			return p.ShutDown(e, h.Node)
		},
		draws: []drawing{{name: "restart", what: "any broker", draw: drawOn(Restart, shortest, 4*time.Second)}},
	}
}
