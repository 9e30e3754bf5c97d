package metadata

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
)

// NoLeader is the Leader of a partition that is offline: none of the replicas
// that may lead it is available.
const NoLeader int32 = -1

// ClusterMetadataTopic is the name of the topic that is the metadata log, and
// ClusterMetadataTopicID its fixed id (KIP-500).
const ClusterMetadataTopic = "__cluster_metadata"

// ClusterMetadataTopicID is the id of the metadata log's topic.
var ClusterMetadataTopicID = TopicID{15: 1}

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the form Kafka uses in logs and directory names: topic-partition.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// Compare orders by topic name, then by partition number.
func (tp TopicPartition) Compare(other TopicPartition) int {
	if c := cmp.Compare(tp.Topic, other.Topic); c != 0 {
		return c
	}
	return cmp.Compare(tp.Partition, other.Partition)
}

// TopicID identifies a topic for ever: a topic deleted and created again has
// another id (KIP-516).
type TopicID [16]byte

// IsZero reports whether the id is the reserved "no id".
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String is Kafka's form: URL-safe base64 without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *TopicID) UnmarshalText(text []byte) error { return decodeID((*[16]byte)(id), text) }

// Incarnation identifies one life of a broker process (KIP-631).
type Incarnation [16]byte

// String is URL-safe base64 without padding.
func (i Incarnation) String() string { return base64.RawURLEncoding.EncodeToString(i[:]) }

// MarshalText implements encoding.TextMarshaler.
func (i Incarnation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Incarnation) UnmarshalText(text []byte) error { return decodeID((*[16]byte)(i), text) }

// DirectoryID identifies a log directory for ever (KIP-858). Zero is a directory
// that is not known.
type DirectoryID [16]byte

// String is URL-safe base64 without padding.
func (id DirectoryID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id DirectoryID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *DirectoryID) UnmarshalText(text []byte) error { return decodeID((*[16]byte)(id), text) }

// The reserved ids of directories, as Kafka's DirectoryId has them.
var (
	// UnassignedDirectory is none yet: the broker has not told which it chose.
	UnassignedDirectory = DirectoryID{15: 1}
	// LostDirectory is one that is offline, whichever.
	LostDirectory = DirectoryID{15: 2}
)

// Unassigned reports whether no directory is known.
func (id DirectoryID) Unassigned() bool { return id == DirectoryID{} || id == UnassignedDirectory }

func decodeID(id *[16]byte, text []byte) error {
	raw, err := base64.RawURLEncoding.AppendDecode(nil, text)
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("metadata: %q is not an id: want 22 characters of URL-safe base64", text)
	}
	copy(id[:], raw)
	return nil
}

// Partition is the controller's view of one partition.
//
// A Partition inside an Image is shared: never change it or its slices.
type Partition struct {
	Topic     string
	TopicID   TopicID
	Partition int32

	// Replicas are the brokers that hold the partition, the preferred leader first.
	Replicas []int32
	// ISR are the in-sync replicas, a subset of Replicas in the same order.
	ISR []int32
	// ELR are the eligible leader replicas (KIP-966): not in the ISR, but known
	// to hold everything up to the high watermark, since it cannot move while
	// the ISR is smaller than min.insync.replicas.
	ELR []int32
	// LastKnownELR is, while the partition has no leader, the last one it had. If
	// nobody is left in ISR and ELR, that broker may be elected when it returns.
	LastKnownELR []int32

	// Leader is the broker that leads, or NoLeader.
	Leader int32
	// LeaderEpoch grows with every change of leader.
	LeaderEpoch int32
	// PartitionEpoch grows with every change of anything here (KIP-497).
	PartitionEpoch int32

	// Recovering says that the leader came from an unclean election and has
	// not yet confirmed that it has recovered (KIP-704).
	Recovering bool

	// MinISR is min.insync.replicas as it was set when this partition epoch
	// began, 0 if that is not known. Leader and controller judge by it rather
	// than by the configuration, which the two do not learn at the same time:
	// what the one commits with so many replicas, the other must have kept
	// eligible by the same number. Use EffectiveMinISR.
	MinISR int32

	// AddingReplicas and RemovingReplicas are the members of Replicas that a
	// reassignment under way brings and takes away (KIP-455).
	AddingReplicas, RemovingReplicas []int32
	// Directories are the log directories that hold the replicas, in the order
	// of Replicas (KIP-858); empty if none is known.
	Directories []DirectoryID
}

// EffectiveMinISR is how many replicas must be in sync for anything to be
// committed: all of them where MinISR is more, or unknown. Replicas that a
// reassignment is adding are neither asked for nor counted (see [Partition.Counted]).
func (p *Partition) EffectiveMinISR() int {
	replicas := len(p.Replicas) - len(p.AddingReplicas)
	if p.MinISR < 1 || int(p.MinISR) > replicas {
		return replicas
	}
	return int(p.MinISR)
}

// Counted is how many of these members count for min.insync.replicas: all but
// those that a reassignment is adding. A cancel takes them away at once, and
// with them what only they had beside fewer others than were promised. (Kafka
// counts them.)
func (p *Partition) Counted(members []int32) int { return Counted(members, p.AddingReplicas) }

// Counted is how many of the members of an ISR count for min.insync.replicas
// while a reassignment adds these.
func Counted(members, adding []int32) int {
	n := 0
	for _, id := range members {
		if !slices.Contains(adding, id) {
			n++
		}
	}
	return n
}

// Reassigning reports whether a reassignment of the replicas is under way.
func (p *Partition) Reassigning() bool {
	return len(p.AddingReplicas) > 0 || len(p.RemovingReplicas) > 0
}

// Target are the replicas once the reassignment under way is complete.
func (p *Partition) Target() []int32 { return Except(p.Replicas, p.RemovingReplicas) }

// Origin are the replicas that a cancel of the reassignment under way leaves.
func (p *Partition) Origin() []int32 { return Except(p.Replicas, p.AddingReplicas) }

// Except are the members of all that are not among some, in order.
func Except(all, some []int32) []int32 {
	out := make([]int32, 0, len(all))
	for _, id := range all {
		if !slices.Contains(some, id) {
			out = append(out, id)
		}
	}
	return out
}

// TP is the partition's name.
func (p *Partition) TP() TopicPartition { return TopicPartition{p.Topic, p.Partition} }

// HasReplica reports whether the broker holds the partition.
func (p *Partition) HasReplica(broker int32) bool { return slices.Contains(p.Replicas, broker) }

// InISR reports whether the broker is an in-sync replica.
func (p *Partition) InISR(broker int32) bool { return slices.Contains(p.ISR, broker) }

// InELR reports whether the broker is an eligible leader replica.
func (p *Partition) InELR(broker int32) bool { return slices.Contains(p.ELR, broker) }

// Clone copies the partition and its slices.
func (p *Partition) Clone() *Partition {
	c := *p
	c.Replicas = slices.Clone(p.Replicas)
	c.ISR = slices.Clone(p.ISR)
	c.ELR = slices.Clone(p.ELR)
	c.LastKnownELR = slices.Clone(p.LastKnownELR)
	c.AddingReplicas = slices.Clone(p.AddingReplicas)
	c.RemovingReplicas = slices.Clone(p.RemovingReplicas)
	c.Directories = slices.Clone(p.Directories)
	return &c
}

// Broker is a registered broker.
//
// A Broker inside an Image is shared: never change it.
type Broker struct {
	ID int32
	// Epoch is the offset of the broker's registration record: a number no
	// earlier or later registration of any broker has.
	Epoch       int64
	Incarnation Incarnation
	Host        string
	Port        int32
	Rack        string
	// Fenced brokers lead nothing, join no ISR and are not shown to clients.
	Fenced bool
	// InControlledShutdown brokers give their leaderships away and then leave.
	InControlledShutdown bool
	// Directories are the broker's log directories (KIP-858), sorted.
	Directories []DirectoryID
	// Continues is the epoch of the registration that this one continues with
	// nothing lost (KIP-966), until the broker is unfenced. Until then the broker
	// may not have heard of this one. 0 if there is none.
	Continues int64
}

// Record is the record that states everything about the partition.
func (p *Partition) Record() *PartitionRecord {
	isr := p.ISR
	if isr == nil {
		isr = []int32{}
	}
	return &PartitionRecord{TopicID: p.TopicID, Partition: p.Partition, Replicas: p.Replicas,
		ISR: isr, ELR: p.ELR, LastKnownELR: p.LastKnownELR, Leader: p.Leader,
		LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Recovering: p.Recovering, MinISR: p.MinISR,
		AddingReplicas: p.AddingReplicas, RemovingReplicas: p.RemovingReplicas, Directories: p.Directories}
}

// Equal reports whether two states of a partition are the same.
func (p *Partition) Equal(o *Partition) bool {
	return p.Topic == o.Topic && p.TopicID == o.TopicID && p.Partition == o.Partition && p.Leader == o.Leader &&
		p.LeaderEpoch == o.LeaderEpoch && p.PartitionEpoch == o.PartitionEpoch && p.SameBut(o)
}

// SameBut reports whether two states of a partition differ in leader and epochs
// at most.
func (p *Partition) SameBut(o *Partition) bool {
	return p.Recovering == o.Recovering && p.MinISR == o.MinISR && slices.Equal(p.Replicas, o.Replicas) &&
		slices.Equal(p.ISR, o.ISR) && slices.Equal(p.ELR, o.ELR) && slices.Equal(p.LastKnownELR, o.LastKnownELR) &&
		slices.Equal(p.AddingReplicas, o.AddingReplicas) && slices.Equal(p.RemovingReplicas, o.RemovingReplicas) &&
		slices.Equal(p.Directories, o.Directories)
}

// Directory is the log directory that holds a broker's replica, zero if that is
// not known.
func (p *Partition) Directory(broker int32) DirectoryID {
	if i := slices.Index(p.Replicas, broker); i >= 0 && len(p.Directories) == len(p.Replicas) {
		return p.Directories[i]
	}
	return DirectoryID{}
}

// Serves reports whether the broker may lead the partition and be in its ISR: it is
// active, and so is the directory of its replica (KIP-858).
func (b *Broker) Serves(p *Partition) bool { return b.Active() && b.HasOnline(p.Directory(b.ID)) }

// HasOnline reports whether a directory is online, as far as is known.
func (b *Broker) HasOnline(id DirectoryID) bool {
	return id.Unassigned() || id != LostDirectory && (len(b.Directories) == 0 || slices.Contains(b.Directories, id))
}

// Active reports whether the broker may lead partitions and join ISRs (KIP-841).
func (b *Broker) Active() bool { return b != nil && !b.Fenced && !b.InControlledShutdown }

// Addr is the broker's "host:port".
func (b *Broker) Addr() string { return b.Host + ":" + strconv.Itoa(int(b.Port)) }

// Topic is a topic with its partitions and the configuration set on it.
//
// A Topic inside an Image is shared: never change it or what it holds.
type Topic struct {
	Name string
	ID   TopicID
	// Configs are the values set on the topic itself, by Kafka property name.
	// Walk them with env.SortedKeys. Use Image.TopicConfig for effective values.
	Configs map[string]string
	// Partitions are indexed by partition number.
	Partitions []*Partition
}
