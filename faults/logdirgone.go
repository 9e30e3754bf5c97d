package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// LogDirGone is one log directory of a broker that is gone.
const LogDirGone Kind = "log-dir-gone"

func logDirGone() *kind {
	return &kind{
		name: LogDirGone,
		what: "every call on one of the broker's log directories, counted from 1, fails with EIO, as if its disk were gone; " +
			"the broker is to go on with the others",
		ends:     "a sound disk, and a restart of the broker if it has gone on without it",
		survives: "like a power loss, of what is in the directory alone: what was being written may be gone",
		lossy:    true,
		takes:    takesNode | takesLogDir,
		check: func(f Fault) error {
			if f.LogDir < 1 {
				return fmt.Errorf("log-dir: %d is no log directory; use 1 up to cluster.log-dirs", f.LogDir)
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("disk-%d of %s", f.LogDir, f.struck(h, names))
		},
		strike: with(func(d LogDirs, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.LoseLogDir(e, h.node(), int(f.LogDir))
		}),
		draws: []drawing{{name: "log-dir-gone", what: "any log directory of any broker that has several", dirs: true, draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 4*time.Second)
			return Plan{{Kind: LogDirGone, At: at, For: length, Node: anyTarget(r, t), LogDir: 1 + r.Int64n(int64(t.LogDirs))}}
		}}},
	}
}
