// Package mutants measures the tester: it plants the bugs of package faults one
// by one, runs the seeds of an ordinary scenario against each, and says after how
// many seeds, and how much processor time, something was found, by which check,
// and in which words. It is behind "weir mutants".
//
// # Only runs that can differ
//
// A world is a function of its seed, and the wrong code of a bug is asked for
// where it would decide something (package env/planted). So each seed is run once
// without any bug, which tells the bugs that were asked for; for all others the
// run with the bug would be the same run. They count as seeds that found nothing,
// and cost nothing. This also says why a bug is not found: it was never asked for
// (the scenario does not reach it), or it was and the runs came out the same, or
// they differed and no check saw it.
//
// A seed in which something is found without a bug says nothing about bugs. It is
// left out and told of: either a check is wrong or the broker has a bug that
// nobody planted.
//
// # What is kept
//
// Every run is a line of the journal, from which a search goes on that was
// interrupted. The first find of each bug can be kept as a plan, as small as
// package shrink makes it, in the directory known: "weir mutants --known" repeats
// all of them in a few minutes, with the bug and without.
package mutants
