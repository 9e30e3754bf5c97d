package faults

// brokerBugs are bugs of the node around these.
var brokerBugs = []Bug{{
	ID: "W37", Name: "trust-after-power-loss", Source: "KIP-966", Starred: true,
	About:  "a broker claims after a loss of power that it lost nothing",
	Wrong:  "the controller keeps it in the ISR and among the eligible leader replicas",
	Sees:   "acknowledged records are gone after an election",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W38", Name: "trust-after-disk-error", Source: "KIP-966",
	About:  "a broker whose disk failed claims at its next start that it lost nothing",
	Wrong:  "the page cache may have dropped what could not be written",
	Sees:   "acknowledged records are gone after an election",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W43", Name: "session-keeps-position", Source: "KIP-227",
	About:  "a fetch session goes on from the position that a partition had when it began",
	Wrong:  "a request of a session names what has changed, and a position has",
	Sees:   "a consumer is given the same records again and again, and comes to no others",
	Checks: []string{"K7", "K10"},
}, {
	ID: "S1", Name: "slow-requests", Source: "Weir",
	About:  "serving requests takes a real broker process 15 % more processor time than its work does; in simulation nothing changes",
	Wrong:  "it is a regression of speed",
	Sees:   "less throughput",
	Checks: []string{"regress"},
}}
