// Package share holds what a share group (KIP-932) makes of a partition: which of its
// records are in whose hands, how often each has been delivered, and which are done.
//
// Two brokers keep it. The leader of the partition hands records out and takes the
// acknowledgements. The share coordinator, which is the leader of the partition of
// __share_group_state that [Key.String] hashes to, keeps what must outlive the leader,
// as a [State]. The leader reads it when it begins and writes what changes, over a
// [Persister].
//
// [Partition] is what the leader has, as a pure step function: partition.go has the
// window of the log that is in hand and how it moves, acquire.go how records are handed
// out, acknowledge.go how they come back, write.go how the coordinator hears of it.
// [Leader] is one in the hands of a broker: it loads and writes it, has its locks time
// out, and wakes whoever waits. [Leaders] is all of a broker's, with the share sessions
// by which members say what they fetch (sessions.go). The handlers of ShareFetch and
// ShareAcknowledge, in package broker, join them to the log.
//
// What this gives, and what each rule is for:
//
//   - A record is one member's at a time, until it is acknowledged or its lock times out.
//   - An acknowledgement is answered once the coordinator has written it. One that could
//     not be written leaves the record with its member.
//   - A record that was accepted or rejected is not delivered again, whoever leads.
//   - One leader delivers a record as often as the limit says. The next one knows of
//     those deliveries only that ended, as in Kafka: what was in somebody's hands is
//     delivered once more.
//
// Bounds: group.share.max.share.sessions sessions with 250,000 partitions among them, a
// window of group.share.partition.max.record.locks records and a batch for each partition
// that is fetched from, and no leader without a session of its group.
package share
