// Package simdisk is a simulated disk with a file system: [env.FS] for the
// machines of package sim.
//
//	disk := simdisk.New(k, node, simdisk.GP3())
//	node.SetFS(disk)
//
// # What is modelled
//
// The page cache, as Linux has it: writes go to memory and return at once;
// reads of what is in memory do too. Neither costs an event of the kernel. A
// flusher wakes every [Profile.FlushInterval] and writes back what has been
// dirty for [Profile.DirtyExpire]; beyond [Profile.DirtyBackgroundBytes] it
// works all the time. From half way to [Profile.DirtyLimitBytes] on, writers
// are slowed down to what the device does, by pauses of 10 to 200 ms, and at
// the limit they stop. What was not used for longest leaves memory when
// CacheBytes are full, if it is clean. Who reads in sequence has the next
// [Profile.ReadAheadBytes] read ahead. So a consumer that catches up on old
// data takes bandwidth from writers and memory from readers near the end.
// [Disk.SoilForeign] begins with dirty bytes of an earlier load, as on a
// machine that has been busy for long.
//
// The device: an I/O waits for a queue slot, for its turn under the limits,
// and then for a latency drawn from an integer quantile table. The limits are
// an even spacing of I/Os and bytes ([Limit]), or those of an EBS volume with
// its credits ([EBS]), perhaps behind the EBS pipe of an instance
// ([Device.Attach]); [Device.Credits] and [Device.Held] tell what they do.
// Several machines' file systems may be on one device, and share one page
// cache ([NewDevice], [NewOn], [Profile.SharedCache]): brokers on one laptop.
//
// Sync writes a file's dirty bytes and, if its length changed, waits
// for a commit of the journal, which tasks that ask at the same time share.
//
// The file system: names become durable with SyncDir of their directory, or
// by themselves when the journal next commits ([Profile.JournalInterval]).
//
// # What a crash does
//
// The death of a process loses nothing: the page cache is the machine's. Its
// open files are closed.
//
// A loss of power takes the page cache. What was not synced is decided for
// each file and each name alone, from random streams of their own:
//
//   - Bytes appended since the last write-back survive as a prefix: none, all,
//     or up to some page, the page behind it perhaps torn between sectors.
//     Sometimes the length survives and the bytes do not: they read as zeros.
//     Or pages survive in no order, with holes of zeros between them, as they do
//     where the length is updated at the end of each I/O (XFS, ext4).
//   - Bytes overwritten in place are old or new page by page, or sector by
//     sector within a torn page.
//   - A truncation survives or not; if not, what was appended behind the cut
//     is gone and the bytes that were cut are back.
//   - A name that was created, renamed or removed is new or old. A rename is
//     one step: never both names, never neither. Steps on one name survive in
//     order; steps on different names do not wait for each other, which is
//     less than ext4 or XFS promise and all that POSIX does.
//
// What Sync and SyncDir promised always survives.
//
// # Faults
//
// [Disk.Inject] fails the nth call of a kind on files of a pattern,
// [Disk.SetCapacity] fills the disk, [Disk.SetSlowdown] and [Disk.Stall] slow
// the device, [Disk.FlipBit] corrupts what is stored. A write-back that fails
// under Sync is told once to each handle that has the file open (errseq_t of
// Linux) and then forgotten: the next Sync succeeds although the bytes never
// reached the device.
//
// # What it costs to simulate
//
// A write is copied once. All but the newest 32 MiB of a disk are kept
// compressed (S2), once for all replicas of a log, so that the log of a
// benchmark does not need its size in memory; a read decompresses into a few
// chunks that are used again. Nothing that a program or a trace sees depends
// on it.
//
// # Callers outside of tasks
//
// Callbacks of the kernel may use the disk to look at files. Their calls take
// no time and leave no trace in the caches.
package simdisk
