package faults

// consumerBugs are bugs of groups under the consumer protocol (KIP-848).
var consumerBugs = []Bug{{
	ID: "B48a", Name: "revoking-is-revoked", Source: "KAFKA-16147", Starred: true,
	About:  "a partition that a member is to give up counts as nobody's before the member has said that it has",
	Wrong:  "the member reads and commits it until it hears of that",
	Sees:   "two members own one partition in one member epoch",
	Checks: []string{"K9"},
}, {
	ID: "B48b", Name: "assign-what-others-own", Source: "crabka #521", Starred: true,
	About:  "a member is given its whole target assignment, with what others own still",
	Wrong:  "they have not given it up",
	Sees:   "two members own one partition in one member epoch",
	Checks: []string{"K9"},
}, {
	ID: "B52f", Name: "await-revocation-for-ever", Source: "KIP-848",
	About:  "a member that does not give up what it must within its rebalance timeout stays",
	Wrong:  "it may send heartbeats and do nothing else",
	Sees:   "its partitions are not consumed by whom they are assigned to",
	Checks: []string{"K10"},
}, {
	ID: "B52g", Name: "silent-members-stay", Source: "Weir",
	About:  "members of a group under the consumer protocol whose session has ended stay",
	Wrong:  "their partitions belong to nobody who lives",
	Sees:   "partitions are not consumed",
	Checks: []string{"K10"},
}, {
	ID: "W60", Name: "commit-of-any-epoch", Source: "KIP-848",
	About:  "commits of members are taken whichever member epoch they are of",
	Wrong:  "the partition may be another member's by now",
	Sees:   "a committed offset goes back",
	Checks: []string{"K8", "K9"},
}, {
	ID: "W61", Name: "heartbeat-of-any-epoch", Source: "KIP-848",
	About:  "heartbeats of any member epoch are answered as if all were well",
	Wrong:  "a member that was taken out and came back under its id, or that is behind, goes on with what it does not own",
	Sees:   "two members own one partition",
	Checks: []string{"K9", "K8"},
}}
