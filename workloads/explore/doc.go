// Package explore searches with feedback: it keeps the runs that were somewhere
// new and changes their plans, where a plain campaign forgets them and draws the
// next seed.
//
// Where a run has been is a list of [State]s: which guard of the replication
// protocol decided, which error code which API answered, what a step function
// made of an input, what the controller decided about a partition, which point
// had something rare happen (package rare), which fault struck while which other
// was under way. Programs tell of them through [env.Lab], beside the run and not
// in its trace; [Of] gathers them, a [Map] counts over many runs in how many each
// was reached, and [Known] lists those that can be named beforehand, to say what
// was never reached.
//
// A [Search] alternates between plans that are drawn by the next seed and changes
// of plans that are kept (a [Mutator] moves, lengthens, adds and takes away
// faults, draws a setting anew, or has the same plan run by another seed). What
// is changed is always the explicit plan: a scenario file, which a report names
// together with its ancestor and which "weir run" repeats. The search itself is a
// function of its scenario and options, however many runs go on at a time.
package explore
