// Weirlint keeps simulated code deterministic.
//
//	go run ./cmd/weirlint ./...
//
// Code that runs on package env runs in the simulator too, where one seed must
// decide everything. Weirlint reports, in the packages given by -packages,
// whatever would let something else decide:
//
//   - the go statement, channels and select: tasks are started and meet
//     through env;
//   - packages that reach the machine or draw randomness (os, net, sync,
//     math/rand, runtime …), except for a few types, errors and pure
//     functions of theirs, and packages from elsewhere that nobody has
//     read for this purpose;
//   - the wall clock and timers of package time;
//   - walking a map, unless the loop only collects keys that are sorted after
//     it; env.SortedKeys walks in order. So do the functions that maps.DeleteFunc
//     and maps.EqualFunc call, if they do more than look at an entry;
//   - floating point that reaches a decision: comparisons and conversions to
//     integers, which differ between architectures;
//   - package variables that change;
//   - times in the zone of the machine: time.Unix and its kind without UTC;
//   - printing addresses: %p, and whatever package fmt prints as an address
//     because it is, or holds, a pointer, a function or a channel.
//
// Files named *_test.go are not checked.
//
// # Marks
//
// A loop over a map whose order cannot matter is marked in its line, or in the
// line above, with the reason:
//
//	for id := range seen { //weir:ordered only counted
//
// Anything else that is known to be harmless is marked the same way:
//
//	//weir:allow written once, before the first task starts
//
// A mark without a reason is reported, and so is one that marks nothing.
//
// # Imports
//
// The test of this package also holds the direction of imports between the
// packages of the module.
package main
