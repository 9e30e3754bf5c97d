package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// DiskError is a disk on which writes and syncs fail with EIO.
const DiskError Kind = "disk-error"

func diskError() *kind {
	return &kind{
		name:     DiskError,
		what:     "writes and syncs fail with EIO",
		ends:     "a sound disk",
		survives: "like a power loss: what was being written may be gone",
		lossy:    true,
		takes:    takesNode,
		strike: with(func(d Disks, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return d.FailWrites(e, h.node())
		}),
		draws: []drawing{{name: "disk-error", what: "any broker", draw: drawOn(DiskError, time.Second, 4*time.Second)}},
	}
}
