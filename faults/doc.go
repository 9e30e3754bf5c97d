// Package faults is the vocabulary of what may go wrong in a run, the
// generator that draws a plan of it from a seed, and the registry of bugs that
// can be planted in a broker to test the tester.
//
// A [Plan] is a list of [Fault]s with explicit times. Nothing about a plan is
// random any more: it is printed, edited, kept and replayed as it stands. Only
// a target may be left to the moment ("leader of orders-0"), since who leads
// is decided by the run; a replay of the same plan and seed hits the same
// broker again.
//
// # One file per kind
//
// Everything about a kind of fault stands in one file (crash.go, partition.go
// and so on): its name and parameters, their bounds, how it is drawn, what the
// protocol survives of it, and what it asks of a target. A target offers what
// its machines can do ([Machines] and the interfaces beside it); a kind whose
// abilities a target lacks does not happen there, and the report says so. A new
// kind is a new file and a line in kinds.
//
// # The survivability atlas
//
// [Generate] never draws what the protocol does not promise to survive. What
// that is, with RF n, an effective min.insync.replicas of m >= 2, acks=all and
// eligible leader replicas (KIP-966), each kind says for itself; [Atlas] prints
// it, as "weir faults" does.
//
// Lossy faults (power loss, a full or failing disk) keep a distance: m-1 at a
// time, and a second no sooner than [Resync] after the first, since a broker
// that has lost bytes is struck from ISR and ELR until it is back in sync. A
// crash may follow at once, as a broker whose process died is still trusted
// (broker/life.go), but does not overlap: while two of three brokers are down
// there is nothing left to check. With m = 1 the tolerance is zero and none of
// them is drawn.
//
// [Draw].BeyondAtlas lifts these limits, and a plan written by hand may break
// them; the judge then excuses what the facts show to have been lost, and
// nothing else.
//
// Every fault ends: it lasts for Fault.For and the generator ends all of them
// by [Draw].HealBy, since convergence after healing is one of the checks.
package faults
