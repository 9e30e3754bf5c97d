package storage

import "github.com/pingcap/failpoint"

// Planted bugs; see package faults. The markers compile to nothing but in a
// build with failpoints. They are asked where something rare happens, never on
// the paths of records.

// forgetsDuplicates reports whether the planted bug B33 (Redpanda #3038, #3039)
// is switched on: a batch that is in the log already is not known again.
func forgetsDuplicates() bool {
	on := false
	failpoint.Inject("forgetsDuplicates", func(v failpoint.Value) {
		on, _ = v.(bool)
	})
	return on
}

// dropsActiveSegment reports whether the planted bug W1 is switched on: recovery
// that finds damage throws the whole segment away, the intact part too.
func dropsActiveSegment() bool {
	on := false
	failpoint.Inject("dropsActiveSegment", func(v failpoint.Value) {
		on, _ = v.(bool)
	})
	return on
}

// dropSegment moves a cut to the beginning of its segment.
func (o *opener) dropSegment(stop *scanStop) {
	at := o.segments[stop.segment]
	stop.pos, at.size, at.next, at.index = 0, 0, at.base, newSegmentIndex()
	o.epochs.truncateEnd(at.base)
}
