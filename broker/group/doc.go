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
//   - Group (group.go, step.go, rebalance.go) is a pure state machine: an Input goes
//     in, Outputs come out:
//     returns who is to be answered with what, and what is to be written. It
//     knows no clock: the caller brings the time and asks when it wants to be
//     called next.
//   - Coordinator (coordinator.go) is the runtime: one lock for each partition
//     of __consumer_offsets, tasks that wait for their answers, one task that
//     watches the time.
//
// Assignments themselves are made by the members (the group's leader), so the
// broker treats them as bytes.
package group
