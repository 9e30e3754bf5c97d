package replication

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/weirlab/weir/env/planted"
)

// Guard is a set of rules of the replication protocol. Each rule stands at one
// place in State and has one known history in which leaving it out loses or
// changes a committed record; the scenarios in testdata tell those histories,
// and the enumeration test shows for each rule that it is needed. A State
// obeys all rules unless it was made [Without] some, which only tests do.
type Guard uint32

// The rules. A follower is a replica as its leader sees it.
const (
	// GuardTruncateByEpoch: a new follower keeps its log until the leader has
	// said where the two differ, rather than cutting it to a high watermark
	// that lags the leader's (KIP-101, KAFKA-1211).
	GuardTruncateByEpoch Guard = 1 << iota

	// GuardFenceEpoch: a leader answers and counts only fetches of its own
	// epoch (KIP-320).
	GuardFenceEpoch

	// GuardDivergenceFirst: a fetch that is answered with a diverging epoch
	// says nothing of how far the follower is (KAFKA-13141).
	GuardDivergenceFirst

	// GuardHighWatermarkAfterTruncation: a follower does not take the leader's
	// high watermark along with a diverging epoch, while its own tail is still
	// there to be covered by it (KAFKA-14704).
	GuardHighWatermarkAfterTruncation

	// GuardMaximalISR: until the controller has decided on an expansion the
	// high watermark waits for the old ISR and the new one (KIP-497).
	GuardMaximalISR

	// GuardJoinPastEpochStart: a follower joins the ISR only with everything
	// that was in the leader's log when its epoch began, since the leader's
	// own high watermark may lag what its predecessor committed (KAFKA-7128).
	GuardJoinPastEpochStart

	// GuardJoinPastHighWatermark: a follower joins the ISR only with
	// everything committed.
	GuardJoinPastHighWatermark

	// GuardResetProgress: what a leader knew of its followers in one epoch
	// does not count in the next, nor after they registered anew.
	GuardResetProgress

	// GuardBrokerEpoch: a fetch sent by an earlier life of a broker does not
	// count for the present one, and an ISR proposal names the life that it
	// means (KIP-903, KAFKA-14139, KAFKA-15221).
	GuardBrokerEpoch

	// GuardStrictMinISR: the high watermark stands still while the ISR is
	// smaller than min.insync.replicas (KIP-966, KAFKA-15583).
	GuardStrictMinISR

	// GuardFetchStillCurrent: an answer counts only for a follower that is
	// still in the epoch and at the offset it asked from.
	GuardFetchStillCurrent

	// GuardBatchEpoch: a follower takes no batch of a later epoch than it
	// asked in (KAFKA-18723).
	GuardBatchEpoch

	// GuardFreshMetadata: partition metadata older than what the replica acts
	// on is ignored, so that it cannot take back an ISR change that the
	// controller has made (KAFKA-12686).
	GuardFreshMetadata

	// GuardEligible: only an active broker is proposed for the ISR (KIP-841).
	// Without it nothing is lost, since the controller refuses, but nothing
	// is gained either.
	GuardEligible

	// GuardRefusedMayApply: a proposal stays in the maximal ISR until the
	// partition epoch has moved past it, even if one sending of it was refused:
	// an earlier one may have been delayed, and be applied after all.
	GuardRefusedMayApply

	// GuardMinISREpoch: min.insync.replicas belongs to a partition epoch. The
	// controller begins a new one when it changes, and keeps eligible leader
	// replicas by it; the leader judges by that of the epoch it acts on, and by
	// no other (KIP-966).
	GuardMinISREpoch

	guardEnd
)

// AllGuards is every rule.
const AllGuards = guardEnd - 1

var guardNames = [...]string{
	"truncate-by-epoch", "fence-epoch", "divergence-first", "high-watermark-after-truncation",
	"maximal-isr", "join-past-epoch-start", "join-past-high-watermark", "reset-progress",
	"broker-epoch", "strict-min-isr", "fetch-still-current", "batch-epoch", "fresh-metadata", "eligible",
	"refused-may-apply", "min-isr-epoch",
}

// plantedNames are the bugs that leave out the rules.
var plantedNames = func() (names [len(guardNames)]string) {
	for i, name := range guardNames {
		names[i] = "without-" + name
	}
	return names
}()

// leftOut reports whether a planted bug leaves out a single rule.
func (g Guard) leftOut() bool { return planted.Is(plantedNames[bits.TrailingZeros32(uint32(g))]) }

// Guards lists the names of all rules.
func Guards() []string { return slices.Clone(guardNames[:]) }

// String lists the rules of the set by name.
func (g Guard) String() string {
	var names []string
	for i, name := range guardNames {
		if g&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}
