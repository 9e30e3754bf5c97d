// Package shrink makes a failing plan small: it finds an explicit scenario that
// still fails in the same way and from which nothing more can be taken.
//
// [Shrink] knows nothing of how a plan is run. It is given a [Run], which says
// for a plan of which kinds the failures are that it shows
// (linearizability.Finding.Signature), and one of these kinds, which every
// smaller plan must go on showing. The command "weir shrink", package simtest
// and a test with a model of a bug all use the same search.
//
// # How it goes
//
// What is tried are edits of the plan's file, in rounds, until a whole round
// helps no more:
//
//   - the load is made shorter, and faults that come later are left out;
//   - entries of lists (faults, programs, topics, sides of a partition) are left
//     out by delta debugging: large pieces first, then smaller ones;
//   - brokers, replicas and partitions become fewer, and what the faults name
//     is renamed with them;
//   - clients, rates and sizes become smaller;
//   - settings go back to their defaults, many at a time, then one by one;
//   - faults are shortened, moved to the front and to round times;
//   - the schedule becomes plain.
//
// Edits work on the YAML tree, so that whatever a scenario file may hold, now
// or later, can be left out of it; one that makes a file which cannot be read
// or which would leave something to a seed is not tried at all.
//
// The random streams of a run are keyed (docs/determinism.md): what is left out
// of a plan does not change what everybody else draws.
//
// # Determinism
//
// Several plans are run at a time, but of those that still fail the first in
// order is kept, whoever was ready first. Without a budget, or within it, the
// result is a function of the plan and of what Run says, not of the number of
// workers. The best plan so far is told of when it is found, so that a search
// which is cut short has lost nothing, and can go on from there.
package shrink
