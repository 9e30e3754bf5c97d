package faults

// transactionBugs are bugs of transactions: of their coordinator, and of how a
// partition takes part in one.
var transactionBugs = []Bug{{
	ID: "B38", Name: "end-of-any-epoch", Source: "KAFKA-17754 (Jepsen)", Starred: true,
	About:  "EndTxn with an epoch of an earlier transaction of the producer ends the one that is open",
	Wrong:  "a request that was late, and answered by a retry long ago, decides about records that it knows nothing of",
	Sees:   "what was to be aborted is committed, or a part of a transaction",
	Checks: []string{"K6", "K5", "K2", "K16", "K17"},
}, {
	ID: "B39", Name: "verify-before-append", Source: "KAFKA-14884, KIP-890", Starred: true,
	About:  "that a batch belongs to an open transaction is asked of the coordinator and not looked at again at the append",
	Wrong:  "the marker may come between: the batch begins a transaction that nobody ends, or joins the next one",
	Sees:   "read_committed stops there for ever, or an aborted record is read",
	Checks: []string{"K10", "K6", "K5", "K16", "K17"},
}, {
	ID: "B40", Name: "time-out-without-epoch", Source: "KAFKA-6119, KAFKA-5231", Starred: true,
	About:  "a transaction whose time is up is aborted without a new producer epoch",
	Wrong:  "its producer, which was paused, goes on as if nothing had happened",
	Sees:   "the second half of a transaction is committed alone",
	Checks: []string{"K6", "K5", "K16", "K17"},
}, {
	ID: "B42a", Name: "complete-before-markers", Source: "KAFKA-9777",
	About:  "a transaction is complete before every partition has its marker",
	Wrong:  "the next one may begin, and its markers come first; a coordinator that fails then does not send those that are missing",
	Sees:   "a transaction in part, or one that never ends in some partition",
	Checks: []string{"K6", "K10", "K5", "K16", "K17"},
}, {
	ID: "B42b", Name: "markers-before-commit", Source: "Weir",
	About:  "markers leave before the record that the transaction ends is committed",
	Wrong:  "the next coordinator may not have it, and decide otherwise",
	Sees:   "a transaction that is committed in one partition and aborted in another",
	Checks: []string{"K6", "K5", "K16", "K17"},
}, {
	ID: "B42c", Name: "marker-of-any-coordinator", Source: "KIP-98",
	About:  "a partition takes markers of a coordinator that has been replaced",
	Wrong:  "the new one has decided since, perhaps otherwise, and a transaction after that may be open",
	Sees:   "a transaction that ends twice, or the end of one for that of the next",
	Checks: []string{"K12", "K6", "K5", "K16", "K17"},
}, {
	ID: "B43a", Name: "stable-past-open", Source: "Redpanda #3036", Starred: true,
	About:  "the last stable offset is one too high while a transaction is open",
	Wrong:  "its first record may yet be aborted",
	Sees:   "read_committed shows a record that is not committed",
	Checks: []string{"K5", "K16"},
}, {
	ID: "B43b", Name: "waited-without-aborted", Source: "KAFKA-5376", Starred: true,
	About:  "a fetch that had to wait for records is answered without the list of aborted transactions",
	Wrong:  "the reader has no other way to tell which records do not count",
	Sees:   "read_committed shows aborted records",
	Checks: []string{"K5", "K16", "K17"},
}, {
	ID: "W40", Name: "begin-over-open", Source: "KIP-98",
	About:  "InitProducerId gives out the next epoch without aborting what the producer before has open",
	Wrong:  "nobody knows any more in which partitions that is",
	Sees:   "read_committed stops there, or what was left over joins the next transaction",
	Checks: []string{"K10", "K6", "K5", "K16", "K17"},
}, {
	ID: "B49", Name: "aborted-offsets-count", Source: "Redpanda #31483",
	About:  "offsets of a transaction count when it is aborted too",
	Wrong:  "the records that were made of what lies before them are aborted",
	Sees:   "a pipeline leaves records out",
	Checks: []string{"K17", "K8"},
}, {
	ID: "W41", Name: "unstable-offsets-fetched", Source: "KIP-447",
	About:  "who asks for stable offsets is given those of before a transaction that is about to change them",
	Wrong:  "whoever takes the partition over begins where the one before had begun, too",
	Sees:   "a pipeline makes two records of one, or an offset goes back",
	Checks: []string{"K8", "K17"},
}, {
	ID: "W42", Name: "transaction-of-any-generation", Source: "KIP-447",
	About:  "offsets are taken into a transaction from members of earlier generations",
	Wrong:  "the partition has another owner, who reads the same records",
	Sees:   "a pipeline makes two records of one",
	Checks: []string{"K9", "K8", "K17"},
}}
