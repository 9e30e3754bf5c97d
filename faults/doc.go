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
// # The survivability atlas
//
// [Generate] never draws what the protocol does not promise to survive. What
// it may draw, with RF n, an effective min.insync.replicas of m >= 2, acks=all
// and eligible leader replicas (KIP-966):
//
//	crash, restart    any number, any overlap. The page cache outlives the
//	                  process, so nothing acknowledged is lost however many
//	                  brokers die; only availability suffers meanwhile.
//	pause             any number: a paused broker that wakes up is a stale
//	                  leader, and epochs fence it.
//	partition         any number, full, partial (between two brokers only) or
//	                  one-way: safety never depends on who reaches whom.
//	clock jump        any number: no safety decision reads the wall clock.
//	slow disk         any number.
//	power loss        m-1 at a time. A broker that lost power has lost what it
//	                  had not synced, and is struck from ISR and ELR until it is
//	                  back in sync (KIP-966). So a second lossy fault comes no
//	                  sooner than [Resync] after the first. A crash may follow at
//	                  once, since a broker whose process died is still trusted
//	                  (broker/life.go), but does not overlap: while two of three
//	                  brokers are down there is nothing left to check.
//	full disk, disk   like a power loss: what was being written may be gone.
//	error
//
// With m = 1 the tolerance for the last three is zero and the generator draws
// none of them. A plan written by hand may break these rules; the judge then
// excuses what the rules of acks and elections allow to be lost, and nothing
// else.
//
// Every fault ends: it lasts for Fault.For and the generator ends all of them
// by [Draw].HealBy, since convergence after healing is one of the checks.
package faults
