package rare

import (
	"slices"
	"strings"
)

// Point is a place in the broker where something rare may happen.
type Point struct {
	Name  string // "storage/roll-early"
	Does  string // what happens
	Legal string // why it may
}

// Points lists all of them, by name.
func Points() []Point {
	points := slices.Concat(storagePoints, replicationPoints, controllerPoints, coordinatorPoints, serverPoints)
	slices.SortFunc(points, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	return points
}

var storagePoints = []Point{
	{"storage/roll-early", "begins a new segment before the next append", "segment.bytes and segment.ms are upper bounds"},
	{"storage/seal-late", "waits up to 2 s before a sealed segment is made durable", "nobody is promised when it is"},
	{"storage/seal-unfinished", "leaves out the index, producer snapshot and recovery point of a sealed segment", "all of it is made from the segment when the log is opened, as after a full disk"},
	{"storage/prepare-late", "waits up to 50 ms between checking records and appending them", "nothing is held meanwhile"},
	{"storage/write-yield", "lets other tasks run between writing records and counting them", "a write takes time"},
	{"storage/flush-now", "has an append wait for a sync that no setting asks for", "flush.messages is an upper bound"},
	{"storage/sync-late", "waits up to 100 ms before a sync that appends wait for", "a sync takes any time"},
	{"storage/recent-forgotten", "forgets where the latest batches are", "it is a cache: readers go by the index instead"},
	{"storage/read-short", "reads fewer bytes than were asked for, though a whole batch where one was promised", "readers read on"},
	{"storage/read-late", "waits up to 20 ms between finding a batch and reading it", "nothing is held meanwhile"},
	{"storage/aborted-late", "waits up to 20 ms between reading committed records and the aborted transactions among them", "nothing is held meanwhile"},
	{"storage/index-sparse", "leaves a batch out of the indexes", "indexes are hints"},
	{"storage/truncate-late", "waits up to 50 ms between the decision to cut the log and the cut", "a cut takes several syncs"},
	{"storage/retain-more", "removes fewer segments than retention lets go", "retention says what may go, not when"},
}

var replicationPoints = []Point{
	{"replication/assign-late", "waits up to 1 s before the controller is told in which directories replicas are", "it learns of it at any time"},
	{"replication/move-late", "waits up to 200 ms before the next piece of a replica that moves is copied", "a copy takes any time"},
	{"replication/checkpoint-skipped", "does not write the high watermarks this time", "marks that are too low are made good by the leader"},
	{"replication/lag-unchecked", "does not look this time whether a partition's followers keep up", "one that lags stays in the ISR for longer, and what is committed waits for it"},
	{"replication/poll-unwaited", "answers a long poll at once", "it may be answered with nothing at any time"},
	{"replication/partition-left-out", "leaves the records of a partition out of a fetch's answer", "they are asked for again"},
	{"replication/answer-late", "has a follower wait up to 200 ms before it looks at an answer", "it may have been under way for so long"},
	{"replication/answer-lost", "has a follower pass over a partition of an answer", "it is asked for again"},
	{"replication/ask-fewer", "asks for fewer partitions than are due", "the next request has the others"},
	{"replication/ask-less", "asks for fewer bytes of a partition than replica.fetch.max.bytes", "the first batch comes however large it is"},
	{"replication/reconnect", "closes a follower's connection before a request", "connections end at any time"},
	{"replication/propose-late", "waits up to 1 s before the ISR is proposed to the controller", "the high watermark counts with the larger ISR meanwhile"},
	{"replication/propose-fewer", "proposes the ISRs of some partitions in a request of their own", "requests are divided as one likes"},
	{"replication/proposal-answer-lost", "takes the controller's answer to a proposal for one that did not come", "the proposal is pending until one comes"},
	{"replication/apply-late", "waits up to 500 ms before replicas follow new metadata", "every broker learns of it at a time of its own"},
	{"replication/update-late", "waits up to 100 ms before the next partition follows new metadata", "each changes for itself"},
	{"replication/read-late", "waits up to 1 s between looking at a partition and reading its records", "no lock is held meanwhile"},
	{"replication/clean-later", "leaves a log that is to be cleaned for the next round", "nothing says when a log is cleaned but max.compaction.lag.ms, and that as soon as it can be"},
	{"replication/load-late", "waits up to 500 ms before a coordinator's partition is read", "no lock is held meanwhile"},
	{"replication/append-refused", "refuses a client's append with acks=all with NOT_ENOUGH_REPLICAS", "nothing was appended, and the error is retried"},
	{"replication/append-times-out", "answers an append with REQUEST_TIMED_OUT before the time is over", "whoever gets that knows as little as after a real one"},
	{"replication/offset-unavailable", "refuses ListOffsets with OFFSET_NOT_AVAILABLE", "as at the beginning of an epoch; it is retried (KIP-207)"},
	{"replication/open-late", "waits up to 500 ms before a log is opened", "opening takes time"},
	{"replication/remove-late", "waits up to 2 s before the files of a replica that is gone are removed", "a topic of the same name has other files"},
}

var controllerPoints = []Point{
	{"controller/loop-late", "has the quorum's task wait up to 100 ms", "as after a slow sync"},
	{"controller/take-fewer", "does only some of what has come in", "the rest is done next, in the same order"},
	{"controller/command-refused", "refuses a request with NOT_CONTROLLER", "as one does that has just lost its term; it is asked again"},
	{"controller/expire-late", "does not look this time for sessions that are over", "the next look comes at once, and a heartbeat may have come by then"},
	{"controller/read-less", "answers a fetch of the metadata log with fewer bytes", "a batch comes in any case, and the rest is asked for"},
	{"controller/snapshot-piecemeal", "answers FetchSnapshot with fewer bytes", "the rest is asked for"},
	{"controller/snapshot-now", "writes a snapshot, 2 s after the last at the earliest", "the settings say when at the latest"},
	{"controller/send-late", "waits up to 100 ms before a message to another voter is sent", "messages may be late"},
	{"controller/send-lost", "does not send a message to another voter", "messages may get lost; they are sent again"},
	{"controller/answer-lost", "passes over the answer of another voter", "it may get lost; it is asked again"},
	{"controller/answer-late", "waits up to 200 ms before another voter's answer is looked at", "it may have been under way for so long"},
	{"controller/spread-unwaited", "answers the creator of partitions before every broker has applied them", "Kafka never waits; whoever meets a broker that knows less asks again"},
	{"controller/deliver-whole", "tells the broker that all of an image may have changed", "as after a registration; what has not changed is looked at in vain"},
}

var coordinatorPoints = []Point{
	{"coordinator/not-loaded", "refuses a request with COORDINATOR_LOAD_IN_PROGRESS", "as in the moment before; it is asked again"},
	{"coordinator/not-here", "refuses a request with NOT_COORDINATOR", "as a leader that has just lost the partition; it is looked for, and found here"},
	{"coordinator/take-fewer", "does only some of what has come in", "the rest is done next, in the same order"},
	{"coordinator/step-late", "has a partition's task wait up to 50 ms", "tasks may be late"},
	{"coordinator/tick-late", "lets no time pass in a machine whose deadline has come", "it is asked again at once, and what has come in goes first"},
	{"coordinator/answer-times-out", "answers that records were not committed in time", "whoever gets that knows as little as after a real time-out"},
	{"coordinator/append-refused", "has the log refuse records with NOT_ENOUGH_REPLICAS", "as one whose ISR is small for a moment"},
	{"coordinator/commit-told-late", "waits up to 100 ms before those who wait hear of a commit", "they hear of it at any time after"},
	{"coordinator/load-late", "waits up to 1 s before a partition is loaded", "loading takes time"},
	{"coordinator/load-again", "loads a partition again", "the log says the same again"},
	{"transaction/expire-late", "removes no expired transactional ids this time", "transactional.id.expiration.ms says what may go, not when"},
	{"transaction/unavailable", "refuses a request with COORDINATOR_NOT_AVAILABLE", "as before the first metadata; it is asked again"},
	{"transaction/markers-late", "waits up to 200 ms before markers are sent to the leaders of partitions", "they may be under way for so long"},
	{"state/unavailable", "refuses a request with COORDINATOR_NOT_AVAILABLE", "as before the first metadata; the broker that asks does so again"},
	{"group/unavailable", "refuses a request with COORDINATOR_NOT_AVAILABLE", "as before the first metadata; it is asked again"},
	{"group/expire-late", "removes no expired offsets this time", "retention says what may go, not when"},
}

var serverPoints = []Point{
	{"fetchsession/evicted", "forgets the session that a fetch goes on with", "room may be made for another one at any time; the client begins anew"},
	{"protocol/connection-ended", "ends a connection between two requests", "connections end at any time"},
	{"protocol/request-late", "waits up to 50 ms before a request is looked at", "it may have been under way for so long"},
	{"protocol/unpipelined", "does a request once those before it are answered", "how many of a connection's requests are done at a time is the server's affair"},
	{"protocol/answer-lost", "ends a connection instead of writing an answer", "connections end at any time; what was done, was done"},
	{"protocol/answer-late", "waits up to 50 ms before an answer is written", "answers take time"},
	{"protocol/write-split", "writes an answer in two pieces", "streams have no borders"},
	{"protocol/accept-late", "waits up to 100 ms before a connection is accepted", "it waits in the kernel's queue"},
	{"broker/heartbeat-late", "waits up to one interval more before a heartbeat", "a session lasts for several"},
	{"broker/peer-reconnected", "closes a connection to another broker before it is used again", "connections end at any time"},
	{"broker/coordinator-unknown", "answers FindCoordinator with COORDINATOR_NOT_AVAILABLE", "as before the topic was made; it is asked again"},
	{"broker/verification-late", "waits up to 1 s before a transaction coordinator's answer to a leader is looked at", "it may have been under way for so long"},
	{"broker/verification-lost", "passes over a transaction coordinator's answer to a leader", "it may get lost; the producer tries again"},
	{"broker/share-state-lost", "passes over a share coordinator's answer to a broker", "it may get lost; it is asked again"},
	{"broker/producer-ids-wasted", "gives up what is left of a block of producer ids", "as with the end of the process: no id is given twice, not all are given"},
	{"broker/leader-untold", "leaves the new leader out of a refused Produce's answer", "the hint spares a request, no more"},
	{"broker/metadata-stale", "waits up to 100 ms with an image in hand before it is described", "metadata is as old as its way"},
}
