package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// Pause is a process that stands still (SIGSTOP).
const Pause Kind = "pause"

func pause() *kind {
	return &kind{
		name:     Pause,
		what:     "the process stands still",
		ends:     "going on",
		survives: "any number: a paused broker that wakes up is a stale leader, and epochs fence it",
		takes:    takesNode,
		strike: with(func(p Processes, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return p.Pause(e, h.node())
		}),
		draws: []drawing{{name: "pause", what: "any broker", draw: drawOn(Pause, shortest, 8*time.Second)}},
	}
}
