package linearizability

import (
	"slices"
	"time"
)

// Topic is what the judge must know of a topic's settings.
type Topic struct {
	Name              string `json:"topic"`
	Partitions        int32  `json:"partitions"`
	ReplicationFactor int32  `json:"replication_factor"`
	// MinISR is min.insync.replicas as configured; see EffectiveMinISR.
	MinISR int32 `json:"min_insync_replicas"`
	// UncleanElection is unclean.leader.election.enable.
	UncleanElection bool `json:"unclean_leader_election,omitempty"`
	// FlushMessages is flush.messages; 1 means that a record is synced to disk
	// before it counts as replicated, 0 that nothing is promised.
	FlushMessages int64 `json:"flush_messages,omitempty"`
	// ELR says that eligible leader replicas (KIP-966) are kept, which raises
	// the number of lossy faults that a partition survives.
	ELR bool `json:"eligible_leader_replicas,omitempty"`
	// Internal says that the brokers write it, as they do __consumer_offsets:
	// what it holds is none of the workload's records.
	Internal bool `json:"internal,omitempty"`
	// Deletes says that records may leave the log by retention, compaction or
	// DeleteRecords.
	Deletes bool `json:"deletes,omitempty"`
	// Compacted says that a record may go when there is a later one of its key.
	Compacted bool `json:"compacted,omitempty"`
	// Keys is how many keys the records of the workload have in a topic of keys,
	// 0 if each has its own: see KeyOf.
	Keys int64 `json:"keys,omitempty"`
	// DeleteRetention is how long a tombstone stays at least.
	DeleteRetention time.Duration `json:"delete_retention,omitempty"`
}

// EffectiveMinISR is min.insync.replicas as the broker applies it: silently
// capped at the replication factor.
func (t Topic) EffectiveMinISR() int32 { return max(1, min(t.MinISR, t.ReplicationFactor)) }

// FaultKind names what was done to a machine.
type FaultKind string

// The faults that the judge tells apart. Any other name is allowed and counts
// as harmless to stored data.
const (
	Crash     FaultKind = "crash"      // the process died; the page cache survived
	PowerLoss FaultKind = "power-loss" // unsynced bytes may be gone
	DiskGone  FaultKind = "disk-gone"  // everything stored is gone
	// DiskFailed is the end of a process because calls to its disk had failed
	// (it was full or broken): what it had written is not trusted any more.
	DiskFailed FaultKind = "disk-failed"
	// LogDirFailed is a log directory that its broker goes on without. What is in
	// it is not trusted any more, and that alone: Only names it.
	LogDirFailed FaultKind = "log-dir-failed"
	Corruption   FaultKind = "corruption" // stored bytes changed
	// DiskWiped is a machine that comes back without some or all of its files,
	// BitRot is stored bits that turned over.
	DiskWiped FaultKind = "disk-wiped"
	BitRot    FaultKind = "bit-rot"
	// VolumeMoved is a disk that another machine has taken over. It lost nothing,
	// but the broker cannot know.
	VolumeMoved FaultKind = "volume-moved"
	FullDisk    FaultKind = "full-disk"
	DiskError   FaultKind = "disk-error"  // calls of the file system failed
	ShortWrite  FaultKind = "short-write" // one wrote a part, and failed
	Pause       FaultKind = "pause"
	Partition   FaultKind = "partition"
	ClockJump   FaultKind = "clock-jump"
	ClockDrift  FaultKind = "clock-drift"
)

// Fault is something that was done to the cluster.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Brokers struck.
	Brokers []int32 `json:"brokers"`
	// Start and End since the run began; End is when it was undone, 0 if it
	// is over at once or never was undone.
	Start time.Duration `json:"start"`
	End   time.Duration `json:"end,omitempty"`
	// Lossy says that bytes which had been written were in fact lost or
	// changed: a power loss that found nothing unsynced is not lossy.
	Lossy bool `json:"lossy,omitempty"`
	// Broken says that what was lost had been synced: the disk had promised to
	// keep it.
	Broken bool `json:"broken,omitempty"`
	// Detail tells a person the rest ("from broker 2 to broker 3").
	Detail string `json:"detail,omitempty"`
	// Effect is what it was observed to do ("12 packets dropped"), "" if
	// nothing was observed.
	Effect string `json:"effect,omitempty"`
	// Idle says that the fault met nothing that it could have done something to.
	Idle bool `json:"idle,omitempty"`
	// Exact says that the disks told what they lost: Recovered lists it all. If
	// it is not set, Lossy is a rule of thumb: what a fault of this kind may take.
	Exact bool `json:"exact,omitempty"`
	// Only names the partitions whose replicas on the struck brokers it hit, as in
	// "orders-0"; all if there are none.
	Only []string `json:"only,omitempty"`
	// Recovered says how far the logs of struck brokers are still intact.
	Recovered []Recovered `json:"recovered,omitempty"`
}

// concerning are the faults that hit a partition.
func concerning(tp TopicPartition, faults []Fault) []Fault {
	others := func(f Fault) bool { return len(f.Only) > 0 && !slices.Contains(f.Only, tp.String()) }
	if !slices.ContainsFunc(faults, others) {
		return faults
	}
	return slices.DeleteFunc(slices.Clone(faults), others)
}

// Recovered is a replica of which a fault took the end. What a disk loses
// leaves a log that recovery must cut where it is damaged first, so that a loss
// is always a suffix.
type Recovered struct {
	Broker    int32  `json:"broker"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// LogEnd is where the intact log ends: below it nothing was lost.
	LogEnd int64 `json:"log_end"`
	// LostEnd is where the log had ended, None if not known. Nothing from there
	// on was lost.
	LostEnd int64 `json:"lost_end"`
	// LostBytes that had been written to the log's files and never synced.
	LostBytes int64 `json:"lost_bytes,omitempty"`
}

// covers says whether the record at an offset of the replica was lost.
func (r *Recovered) covers(offset int64) bool {
	return offset >= r.LogEnd && (r.LostEnd == None || offset < r.LostEnd)
}

// Assignment is what a member of a group was given in a generation or, under the
// consumer protocol (KIP-848), in a member epoch: all that it has from then on.
type Assignment struct {
	Group      string        `json:"group"`
	Generation int32         `json:"generation"`
	Member     string        `json:"member"`
	Process    int64         `json:"process"`
	Topic      string        `json:"topic"`
	Partitions []int32       `json:"partitions"`
	Time       time.Duration `json:"time"`

	// Membership, under the consumer protocol, counts how often the member's client
	// has become a member; as long as it is the same it has lost nothing. 0 is the
	// classic protocol. Asked is when the member sent the heartbeat that was answered
	// so: its coordinator had it as a member after that.
	Membership int           `json:"membership,omitempty"`
	Asked      time.Duration `json:"asked,omitempty"`

	// Stale says that nothing was given: the client sent a heartbeat, at Asked, as the
	// member that it had been before it was given its part anew, and that was answered
	// as if the member went on. Was is when the client last was that member, and
	// Broker who answered.
	Stale  bool          `json:"stale,omitempty"`
	Was    time.Duration `json:"was,omitempty"`
	Broker int32         `json:"broker,omitempty"`
}

// Flaw is a record that was read with something else around its value than was
// sent with it.
type Flaw struct {
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"`
	Value     int64         `json:"value"`
	Time      time.Duration `json:"time,omitempty"` // when it was read; 0 in a final log
	// Where it was read ("client 7", "the log of broker 2"), and what is wrong.
	Where string `json:"where"`
	What  string `json:"what"`
}

// PartitionState is one committed change of a partition's metadata, as the
// controller quorum decided it. Elections are read off consecutive states.
type PartitionState struct {
	Topic          string        `json:"topic"`
	Partition      int32         `json:"partition"`
	Time           time.Duration `json:"time"`
	Replicas       []int32       `json:"replicas,omitempty"`
	Leader         int32         `json:"leader"` // None if there is none
	LeaderEpoch    int32         `json:"leader_epoch"`
	PartitionEpoch int32         `json:"partition_epoch"`
	ISR            []int32       `json:"isr"`
	ELR            []int32       `json:"elr,omitempty"`
	// MinISR is the effective min.insync.replicas that belongs to this change,
	// 0 if it is not known: then it is the topic's.
	MinISR int32 `json:"min_isr,omitempty"`
	// Adding are the replicas that a reassignment is adding. They do not count for
	// min.insync.replicas.
	Adding []int32 `json:"adding,omitempty"`
}

// counted are the replicas that may be elected: the ISR and the ELR.
func (s *PartitionState) counted() []int32 { return slices.Concat(s.ISR, s.ELR) }

// relied are those of them that count for min.insync.replicas.
func (s *PartitionState) relied() []int32 {
	return slices.DeleteFunc(s.counted(), func(r int32) bool { return slices.Contains(s.Adding, r) })
}

// EpochStart says at which offset a leader began its epoch, and what stood
// below it in that leader's log.
type EpochStart struct {
	Topic       string        `json:"topic"`
	Partition   int32         `json:"partition"`
	Time        time.Duration `json:"time"`
	LeaderEpoch int32         `json:"leader_epoch"`
	Leader      int32         `json:"leader"` // None if it is not the leader who tells
	StartOffset int64         `json:"start_offset"`
	// Cache is the leader's epoch cache when it began (KIP-101): every epoch
	// that its log holds records of, ascending, and then this one. The first
	// may begin where the log does. nil if it is not known.
	Cache []EpochEntry `json:"cache,omitempty"`
}

// EpochEntry is the offset of the first record of a leader epoch in a log.
type EpochEntry struct {
	Epoch       int32 `json:"epoch"`
	StartOffset int64 `json:"start_offset"`
}

// HighWatermark is a leader's high watermark as it was seen inside the broker.
type HighWatermark struct {
	Topic       string        `json:"topic"`
	Partition   int32         `json:"partition"`
	Time        time.Duration `json:"time"`
	Broker      int32         `json:"broker"`
	LeaderEpoch int32         `json:"leader_epoch"`
	Offset      int64         `json:"offset"`
}

// Scan is the whole log of one replica, read after everything has healed.
type Scan struct {
	Topic     string
	Partition int32
	Broker    int32
	// Leader says that this replica was the leader when it was read.
	Leader bool
	// LogStart, HighWatermark and LogEnd are offsets; None if not known.
	LogStart      int64
	HighWatermark int64
	LogEnd        int64
	// Epochs is the replica's leader-epoch cache, ascending. May be nil.
	Epochs []EpochStart
	// Time since the run began at which it was read, 0 if that is not known.
	Time time.Duration
	// Markers are the control records that end transactions, by ascending offset.
	Markers []Marker
	// Records by ascending offset. Control records are left out.
	Records []ScanRecord
	// Runs instead of Records where batches are recorded.
	Runs []ScanRun
}

// ScanRecord is one record found in a log.
type ScanRecord struct {
	Offset        int64
	Value         int64 // None if the payload was not one that the workload wrote
	ProducerID    int64 // None if not idempotent
	LeaderEpoch   int32
	Sequence      int32
	ProducerEpoch int16
	Transactional bool // part of a transaction
}

// Marker is a control record that ends a transaction in a partition.
type Marker struct {
	Offset           int64
	ProducerID       int64
	LeaderEpoch      int32
	CoordinatorEpoch int32
	ProducerEpoch    int16
	Commit           bool
}

func (m Marker) row() [6]int64 {
	row := [6]int64{m.Offset, int64(m.LeaderEpoch), m.ProducerID, int64(m.ProducerEpoch), int64(m.CoordinatorEpoch)}
	if m.Commit {
		row[5] = 1
	}
	return row
}

func markerOf(row [6]int64) Marker {
	return Marker{Offset: row[0], LeaderEpoch: int32(row[1]), ProducerID: row[2], ProducerEpoch: int16(row[3]), CoordinatorEpoch: int32(row[4]), Commit: row[5] == 1}
}
