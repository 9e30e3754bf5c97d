// Package regress compares the speed of two builds of the broker on a machine
// that is not quiet, and says whether the newer one is slower.
//
// It is "weir regress". [Resolve] finds or makes the two programs, [Run]
// measures them into a [Result], and [Result.Document] shows it.
//
// # What noise does, and what is done about it
//
// A laptop or a virtual machine slows down and recovers within seconds, and
// two processes of one program differ for as long as they live: memory lies
// elsewhere, goroutines and followers fall into another rhythm. So:
//
//   - Both builds run at the same time and have slices of fixed work, a
//     twentieth of a second each, in turn and in balanced order (ABBA). What
//     changes slowly hits both.
//   - The first thing compared is the processor time of the broker processes,
//     which neighbours that take the processor away do not show in. Throughput
//     and latency are compared too; their gates are as wide as they must be.
//   - A round has two new processes of each build, and there are several
//     rounds. What a process keeps for its life then counts once, not once per
//     slice.
//   - The load has many requests in flight or pauses drawn at random, so that
//     it settles into no rhythm either (see loads).
//   - The client of the load belongs to this program, is the same for both
//     sides, and sends requests encoded beforehand.
//
// # How it is judged
//
// A process's value of a metric is the mean of the middle half of its slices,
// in logarithms. The change is the median of all differences between a new
// and an old process of the same round. With it come two answers to "could that
// be chance?", and an alarm needs both:
//
//   - The A/A noise. The two processes of one build are that build against
//     itself, under the same conditions and at the same time. Their
//     differences give the spread that the change has if nothing changed. The
//     gate is never narrower than what that noise exceeds once in 10,000
//     comparisons, and never below the smallest change worth an alarm (5 % of
//     processor time).
//   - The exact stratified rank test, which assumes nothing about the noise
//     but that the four processes of a round could have been given out
//     otherwise.
//
// After four rounds without anything that looks slower the answer is no. If
// something does and is not beyond doubt (the gate at one in 100,000), there are
// up to two more.
//
// The tests of this package run the judgement on synthetic noise, with heavy
// tails, bursts, processes in two modes and drift. "make regress-proof" runs
// the whole on this machine: [Prove] compares a build with itself, and with
// itself slowed down by the planted S1 of package faults.
package regress
