// Package simdisk is a simulated disk with a file system: [env.FS] for the
// machines of package sim.
//
//	disk := simdisk.New(k, node, simdisk.GP3())
//	node.SetFS(disk)
//
// # What is modelled
//
// The page cache: writes go to memory and return at once; reads of what is in
// memory do too. Neither costs an event of the kernel. Dirty bytes are
// written back when they are old ([Profile.DirtyExpire]) or many
// ([Profile.DirtyBackgroundBytes]), and writers wait when there are too many
// ([Profile.DirtyLimitBytes]).
//
// The device: an I/O waits for a queue slot, for its turn under the IOPS and
// the bandwidth limit, and then for a latency drawn from an integer quantile
// table. Sync writes a file's dirty bytes and, if its length changed, waits
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
// under Sync is reported once and then forgotten, as Linux does: the next
// Sync succeeds although the bytes never reached the device.
//
// # Callers outside of tasks
//
// Callbacks of the kernel may use the disk to look at files. Their calls take
// no time and leave no trace in the caches.
package simdisk
