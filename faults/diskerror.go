package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// DiskError is a disk on which calls fail with EIO.
const DiskError Kind = "disk-error"

// Calls is a kind of call to a disk; several are joined by "and".
type Calls string

// The calls.
const (
	UsualCalls Calls = "" // writes and syncs
	Reads      Calls = "read"
	Writes     Calls = "write"
	Syncs      Calls = "sync"
	AllCalls   Calls = "all" // as if the directory were gone
)

// Each lists the calls that are joined.
func (c Calls) Each() []Calls {
	if c == UsualCalls {
		return []Calls{Writes, Syncs}
	}
	var all []Calls
	for s := range strings.SplitSeq(string(c), joint) {
		all = append(all, Calls(s))
	}
	return all
}

func diskError() *kind {
	return &kind{
		name: DiskError,
		what: "calls fail with EIO: writes and syncs unless calls says which, of files of one class or all, all of them or the first count; " +
			"a sync that fails has lost what it was to make durable, and says so once",
		ends:     "a sound disk",
		survives: "like a power loss: what was being written may be gone",
		lossy:    true,
		takes:    takesNode,
		may:      takesFiles | takesCount | takesCalls,
		check: func(f Fault) error {
			for _, c := range f.Calls.Each() {
				if !slices.Contains([]Calls{Reads, Writes, Syncs, AllCalls}, c) {
					return fmt.Errorf("calls: %q is no kind of call; use read, write, sync or all, or several joined by \"and\"", c)
				}
			}
			return checkFiles(f)
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			text := onFiles(f, names, h)
			if f.Calls != UsualCalls {
				text = fmt.Sprintf("%s calls, %s", f.Calls, text)
			}
			return text
		},
		strike: with(func(d Disks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.Fail(e, h.node(), f.Calls, f.Files, f.Count)
		}),
		draws: []drawing{{
			name: "disk-error", what: "any broker", draw: drawOn(DiskError, time.Second, 4*time.Second),
		}, {
			name: "file-error", what: "one class of files and one kind of call of any broker, once or a few times or for ever", draw: drawFileError,
		}},
	}
}

func drawFileError(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 4*time.Second)
	calls := []Calls{Reads, Writes, Syncs, AllCalls}
	return Plan{{Kind: DiskError, At: at, For: length, Node: anyTarget(r, t), Calls: calls[r.Intn(len(calls))], Files: drawFiles(r), Count: drawCount(r)}}
}
