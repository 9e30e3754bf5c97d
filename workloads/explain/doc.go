// Package explain works out, by running a failing plan again and again, what a
// single run cannot tell: from when on the failure was bound to happen, and what
// each fault has to do with it.
//
// A fork ([sim.Fork]) is the run as it was up to a time, with everything that is
// drawn after that drawn anew. Of several forks at one time some fail in the same
// way: their share says how likely the failure was from there on. Before what
// causes it the share is that of the plan under any seed; from when it is
// inevitable it is one.
//
// Without a fault, a plan either still fails under its own seed or does not; and
// under other draws it fails more or less often than with the fault.
package explain
