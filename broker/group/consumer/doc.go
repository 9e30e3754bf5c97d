// Package consumer is the state machine of one group under the consumer protocol
// (KIP-848): members send heartbeats, and the coordinator itself divides the
// partitions among them and leads each member there by answers to heartbeats.
//
//	subscriptions ─▶ group epoch ─▶ target assignment ─▶ each member's current one
//	  (records)      + 1 a change   by an assignor       step by step (reconcile.go)
//
// A member goes to a new target on its own, and the group never stops: it is told
// to give up what is not its any more, says in a heartbeat what it still owns, and
// then gets what others have given up meanwhile. Three states say how far it is
// ([Stable], [Unrevoked], [Unreleased]). Its member epoch becomes that of the target
// once it has given up all that it must: whoever commits offsets in an older epoch
// is too late, but for partitions that were its in that epoch and still are.
//
// The one invariant: a partition has one owner at most. Who is assigned it, or is to
// give it up and has not said that it did, owns it ([Group.Owner]).
//
// The state is what its records say, and nothing else: a step ([Group.Heartbeat],
// [Group.Leave], [Group.Tick], [Group.Resolve]) reads it and returns records in
// Kafka's own format; [Group.Apply] makes one count, once it is in the log and as a
// log is read. So a coordinator that takes over arrives at the state of the one
// before, and a step whose records were refused has not happened. Beside it stands
// what no record says: when sessions end, and which metadata was looked at.
//
// A share group (KIP-932, share.go) is the same machine with other records and another
// assignor: its partitions have no owner, so that a member is in the newest target with
// its next heartbeat, and nobody waits. Only partitions whose state is initialized are
// assigned; a heartbeat says which are to be, and looks at the topics of all members.
//
// A heartbeat that changes nothing costs no record and O(1), but for the first after
// a change of the metadata, which looks at the subscriptions of all members.
//
// Where Kafka 4.3 does otherwise:
//
//   - Assignors do not look at racks, as Kafka's do not since 4.0.
//   - Uniform is one algorithm for all subscriptions: keep what there is, give what
//     is free to who has least, level. Kafka has another one for equal subscriptions,
//     as balanced and as sticky, which may choose other members for a remainder.
//   - A clock that was set back does not put off assignments: an assignment from the
//     future is taken for an old one (group.consumer.assignment.interval.ms).
//   - A static member that joins again under its own member id is taken back; Kafka
//     tells it UNRELEASED_INSTANCE_ID, as if the id were another's, so that one whose
//     join's answer was lost can not go on.
//   - A regular expression that nobody has resolved is resolved at once, not with the
//     next look at all (every 10 s). Its size is bounded ([CheckExpression]), and a
//     coordinator matches one client's at a time.
//   - The simple assignor is one algorithm for all subscriptions: topics with the same
//     subscribers are shared evenly among them. Kafka has another one for unequal
//     subscriptions, and may leave such members less even.
//   - The hash of subscribed topics is another function: a coordinator of Kafka that
//     reads these records begins a new group epoch.
package consumer
