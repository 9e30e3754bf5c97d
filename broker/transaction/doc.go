// Package transaction coordinates transactions (KIP-98 and what followed it):
// which producer may write under a transactional id, which partitions its
// transaction has touched, and how it ended.
//
// A transactional id lives in one partition of __transaction_state
// ([coordinator.PartitionFor]) and is coordinated by that partition's leader.
// What must be remembered is written there as records in Kafka's own format.
// The partition is a shard of package coordinator, which has the rules of
// loading, ordering and answering.
//
// Four layers:
//
//   - Status (status.go, step.go) is what the log says of one transactional id,
//     and the transitions from one status to the next: pure functions of a
//     status, an instant and a request.
//   - machine (machine.go, markers.go, expire.go, records.go) is all
//     transactional ids of a partition, as the runtime's Machine: it writes
//     statuses, hands out markers, aborts what has timed out, forgets what
//     nobody uses. It is as pure.
//   - sender (sender.go) carries markers to the leaders of the partitions, by
//     WriteTxnMarkers, until each has confirmed its own.
//   - Coordinator (coordinator.go, handle*.go) turns requests of the wire into
//     steps of a machine, and outcomes into answers that clients know.
//
// The life of a transaction:
//
//	Empty ─AddPartitions─▶ Ongoing ─EndTxn─▶ PrepareCommit ─markers─▶ CompleteCommit
//	                          └────────────▶ PrepareAbort ─markers─▶ CompleteAbort
//
// What this gives, and what each rule is for:
//
//   - A transaction has ended once its PrepareCommit or PrepareAbort is
//     committed in the log. That is when EndTxn is answered and when markers may
//     leave; the next coordinator finds it and sends them again, under its own
//     leader epoch, which partitions compare. No marker is lost, and none of an
//     older coordinator counts behind one of a newer.
//   - A partition leaves the transaction by its own confirmation, or because the
//     topic is gone. Partitions are added by the metadata in which this broker
//     leads the transactional id, so that a later coordinator, whose metadata
//     is newer, can tell a partition that is gone from one it has yet to hear of.
//   - A new instance of a producer fences the old one: InitProducerId aborts
//     what is open under a new epoch and has the caller ask again
//     (CONCURRENT_TRANSACTIONS) until that is done. A time-out aborts in the
//     same way (KIP-588).
//   - Clients of transaction version 2 (KIP-890) get a new epoch with every end,
//     so that nothing late of an old transaction can enter the next one.
//   - A producer has epochs up to 32766; the last one, 32767, is left for
//     fencing. Then the transactional id goes on under another producer id.
//   - Whether a partition belongs to a transaction (VerifyOnly) is answered
//     behind a read barrier of the runtime: a coordinator that was replaced and
//     does not know it cannot say yes. Kafka does not go so far.
//   - InitProducerId with an epoch that is neither the current one nor the one
//     before is PRODUCER_FENCED also while a transaction is open. Kafka aborts
//     the transaction of the newer producer then.
package transaction
