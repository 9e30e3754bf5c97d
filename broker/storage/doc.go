// Package storage is one replica's log: segments of record batches with their
// indexes, leader epochs and producer state, on an env.FS.
//
// # Files
//
// A log is a directory. Segment files are named after the first offset they
// may hold, in 20 digits, as in Kafka, and hold version 2 record batches as
// they came over the wire:
//
//	00000000000000000000.log        batches, appended
//	00000000000000000000.index      sparse: offset → byte position
//	00000000000000000000.timeindex  sparse: timestamp → offset
//	00000000000000000000.txnindex   transactions whose abort is in the segment, if any
//	00000000000000001234.snapshot   producer state as it stood before offset 1234
//	log-state                       log start, recovery point, gaps, leader epochs
//	00000000000000000000.log.cleaned, .log.swap
//	                                a segment that is to take the place of others
//
// Only the segments hold the log; everything else can be made from them. The
// last segment is active. Its index lives in memory; index files are written
// when a segment is sealed or the log closed. log-state and snapshots are
// replaced atomically (written aside, synced, renamed, directory synced) and
// carry a checksum. All but log-state have Kafka's formats, and its tools read
// them: index entries are a 4-byte relative offset and a 4-byte position, an
// 8-byte timestamp and a 4-byte relative offset; snapshots are described in
// snapshot.go.
//
// # Reading
//
// Read gives out whole batches below a limit, each verified: checksum, base
// offset and leader epoch against the batch before it and the epoch cache.
// The last two are not covered by the checksum, since the leader fills them in.
// What continues what is defined once, by continuation: without gaps, but in a
// log that log-state says may have some. Indexes are hints; if one leads astray
// it is rebuilt.
//
// # Fault atlas
//
// What is synced when, and which fault each rule survives. PC is a crash of
// the process, PL a loss of power that drops or tears whatever was not synced
// and forgets names page by page and name by name, DC damaged bytes, DF a full
// disk.
//
//   - Appends are not synced, unless flush.messages says so: replication is the
//     durability. PC loses nothing; PL may lose a suffix, which Open finds by
//     scanning from the recovery point to the first batch that is not valid.
//     With flush.messages=1 the end offset moves only after the sync, so that
//     no replica counts what PL could take. Appends that wait share one sync.
//     flush.ms bounds how old a lost suffix may be, and nobody waits for it.
//   - The recovery point moves (log-state) only after everything before it,
//     names included, is synced. PL never touches what lies before it.
//   - A segment's name is durable before the next segment is created. After PL
//     a log may end early but has no hole.
//   - A truncation first lowers the recovery point durably, removes later
//     segments newest first, then cuts and syncs. After PL anywhere between,
//     no old batch is joined to newer ones (bug bank B2).
//   - Open syncs what it found before it lets anybody count on it: a PC between
//     write and sync, or between cut and sync, followed by PL, loses nothing
//     that was reported after the PC. After a sync that failed, in whatever process,
//     it first writes that anew (Config.Unproven), for the kernel has dropped it
//     from what it would write and kept it in its cache: synced again and reported
//     durable, it would be a hole after PL.
//   - A new start offset is durable before readers see it and before the
//     segments below it are removed. Files that come back after PL are known to
//     be too old.
//   - A write that fails is cut back at once, so that nothing is ever written
//     behind half a batch (B23). DF leaves the log usable. After any other
//     error, a failed cut, or a failed sync, the log is fenced: it takes no more
//     writes until it is opened again, because the kernel may have dropped
//     what it could not write. Its owner hears of it (Config.OnFailed) before
//     the operation that met the error returns, in the background too.
//   - Segments are replaced in steps (replaceByCleaned) each of which leaves the
//     old log or one that Open makes the new one; a rename is one change. That
//     there may be gaps is durable before the first.
//   - A log moves into another directory (MoveInto) in renames each of which leaves
//     the log under one name or both parts of it under names that tell (FinishMove).
//     What it becomes is durable before the first.
//   - Producer state changes after the write, never before (B35). Snapshots of
//     offsets that the log no longer reaches are removed before it grows again,
//     and truncation rebuilds the state from an older one.
//   - The end offset moves before any index does, and no index write can fail an
//     append (B24).
//   - DC before the recovery point is found by the reader, as a *CorruptError
//     that names file and position; behind it, by the scan, which cuts there.
//     Corrupt bytes are neither served nor accepted from a leader. The scan
//     cannot tell DC from a torn write, so that what it cuts off may have been
//     acknowledged: the replica has to fetch it again.
//   - A disk that loses what it had synced is noticed if log-state survived:
//     Recovery.LostSyncedFrom.
//
// # Offsets, epochs, producers
//
// AppendLeader assigns offsets and the leader epoch; AppendFollower takes both
// from the leader and refuses gaps and epochs that go back. EpochEnd answers
// what KIP-101 and KIP-279 need for truncation. A producer's last five batches
// are remembered, so that a retry of any request in flight is answered with
// the offsets of the first copy (KIP-98); a producer that is not known may
// start at any sequence (KIP-360). One is forgotten when nothing of it was
// appended for producer.id.expiration.ms, in the time that passes for the
// replica.
//
// A transactional batch opens its producer's transaction, a marker ends it. A
// leader lets a batch open one that its coordinator has confirmed, by a
// Verification that everything the producer appends meanwhile makes void (KIP-890).
// LastStableOffset is the first offset that a transaction makes undecided: one
// that is open, or whose marker is not yet below the high watermark.
// ReadCommittedInto gives readers of committed records the records together with
// the aborted transactions among them. Of the producers that asked in vain for a
// verification, the last 1024 are remembered.
//
// # What is appended
//
// A leader looks at every record before it appends a batch, also where it has to
// decompress the batch for that, as Kafka's LogValidator does (Log.Prepare): one
// that cannot be read would stop every consumer. What the header claims of
// timestamps is made true, and a batch that the topic wants with another codec
// is written anew. The cost is bounded by bytes, not by counts that are claimed:
// a batch decompresses to at most 64 MiB or 8 times max.message.bytes, whichever
// is more, up to 256 MiB, and is not held in memory as a whole. Followers check
// the checksum and what continues what.
//
// # Retention
//
// ApplyRetention removes by age and size what cleanup.policy lets go, and
// nothing else; a limit of 0 keeps nothing, as in Kafka. Age is told from record
// timestamps and the wall clock of whoever calls, who is the leader: followers
// move their start to where the leader's log starts.
//
// # Compaction
//
// Clean compacts the sealed segments of a log: cleanrules.go says what stays, in a
// pure core; offsetmap.go knows of each key where it was last, in bounded memory;
// cleanbatch.go writes batches anew; swap.go puts the result in the place of what
// there was, whatever crashes. Cleanable tells what there is to do. Package
// replication decides when, and up to where tombstones and markers may go.
//
// # Time charged
//
// Env.Work is called for "storage.append", "storage.read" and
// "storage.recover", with the number of bytes.
package storage
