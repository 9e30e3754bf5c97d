package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// ShortWrite is a write of which a part is done before it fails.
const ShortWrite Kind = "short-write"

func shortWrite() *kind {
	return &kind{
		name:     ShortWrite,
		what:     "writes to files of a class, all or the first count, fail with EIO after some of their bytes",
		ends:     "whole writes",
		survives: "like a disk-error: what was being written may be gone",
		lossy:    true,
		takes:    takesNode,
		may:      takesFiles | takesCount,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.CutWrites(e, h.node(), f.Files, f.Count)
		}),
		draws: []drawing{{name: "short-write", what: "of one class of files of any broker, once or a few times or for ever", draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 4*time.Second)
			return Plan{{Kind: ShortWrite, At: at, For: length, Node: anyTarget(r, t), Files: drawFiles(r), Count: drawCount(r)}}
		}}},
	}
}
