package faults

// controllerBugs are bugs of broker/controller and its quorum.
var controllerBugs = []Bug{{
	ID: "B17", Name: "no-eligible-leader-replicas", Source: "KIP-966", Starred: true,
	About:  "the controller keeps no eligible leader replicas: the last member of an ISR leads again, whatever a loss of power took from it",
	Wrong:  "others have what it lost, and must cut it to follow",
	Sees:   "acknowledged records are gone on every replica",
	Checks: []string{"K2", "K12"},
}, {
	ID: "B17b", Name: "trust-every-registration", Source: "KIP-966", Starred: true,
	About:  "a broker that registers after it may have lost records stays in the ISR and among the eligible leader replicas",
	Wrong:  "it may lead without what it acknowledged",
	Sees:   "acknowledged records are gone after an election",
	Checks: []string{"K2", "K12"},
}, {
	ID: "B17c", Name: "eligible-for-ever", Source: "KIP-966",
	About:  "replicas stay eligible leaders after the ISR is large enough again",
	Wrong:  "the high watermark moves on without them",
	Sees:   "acknowledged records are gone when one of them is elected",
	Checks: []string{"K2", "K12"},
}, {
	ID: "B28", Name: "resume-leadership", Source: "KAFKA-10527", Starred: true,
	About:  "a controller that is restarted leads on in the same epoch, and followers are sent what it has not synced",
	Wrong:  "after a loss of power it gives offsets of that epoch out a second time",
	Sees:   "two brokers lead one partition; topics and ISRs differ from broker to broker",
	Checks: []string{"K12", "K2", "K1", "K10"},
}, {
	ID: "B29", Name: "commit-earlier-epochs", Source: "KAFKA-12619, Raft 5.4.2",
	About:  "a new controller commits records of earlier epochs before one of its own",
	Wrong:  "they can still be overwritten by a leader that never had them",
	Sees:   "committed metadata is taken back",
	Checks: []string{"K12", "K2"},
}, {
	ID: "B30", Name: "truncate-committed-metadata", Source: "KAFKA-12460",
	About:      "a controller node cuts its metadata log below what it knows to be committed when a leader says so",
	Wrong:      "the node has told others of it",
	Sees:       "committed metadata is taken back",
	Checks:     []string{"K12"},
	Equivalent: "a leader asks for a cut only above where the logs agree, and by Leader Completeness (Raft 5.4.3) it has everything that anybody knows to be committed, as long as disks keep what they have synced: the line is reached only behind another bug, of which it is then the alarm",
}, {
	ID: "B31", Name: "no-check-quorum", Source: "KAFKA-15489",
	About:  "a controller without a majority goes on leading",
	Wrong:  "it answers from what was, and can change nothing",
	Sees:   "clients of the brokers on its side get no leader and no answer",
	Checks: []string{"K10", "K12"},
}, {
	ID: "G7", Name: "alter-any-partition-epoch", Source: "model checked (kip-966: AlterPartition)",
	About:  "AlterPartition is accepted from any partition epoch",
	Wrong:  "the proposal was made before what the controller has decided since",
	Sees:   "acknowledged records are gone when a member that was put back is elected",
	Checks: []string{"K2", "K12"},
}, {
	ID: "G8", Name: "alter-any-broker-epoch", Source: "model checked (kip-966), KIP-903", Starred: true,
	About:  "AlterPartition accepts a member that has registered anew since the leader last heard of it",
	Wrong:  "the new life may have lost what the old one had",
	Sees:   "acknowledged records are gone when it is elected",
	Checks: []string{"K2", "K12"},
}, {
	ID: "G9", Name: "alter-with-fenced", Source: "KIP-841",
	About:  "AlterPartition accepts members that are fenced or shutting down",
	Wrong:  "nothing takes them out again but the leader's own notice",
	Sees:   "writes with acks=all wait for a broker that is gone",
	Checks: []string{"K12", "K10"},
}, {
	ID: "G10", Name: "any-incarnation", Source: "model checked (v3.5: incarnation id)", Starred: true,
	About:  "every process that registers under a broker's id is given the epoch that the id has",
	Wrong:  "what an earlier process had fetched counts for the new one, which may have lost it",
	Sees:   "acknowledged records are gone after an election",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W14", Name: "vote-for-anyone", Source: "Raft 5.4.1",
	About:  "a controller node votes for a candidate whose log is behind its own",
	Wrong:  "a leader without what is committed is elected",
	Sees:   "committed metadata is taken back",
	Checks: []string{"K12", "K2"},
}, {
	ID: "W15", Name: "vote-twice", Source: "Raft 5.2",
	About:  "a controller node votes for more than one candidate of an epoch",
	Wrong:  "two leaders are elected in one epoch",
	Sees:   "two controllers, each with its own metadata",
	Checks: []string{"K12", "K2"},
}, {
	ID: "W16", Name: "apply-uncommitted-metadata", Source: "Raft 5.3",
	About:  "brokers act on metadata as soon as it is in their log",
	Wrong:  "it may be taken back",
	Sees:   "leaders that never were; acknowledged records are gone",
	Checks: []string{"K12", "K2"},
}, {
	ID: "W17", Name: "controller-answers-early", Source: "Weir",
	About:  "the controller answers before what it has decided is committed",
	Wrong:  "a new controller may never hear of it",
	Sees:   "an ISR that only its leader believes in: acknowledged records are gone",
	Checks: []string{"K12", "K2", "K10"},
}, {
	ID: "W18", Name: "fenced-stays-in-isr", Source: "KIP-841",
	About:  "a broker whose session has ended is fenced but keeps its places in the ISRs and as a leader",
	Wrong:  "nobody takes its place",
	Sees:   "partitions without a leader that answers, until the broker is back",
	Checks: []string{"K10", "K12"},
}, {
	ID: "W19", Name: "leaderless-for-ever", Source: "Weir",
	About:  "a broker that comes back is not made leader of partitions that wait for it",
	Wrong:  "they wait for ever",
	Sees:   "partitions stay without a leader after everything has healed",
	Checks: []string{"K10"},
}, {
	ID: "W20", Name: "elect-anyone", Source: "KIP-966",
	About:  "the controller elects any live replica rather than leave a partition without a leader",
	Wrong:  "it need not have what is committed",
	Sees:   "acknowledged records are gone although unclean elections are off",
	Checks: []string{"K2", "K12"},
}, {
	ID: "W21", Name: "producer-ids-twice", Source: "KIP-730",
	About:  "the controller gives the same producer ids to every broker that asks",
	Wrong:  "producers with one id take each other's batches for their own",
	Sees:   "retries that nobody sent: records are acknowledged and not in the log, or refused",
	Checks: []string{"K2", "K3", "K4"},
}}
