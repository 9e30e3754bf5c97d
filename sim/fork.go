package sim

import (
	"time"

	"github.com/weirlab/weir/env"
)

// Fork makes a world that is as another one of its seed up to a time, and draws
// everything anew from there: what has been drawn by then (packets on their way,
// timers that run) stays. With many seeds it tells what was bound to happen at
// that time. The zero value forks nothing.
//
// The trace hash is another from the start, since the fork is an event.
type Fork struct {
	At   time.Duration
	Seed uint64 // of what is drawn from then on; 0 for no fork
}

// forkLater has the world fork when it is time.
func (k *Kernel) forkLater() {
	if f := k.opts.Fork; f.Seed != 0 {
		k.At(f.At, "fork", func() { k.salt = env.Mix64(f.Seed) | 1 })
	}
}
