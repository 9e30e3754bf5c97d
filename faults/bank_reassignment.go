package faults

// reassignmentBugs are bugs of giving partitions other replicas, in
// broker/controller and broker/replication.
var reassignmentBugs = []Bug{{
	ID: "B19", Name: "reassign-within-epoch", Source: "model checked (v3.5: reset of follower state), KIP-455",
	About:  "no leader epoch begins when a reassignment takes replicas away or is complete",
	Wrong:  "what a replica had fetched before it was removed counts when it is added again with nothing; and the leader of a partition that has been given more replicas goes on judging by fewer",
	Sees:   "acknowledged records are gone when that replica is elected",
	Checks: []string{"K2", "K12", "K10"},
}, {
	ID: "W50", Name: "complete-before-in-sync", Source: "KIP-455",
	About:  "a reassignment is complete, and its target taken for in sync, as soon as one of its replicas is",
	Wrong:  "the others may have nothing yet, and those who have it remove their logs",
	Sees:   "acknowledged records are gone after an election",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W51", Name: "remove-before-completion", Source: "KIP-455",
	About:  "a replica that a reassignment is to take away removes its log when it hears of that, not when the reassignment is complete",
	Wrong:  "it is in sync until then, and may be all there is",
	Sees:   "acknowledged records are gone",
	Checks: []string{"K2", "K12", "K1"},
}, {
	ID: "W52", Name: "adding-counts-for-min-isr", Source: "Weir",
	About:  "replicas that a reassignment is adding count for min.insync.replicas",
	Wrong:  "a cancel takes them away: what was acknowledged by them is then on fewer replicas than was promised",
	Sees:   "acknowledged records are gone when one of the few that are left fails too",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W53", Name: "cancel-uncleanly", Source: "KIP-455",
	About:  "a reassignment is cancelled although only replicas that it was adding have everything",
	Wrong:  "they go, and nobody who may lead is left",
	Sees:   "the partition has no leader, and what was acknowledged is gone",
	Checks: []string{"K2", "K10", "K12"},
}, {
	ID: "W54", Name: "unassigned-replica-stays", Source: "KAFKA-9181",
	About:  "a broker keeps its replica of a partition that has been given to others",
	Wrong:  "nobody needs it any more, and the disk stays full",
	Sees:   "logs on brokers that are no replicas, after everything has settled",
	Checks: []string{"K15"},
}}
