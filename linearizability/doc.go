// Package linearizability judges what a Kafka cluster did by what its clients
// saw. It knows histories only: neither brokers nor the simulator.
//
// # From history to verdict
//
// While a run goes on, clients tell a [Recorder] of every operation twice:
// when it starts and how it ended. An operation ends as OK, as Fail (it
// certainly did nothing and never will) or as Info (nobody knows), which is
// where most false alarms of such tools come from: see [DefiniteError]. A
// [Log] is a Recorder that keeps all this in memory and streams it to
// history.jsonl, one operation a line in Jepsen's form. It also takes facts
// that no client can see: the settings of topics, the faults that were
// injected, committed metadata, where leader epochs began, and, at the end,
// a [Scan] of every replica's log.
//
// [Judge] turns a [History] into a [Verdict]: findings, each one sentence in
// Kafka's terms with its evidence; losses that were excused, each with its
// reason; and every check that was performed, with the number of things it
// looked at. A check that saw nothing has proved nothing.
//
// # At speed
//
// A load of hundreds of thousands of records a second cannot afford an
// operation for each. A [Recording] says what is taken down instead, and the
// verdict says it too:
//
//   - Batches: one operation for each record batch, and what was read and
//     found in the logs as [Run]s. Every record is still accounted for; the
//     same checks run, and a batch that is as it should be costs them as much
//     as one record. It takes a workload whose values rise as it sends.
//   - Sampled: one record in so many, chosen by its value, so that senders,
//     readers and scans keep the same ones. The checks run on those; that
//     sequence numbers have no gaps is beyond them.
//
// [AppendTimedPayload] is the payload that such a load can afford.
//
// [Watcher] checks invariants over [ClusterView] pictures of the brokers'
// inner states while they run, for targets that can show them.
//
// # What is promised
//
// Kafka's reads are not linearizable: an old leader goes on serving what was
// committed, a new one is slow to learn how much is. What holds is this. An
// offset is one record for ever (K1). An acknowledged record stays (K2), as
// does one that was read (K5). Idempotent producers leave no duplicates (K3)
// and no disorder (K4). A consumer neither skips nor rewinds (K7). Appends
// with acks=all are linearizable, which the offsets allow to be checked
// exactly in linear time (LIN). A committed offset is a linearizable register,
// for which Porcupine is used (K8). And in the end all replicas agree (K11).
//
// # Excuses
//
// A lost record is not always a broken promise. The rules, exactly:
//
//   - acks=0 promises nothing.
//   - acks=1 promises the record while its leader epoch lasts: its loss is
//     excused iff a later epoch began at or below its offset.
//   - acks=all promises the record through any number of crashes, pauses,
//     partitions and clock jumps. Its loss is excused iff, at an election that
//     cut it away, every replica that could be elected cleanly (ISR and ELR)
//     had lost stored bytes to a fault and had not caught up since; or the
//     election was unclean and the topic allows that, or as many replicas as
//     the effective min.insync.replicas had lost bytes while they were relied
//     on. With flush.messages=1 a power loss loses nothing that counts.
//   - What a consumer has read was committed, with whatever acks it was sent.
//
// Whether an election was clean is derived from the metadata before it, never
// believed. A topic that is deleted and created again under its old name
// within a run is beyond the judge: give it a new name.
package linearizability
