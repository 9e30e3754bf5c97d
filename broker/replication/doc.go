// Package replication keeps the replicas of a partition the same and says
// which records are committed.
//
// # The protocol
//
// Each partition has one leader at a time, named by the controller together
// with a leader epoch that grows with every change. Producers append at the
// leader. Followers fetch from it like consumers, except that a follower's
// fetch offset tells the leader how much it has. The leader keeps the in-sync
// replicas (ISR), those that keep up, and asks the controller to change them.
// The high watermark is the offset that every replica of the ISR has reached:
// records below it are committed, are all that consumers see, and survive as
// long as the controller elects from the ISR. A write with acks=all is answered
// when the high watermark has passed it.
//
// A follower does not trust its tail. Every fetch carries the epoch of its last
// batch, and a leader whose log differs answers with the point up to which they
// agree, where the follower cuts its log (KIP-101, KIP-279, KIP-595).
//
// # The parts
//
// [State] is one replica's view of one partition as a pure step function, in
// leader.go and follower.go. All rules that keep committed records are there
// and nowhere else, each with a name of its own in guards.go: there are as many
// histories in which leaving out one of them loses records, and they can be
// read, replica by replica, in testdata. The same States are enumerated
// exhaustively on small clusters and walked at random on larger ones.
//
// [Manager] runs the States of one broker over package storage: it follows
// metadata (apply.go), opens, closes and removes logs side by side (loading.go),
// appends and keeps those waiting who want all replicas (append.go), answers
// fetches of consumers and followers (fetch.go), copies from other leaders with
// one task per source broker (fetcher.go), and brings ISR changes to the
// controller (proposer.go, KIP-497). Nothing ticks: the lag of followers is
// looked at every half replica.lag.time.max.ms, and an idle follower waits in a
// long poll.
//
// # Who judges by what, and since when
//
// Leader and controller hear of things at different times, so each change that
// both judge by has a partition epoch of its own: leader, ISR, and
// min.insync.replicas too. A leader acts on one partition epoch and proposes
// from it, and the controller refuses what was proposed from an earlier one. A
// proposal that is refused for another reason may have an earlier sending under
// way; its members stay in the maximal ISR until the partition epoch has moved
// on, to which the leader sees by proposing what there is.
//
// A replica that a reassignment adds is a follower like any other; it does not
// count for min.insync.replicas before that is complete. One that is taken away
// goes on until committed metadata has it no more, and then removes its log.
//
// # A fetch
//
// A fetch looks at its partitions, and again each time that one has grown, and
// counts by position what there is to read. Only when that is enough, or time is
// up, does it ask for room and read, once. The answer is filled in the order of
// the request, with room kept for partitions that have little to read; followers
// ask first for what they were not given. So a busy partition never keeps a quiet
// one out of the ISR.
//
// # Throttles
//
// throttle.go counts what is replicated of partitions that settings name (KIP-73).
// While it is more than the rate, leader and follower leave those that are not in
// sync out of answers and fetches; the rest goes on as ever.
//
// # Reads from followers
//
// A consumer that says in which rack it is may be sent to an in-sync follower
// there (nearest.go, KIP-392). Followers answer consumers as leaders do, up to
// their own high watermark, which is never beyond the leader's; a read during
// which the epoch changes or the log is cut does not count. What is asked about a
// log as a whole, its end or its epochs, only the leader answers.
//
// # Compaction
//
// cleaner.go compacts logs whose policy says so, led here or not, the dirtiest
// first, as Kafka's LogCleaner does. Where each is dirty from is in
// cleaner-offset-checkpoint. claims.go is what Kafka does not have: a tombstone or
// a marker goes only when all replicas have cleaned their logs past it, so that none
// brings a deleted key back, however long it was away.
//
// # Log directories
//
// dirs.go keeps the log directories of the broker and takes one that fails offline;
// place.go says in which a replica is or is to be; assigner.go tells the controller
// (KIP-858); moving.go moves replicas between them (KIP-113).
//
// # Restarts
//
// Images older than the broker's own registration are passed over, so that a
// restarted broker never leads in an epoch of its former life. A log's directory
// and the high watermark checkpoint name the topic's id: a topic that was deleted
// and created again under its name cannot meet the old one's records.
package replication
