package faults

// coordinatorBugs are bugs of broker/coordinator and broker/group.
var coordinatorBugs = []Bug{{
	ID: "B51", Name: "load-without-gaps", Source: "KAFKA-9065",
	About:  "a coordinator does not load a partition in which offsets are missing",
	Wrong:  "compaction leaves gaps",
	Sees:   "groups have no coordinator any more",
	Checks: []string{"K10"},
}, {
	ID: "W2", Name: "answer-before-commit", Source: "Weir", Starred: true,
	About:  "a group coordinator answers commits and fetches of offsets once its own log has the record, before any other replica does",
	Wrong:  "an election takes the record back",
	Sees:   "a committed offset goes back",
	Checks: []string{"K8"},
}, {
	ID: "W31", Name: "read-without-barrier", Source: "Weir",
	About:  "a coordinator answers OffsetFetch from memory",
	Wrong:  "it may have been replaced without knowing it",
	Sees:   "an offset older than one committed before",
	Checks: []string{"K8"},
}, {
	ID: "W32", Name: "append-in-any-epoch", Source: "Weir",
	About:  "a coordinator writes to its partition in leader epochs after its own",
	Wrong:  "another coordinator has decided since",
	Sees:   "a committed offset goes back, or a member is assigned what another owns",
	Checks: []string{"K8", "K9"},
}, {
	ID: "W33", Name: "replay-keeps-first", Source: "Redpanda #31483", Starred: true,
	About:  "replay keeps the first committed offset of a partition, not the last",
	Wrong:  "what a coordinator answered and what the next one loads differ",
	Sees:   "committed offsets change at a failover without a request",
	Checks: []string{"K8"},
}, {
	ID: "B50", Name: "expire-what-is-consumed", Source: "KIP-211, KAFKA-4682",
	About:  "offsets expire by age although members of the group consume the topic",
	Wrong:  "a clock jump, or a quiet partition, makes them old",
	Sees:   "a consumer begins anew",
	Checks: []string{"K8", "K7"},
}, {
	ID: "B52a", Name: "pending-members-stay", Source: "KAFKA-9752",
	About:  "a member id that was given out and never used is awaited for ever",
	Wrong:  "whoever asked for it may be dead",
	Sees:   "the group never completes a rebalance: its partitions are not consumed",
	Checks: []string{"K10"},
}, {
	ID: "B52b", Name: "sessions-never-end", Source: "Weir",
	About:  "members whose session has ended stay in the group",
	Wrong:  "their partitions belong to nobody who lives",
	Sees:   "partitions are not consumed",
	Checks: []string{"K10"},
}, {
	ID: "B52c", Name: "await-assignment-for-ever", Source: "KAFKA-12890",
	About:  "a generation whose leader sends no assignment waits for it without end",
	Wrong:  "the leader may be dead while its join is fresh",
	Sees:   "the group never completes a rebalance",
	Checks: []string{"K10"},
}, {
	ID: "B52d", Name: "absent-members-stay", Source: "Weir",
	About:  "members that did not join again in time stay in the next generation",
	Wrong:  "they are assigned partitions they do not know of",
	Sees:   "partitions are not consumed until the session ends",
	Checks: []string{"K10", "K9"},
}, {
	ID: "B52e", Name: "sync-of-any-generation", Source: "KAFKA-14639, KAFKA-13419",
	About:  "SyncGroup is answered to members of an earlier generation",
	Wrong:  "they are given the assignment of a generation that they did not join",
	Sees:   "two members own one partition",
	Checks: []string{"K9"},
}, {
	ID: "W34", Name: "commit-of-any-generation", Source: "Weir",
	About:  "commits of earlier generations are taken",
	Wrong:  "the partition has another owner by now",
	Sees:   "a committed offset goes back",
	Checks: []string{"K8", "K9"},
}, {
	ID: "W35", Name: "heartbeat-of-any-generation", Source: "Weir",
	About:  "heartbeats of earlier generations are answered as if all were well",
	Wrong:  "the member goes on with what it no longer owns",
	Sees:   "two members own one partition for longer than a heartbeat",
	Checks: []string{"K9", "K8"},
}, {
	ID: "W36", Name: "replaced-member-lives", Source: "KIP-345",
	About:  "a static member that was replaced is not fenced",
	Wrong:  "two processes with one instance id both go on",
	Sees:   "two members own one partition",
	Checks: []string{"K9"},
}}
