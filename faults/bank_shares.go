package faults

// shareBugs are bugs of broker/share and broker/share/state.
var shareBugs = []Bug{{
	ID: "W62", Name: "share-updates-not-replayed", Source: "Weir",
	About:  "a share coordinator that loads takes the snapshots and passes over the updates since",
	Wrong:  "what was acknowledged since the last snapshot is forgotten at a failover",
	Sees:   "records that were accepted are delivered again",
	Checks: []string{"K18"},
}, {
	ID: "W63", Name: "share-state-pruned-too-far", Source: "Weir",
	About:  "a share coordinator deletes its log up to the end, not up to the oldest snapshot that counts",
	Wrong:  "the next coordinator finds no state of a partition that nobody has written since",
	Sees:   "records are not delivered any more, or again",
	Checks: []string{"K18", "K10"},
}, {
	ID: "W64", Name: "share-acknowledged-unwritten", Source: "Weir",
	About:  "a leader answers an acknowledgement before the share coordinator has it",
	Wrong:  "the leader may fail before it is written",
	Sees:   "records that were accepted are delivered again",
	Checks: []string{"K18"},
}}
