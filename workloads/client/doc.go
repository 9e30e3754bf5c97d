// Package client is Weir's own Kafka client: producer, consumer, group member
// and admin, written against package env, so that it runs unchanged on the
// operating system and in simulation, against Weir's broker or anyone's.
//
// It exists because a judge needs to know more than clients usually tell. For
// every record it reports, besides the offset, what each attempt on the wire
// can have done (see [Outcome]): an operation counts as failed only if every
// attempt was refused before anything was appended. It never hides a
// condition by retrying past it where that would change what may be claimed.
//
// # Parts
//
// A [Client] is a cluster seen from one process: connections, metadata, and
// requests with retries. Everything else is made from it:
//
//   - [Producer] batches records per partition and keeps up to
//     max.in.flight requests on each leader's connection.
//   - [Stream] is a producer of many like records, for loads of hundreds of
//     thousands of records a second: one result for each batch.
//     [Consumer.PollBatches] is its counterpart.
//   - [Consumer] reads assigned partitions, or, with Subscribe, those the
//     group gives it.
//   - [Admin] creates, deletes and describes topics and lists offsets.
//
// # Batching
//
// It is Kafka's: a batch takes all of batch.size from buffer.memory when it
// begins; Produce blocks for that up to max.block.ms, and while anybody waits
// nothing lingers. A request to a broker takes one batch of each partition as
// soon as one of them is full or has lingered, those that still linger
// included. Records without a key fill one partition's batch after the
// other's (KIP-480).
//
// The processor's time is charged as client.record (records handed over or
// polled), client.send and client.receive (bytes of requests and responses).
//
// # Idempotence
//
// A batch gets its sequence number when it is first put into a request and
// keeps it, and its bytes, through every retry. Per partition:
//
//   - Batches are sent in order; after a failure they are sent again in the
//     same order, one at a time until the first of them is answered. The
//     first batch of an epoch also travels alone, since a leader without
//     state for the producer accepts any sequence number.
//   - All unanswered batches are on one connection. After a change of leader
//     nothing is sent until the old connection's answers have come or it is
//     closed.
//   - When the sequence is broken for good, because a batch was given up or
//     the leader lost state, the partition moves to the next producer epoch
//     starting at sequence 0 (KIP-360). Only batches of which no attempt can
//     have been appended are moved along; any other is given up with
//     OutcomeInfo. So the client itself never writes a record twice, and
//     batches of the old epoch still under way are fenced.
//
// # Transactions
//
// A producer with a transactional id sends within transactions. Its calls are
// those of Kafka's Java client and plain blocking ones: InitTransactions,
// BeginTransaction, SendOffsets, CommitTransaction, AbortTransaction. What a
// refusal leaves to do is sorted as there: retriable errors are retried until a
// call's timeout, abortable ones leave only AbortTransaction, fatal ones
// ([ErrFatal]) nothing. There is no new epoch in the middle of a transaction:
// when a batch is given up, its transaction is.
//
// Whether partitions must be added by request or join by being written to, and
// whether each transaction has its own producer epoch, goes by the finalized
// feature transaction.version when a transaction begins (KIP-890). Without it,
// Produce waits for the partition to be added.
//
// [Producer.CommitTransaction] tells apart what is committed, what never will be, and what
// nobody knows: an EndTxn that was not answered may still be carried out.
//
// # Tasks
//
// One task refreshes metadata. Each connection has a reader task. A producer
// has one sender task per broker and one that expires old batches; a consumer
// has one fetcher task per broker, one for the group, and a passing one for
// each partition whose position must be found. Callbacks run on these tasks,
// so they must be brief and not wait.
//
// Lock order: peer.mu (held while connecting) or Producer.mu or Consumer.mu,
// then Client.mu; conn.wmu, which keeps writes whole and is held across them,
// then conn.mu. No lock is held while a callback runs.
package client
