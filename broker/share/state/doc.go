// Package state is the share coordinator of KIP-932: it keeps how far share groups are
// in the partitions of topics, for the leaders of those partitions, which read it when
// they begin and write to it what members have acknowledged.
//
// What is kept is a [share.State] for each [share.Key]. A key lives in the partition of
// __share_group_state that its name hashes to ([coordinator.PartitionFor]), and is kept
// by that partition's leader. The partition is a shard of package coordinator, which
// has the rules of loading, ordering and answering.
//
// The layers:
//
//   - [Combine] (combine.go) lays what a leader writes over what is known: pure.
//   - machine (machine.go, records.go) is all keys of a partition, as the runtime's
//     Machine: it initializes, reads, writes and deletes states, and fences. It is as
//     pure.
//   - Coordinator (coordinator.go, handle.go) turns requests of the wire into steps of
//     a machine, and keeps the log short (upkeep.go).
//
// The log has two kinds of records, in Kafka's own format: a snapshot is a whole state,
// an update what a write has changed since. After so many updates
// (share.coordinator.snapshot.update.records.per.snapshot) the next write is a
// snapshot. The topic is not compacted, since an update does not stand for the ones
// before it: what is older than the newest snapshot of every key is deleted from the
// start of the log, and keys that nobody writes have a snapshot from time to time, so
// that they do not hold the others up.
//
// What each rule is for:
//
//   - A group begins a state in a state epoch. A write of a leader that has read an
//     older one is FENCED_STATE_EPOCH: what it acknowledges is not of this state.
//   - A leader says its leader epoch when it reads, and that is written. A write or a
//     read in a lower epoch is FENCED_LEADER_EPOCH: of two brokers that take
//     themselves for the leader only the newer one's acknowledgements count.
//   - What is read is committed: by the record of the new leader epoch or, if that is
//     known already, by one of no meaning. A coordinator that was replaced and does not
//     know it cannot answer. Kafka does not go so far.
//
// Where Kafka 4.3 does otherwise:
//
//   - The leader epoch is the state's own and outlives a new state epoch. Kafka begins
//     it at 0 again in the records and remembers it beside them, until it loads.
//   - A request to initialize, at no offset, a state that has been initialized in the
//     same epoch changes nothing. Kafka begins it anew, so that a request which comes
//     late a second time undoes what members have acknowledged since.
//   - In a state epoch the start offset does not go back: a write that comes late, and
//     has been written again since, undoes nothing.
//   - Batches that can be of no leader, reversed ones or such in a state that is not
//     kept, are INVALID_REQUEST.
//   - Neighbouring batches that are alike are one, always; Kafka leaves some apart.
//   - The states of topics that were deleted while nobody kept them go later; Kafka
//     keeps them.
package state
