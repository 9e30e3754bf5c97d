// Package group coordinates consumer groups and keeps their committed offsets:
// groups under the classic protocol (JoinGroup, SyncGroup and Heartbeat) and under
// the consumer protocol (ConsumerGroupHeartbeat, KIP-848).
//
// A group lives in one partition of __consumer_offsets ([PartitionFor]) and is
// coordinated by that partition's leader. What the group must remember is
// written there as records in Kafka's own format. The partition is a shard of
// package coordinator, which has the rules of loading, ordering and answering.
//
// The layers:
//
//   - Group (group.go, step.go, rebalance.go) is the state machine of one group
//     under the classic protocol:
//     inputs go in, and out come answers to requests, possibly older ones, and
//     records to store. It knows no clock: the caller brings the time and asks
//     when it wants to be called next.
//   - consumer.Group, in a package of its own, is that of one under the consumer
//     protocol. Its state is what its records say; consumers.go makes turns of its
//     steps. A group without members changes over with the first that joins, and
//     keeps its offsets. One with members does not: members of the other protocol
//     are told INCONSISTENT_GROUP_PROTOCOL or GROUP_ID_NOT_FOUND, as by Kafka with
//     group.consumer.migration.policy=disabled.
//   - A share group (KIP-932; shares.go, handleshares.go) is a consumer.Group too, of
//     which any number of members have a partition. What it keeps of partitions beside
//     their assignment is the share coordinators' ([ShareState]): a partition is
//     assigned once its state is initialized there, and the state goes before the
//     group does. No API of the broker leads there yet.
//   - machine (machine.go, remove.go, records.go) is all groups of a partition
//     with their offsets, as the runtime's Machine: commits, removals, expiry,
//     replay. It is as pure.
//   - Coordinator (coordinator.go, handle*.go) turns requests of the wire into
//     steps of a machine, and outcomes into answers that clients know.
//
// What this gives, and what each rule is for:
//
//   - A commit is checked and appended in one turn. The commit of a generation
//     that is over can not land behind one of the next.
//   - An assignment is handed out once it is committed in the log; a member that
//     has one keeps its generation over a change of coordinator. So does a
//     static member's new ID: nobody is fenced by the memory of a coordinator
//     that is gone.
//   - A fetch of offsets has a record of no meaning committed first. A broker
//     that was replaced and does not know it cannot do that, so that it cannot
//     answer with offsets that are out of date. Kafka does not go so far.
//   - Offsets are kept of partitions that exist. Those of a topic that is
//     deleted go with it or, if nobody coordinated the group then, with the next
//     look for expired ones.
//   - Offsets that a transaction brings count when its marker commits it, in the
//     order of the markers, and not if an offset further on in the log was
//     committed without one (transactions.go). Until then they are pending, over
//     a change of coordinator too, and who asks for stable offsets waits.
//   - Offsets expire (KIP-211) and are deleted by tombstones, decided in the
//     same order as commits: an acknowledged commit is never undone by a removal
//     decided before it.
//   - A heartbeat costs O(1). Deadlines of groups stand in a heap, at times that
//     heartbeats can only make too early.
//   - A request that is refused leaves no group behind.
//
// Assignments of the classic protocol are made by the members (the group's leader),
// so the broker treats them as bytes; subscriptions of consumers are read only to
// know which topics a group consumes.
package group
