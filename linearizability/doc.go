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
// # Evidence
//
// What is not there proves nothing either. A history opens with a [Manifest],
// which says who takes part and which facts the target can give, and closes
// with an [End], which counts what it holds. Each check declares what it needs
// and what it uses if there is any. If some of that is missing (a replica's
// log, one poll, the second half of the file), the check is not performed: it
// is [Unknown] and says what is missing, and so the verdict is Unknown, unless
// something else was found. A check that needs what this run or its target has
// none of is [Skipped], which is no blemish, unless the history holds some after
// all. The last line of a file carries a checksum of all lines: what was changed
// afterwards is Unknown too, unless something was found in it. A history without
// a manifest, such
// as one that an older version wrote, is Unknown as a whole.
//
// What was found while a run went on ([Watcher], panics, a cluster that did
// not recover) is in the history too, and [Verdict.Carry] adds what an earlier
// judgement found: a verdict only gets stricter.
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
// # Invariants
//
// [Watcher] checks invariants (K12) over [ClusterView] pictures of the brokers'
// inner states while they run, for targets that can show them: those of the TLA+
// models of Kafka's replication and of Kafka's own Raft simulation. The true high
// watermark is the highest that a leader had or a client was told of, less what
// elections were permitted to take.
//
//   - A partition has one leader in a leader epoch, in the ISR (LeaderInIsr), whose
//     high watermark does not fall. Log start ≤ high watermark ≤ log end; no log
//     begins beyond the true high watermark.
//   - A leader begins with all below the true high watermark, as the epoch caches
//     tell (LeaderCompleteness). So does, at every instant, whoever it waits for
//     and who follows it in its epoch, unless a fault that takes what is stored
//     struck it since it was last out of the ISR; and whoever else of ISR and ELR
//     runs and is registered, once it has been seen to lack something for 300 ms,
//     for metadata in a picture may be old (LeaderCandidateCompleteness).
//   - While all replicas are seen, one of them has all below the true high
//     watermark (NoCommittedRecordLostGlobally). Below the high watermarks of both,
//     a replica holds the batches that the leader holds (LogMatching).
//   - A leader counts on nothing that a follower has not: one that has fetched in its
//     epoch is in that epoch or a later one, has what it fetched from, and is not a
//     life that the leader knows to be over. What it is counted to have is what the
//     leader has itself, batch by batch, committed or not (Log Matching): replicas that
//     part are found where they part, not where an election shows it.
//   - Whoever joins the ISR in an epoch has fetched from its leader in the life that is
//     registered (KIP-903), and has all that the leader began the epoch with
//     (KAFKA-7128). Who registers after a fault took something from it is relied on
//     for that no more (KIP-966).
//   - The leader waits for all of the controller's ISR, and for its ELR too unless
//     its own ISR is smaller than min.insync.replicas (ReplicationQuorumSuperset).
//     ISR and ELR together do not fall below min.insync.replicas, but for an
//     unclean election and by members that a fault made untrustworthy
//     (MinIsrRecoveryQuorum). No fenced broker is in an ISR.
//   - The metadata quorum has one leader in an epoch, which has all that was
//     committed; a voter keeps what it knew to be committed, and voters agree on
//     it (MetadataLogMatching). A voter votes once in an epoch, and takes nothing for
//     committed that no majority has. The high watermark of a leader passes only through
//     a record of its own epoch. A controller that no majority of the voters could
//     have followed steps down within [ClusterView.StepDown].
//   - What a log knows of itself is what its batches say (K13): where leader epochs
//     begin, and the last batch of each idempotent producer. It forgets no producer
//     before its time, unless it was cut. This is kept apart from the batches and has
//     to follow each cut, each failed write and each restart; clients suffer from it
//     only at the next retry, or the next election.
//   - Who reads a cleaned log anew, with read_committed, has of each key what one has
//     kept who read it before (K14), and a tombstone stays as long as a replica has an
//     older record of its key and not it. That holds for internal topics too.
//
// # What is promised
//
// Kafka's reads are not linearizable: an old leader goes on serving what was
// committed, a new one is slow to learn how much is. What holds is this. An
// offset is one record for ever, with the key, the headers and the timestamp
// that it was sent with (K1). An acknowledged record stays (K2), as does one
// that was read (K5). Idempotent producers leave no duplicates, and a retry of
// what was appended is not refused (K3); nor do they leave disorder (K4). A
// consumer neither skips nor rewinds (K7). Appends with acks=all are
// linearizable, which the offsets allow to be checked exactly in linear time,
// and ListOffsets knows what its leader acknowledged (LIN). A committed offset
// is a linearizable register, for which Porcupine is used (K8). A partition has
// one owner in each generation of a group, and members of older ones commit
// nothing; under the consumer protocol (KIP-848) a member owns a partition until it
// has said that it gives it up, and commits for it in any epoch since it got it, if
// no other has got it meanwhile (K9). A leader epoch has one leader (K12). What an administrator was
// told is done is done (K15). Whoever keeps the last value of each key of a
// compacted topic has what was written last, and no deleted key comes back (K14).
// Once all has healed, sends are answered (a refusal
// of the record itself is an answer), transactions end and consumers get
// everything (K10), and in the end all replicas agree, those of internal topics
// too (K11).
//
// # Share groups
//
// What a member of a share group has accepted or rejected, and was answered that this
// is kept, is given to nobody who asks after that (K18); what members are given is in
// the log (K5); and each acknowledged record reaches one of them, again and again until
// it is accepted (K10). That a record is in one pair of hands only is not promised: a
// leader that is replaced takes its locks with it. A permitted loss of what share
// coordinators keep excuses what a group has forgotten, and one of the partition what
// has come to stand at offsets that were done.
//
// # Transactions
//
// What became of a transaction is read off the final log: in each partition it ends
// with the next marker of its producer. A producer is told the truth about its
// transaction, which takes effect everywhere or nowhere, the same for everybody if
// nobody could tell the producer; and nothing that it does after another has begun
// with its transactional id takes effect (K6). Nobody reads with read_committed what
// is aborted, or anything behind a transaction that cannot have ended yet, because
// its producer had not asked, nobody had fenced it and its time was not over (K5).
// That what is committed is seen at once is not promised: a coordinator answers
// before it has written the markers. Where transactions move amounts that add up to
// nothing, what is shown does too (K16); a pipeline makes one committed record of
// each that its group has committed to be past (K17). Offsets that are committed in
// transactions are part of the register (K8) from when they are sent to when the
// transaction is known to have ended. A permitted loss in the partition of
// [TransactionTopic] that holds the transactional id, or in one that the transaction
// wrote to, excuses what it may have done to the transaction. It may take a fence,
// however long before the transaction; or the end of one, so that read_committed is
// stuck there; or what it said the end was, so that an offset goes back to one that the
// group had before; or a marker, so that a record ends otherwise than it had when it was
// read or passed over, which a marker of an epoch from before the loss rules out. After
// it a coordinator may give out an epoch of a producer id again, which the answers to
// InitProducerId show: then a broker takes what the second producer sends for retries
// of the first, and a marker ends the transactions of both. What a loss has left
// without an end holds up what is behind it: readers with read_committed, and a group
// whose offsets it leaves pending, whose members never learn where to go on. Only a
// loss since the transaction began, of its own coordinator or in that partition (of a
// group, where its offsets are), excuses that, and only what lies behind.
//
// # Excuses
//
// A lost record is not always a broken promise. One ledger for each partition
// decides about every record that is gone, once, and all checks read it. The
// rules, exactly:
//
//   - acks=0 promises nothing.
//   - acks=1 promises the record while its leader epoch lasts: its loss is
//     excused iff a later epoch began at or below its offset, unless a high
//     watermark of its epoch had passed it by then, or somebody had read it:
//     then it was committed, and the rule for acks=all holds.
//   - acks=all promises the record through any number of crashes, pauses,
//     partitions and clock jumps. Its loss is excused iff, at an election after
//     it was sent whose epoch began at or below its offset (or whose leader
//     brought a tail of an older epoch that reaches below it), either the
//     election was unclean and the topic allows that; or a fault had taken the record from
//     the new leader's own disk, every replica that could be elected cleanly
//     (ISR and ELR) had been struck by a fault of a kind that takes what is
//     stored (among them the end of a process whose disk was full or broke
//     under it: it may not trust what it wrote), and so had as many replicas that were relied on (in the ISR or
//     the ELR when struck) as the effective min.insync.replicas. In a topic
//     without eligible leader replicas one such replica is enough if the
//     election was clean. A replica that left the ISR after it was struck and
//     came back counts as sound again. With flush.messages=1 a power loss takes
//     nothing that counts; but whom it struck is trusted no more than others, and
//     counts among those relied on when something else, a lost disk, took the
//     record from the new leader.
//   - What a loss takes is a suffix: with a record of the same leader epoch
//     still there behind it, no loss is excused.
//   - A loss may be undone: if a leader that was elected uncleanly still has
//     what the one before had not, it is back. Until then, that it was unknown
//     is excused by the same rules.
//   - What a consumer has read was committed, with whatever acks it was sent.
//   - A committed offset may go back, to what was committed before, once for
//     each time that the partition of the offsets topic which holds its group
//     lost records by these rules; so may the count of the group's generations.
//
// Where the log of a new leader parts from that of the leader before it follows
// from their epoch caches ([EpochStart]: a line "epoch-start" of the history, with
// "cache"), as a follower finds out where to cut its log (KIP-101, KIP-279): an
// offset of one leader epoch is one record. Who was elected and never began its
// epoch has taken nothing. An election counts if it was later than the sending
// of a record, or of a later epoch than the one that took the record in: a
// leader may not have heard yet that its epoch is over. Histories without caches
// are judged by where epochs begin and by which of them the final log lacks.
//
// The Watcher excuses by the same rules. Of two replicas that differ although
// both had committed it, it asks for the election that took what the follower
// holds, at each change of what the offset is from one leader to the next, if it
// was committed then: batches of one leader epoch never differ.
//
// What a fault took is a fact where the target can tell ([Fault.Exact]): the
// simulated disk accounts for every byte, and [Recovered] says for each replica
// from which offset on its log is damaged. Nothing below that is excused.
// Elsewhere a fault that may lose what was stored is taken to have lost it all,
// and the excuse says that it is by rule.
//
// Whether an election was clean is derived from the metadata before it, never
// believed. A topic that is deleted and created again under its old name
// within a run is beyond the judge: give it a new name.
package linearizability
