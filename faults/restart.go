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
		strike: with(func(p Processes, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return p.ShutDown(e, h.node())
		}),
		draws: []drawing{{name: "restart", what: "any broker", draw: drawOn(Restart, shortest, 4*time.Second)}},
	}
}
