// Package group coordinates consumer groups (the classic protocol of
// JoinGroup, SyncGroup and Heartbeat) and keeps their committed offsets.
//
// A group lives in one partition of __consumer_offsets ([PartitionFor]) and is
// coordinated by that partition's leader. What the group must remember is
// written there as records in Kafka's own format, and a request that changes
// it is answered once the record is committed: a committed offset is a
// linearizable register. A broker that becomes leader of the partition reads
// it from the start before it answers anything (COORDINATOR_LOAD_IN_PROGRESS
// until then), and one that ceases to lead forgets it.
//
// Two layers:
//
//   - Group (group.go, step.go, rebalance.go) is a pure state machine: inputs go
//     in, and out come answers to requests, possibly older ones, and orders to
//     write. It knows no clock: the caller brings the time and asks when it
//     wants to be called next.
//   - Coordinator (coordinator.go, handle*.go) is the runtime: one lock for each
//     partition of __consumer_offsets, requests that wait for their answers, a
//     timer.
//
// What this gives, and what each rule is for:
//
//   - A commit is applied in the order of the log, not of the answers to its
//     appends, so that a new coordinator arrives at the same offset.
//   - An assignment is handed out once it is committed in the log; a member that
//     has one keeps its generation over a change of coordinator.
//   - A fetch of offsets has a record of no meaning committed first. A broker
//     that was replaced and does not know it cannot do that, so that it cannot
//     answer with offsets that are out of date. Kafka does not go so far.
//   - While offsets expire or a group is deleted, nothing else is taken for it:
//     an acknowledged commit is never undone by a removal decided before it.
//
// Assignments themselves are made by the members (the group's leader), so the
// broker treats them as bytes.
package group
