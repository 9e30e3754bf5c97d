package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
)

// Kind is a kind of record: the version of its key, which tells the kinds in
// __consumer_offsets apart.
type Kind int16

// The kinds of records of a group under the consumer protocol.
const (
	GroupEpoch        Kind = 3  // ConsumerGroupMetadata
	OldTopics         Kind = 4  // ConsumerGroupPartitionMetadata, written before Kafka 4.1 only
	MemberMetadata    Kind = 5  // ConsumerGroupMemberMetadata
	TargetEpoch       Kind = 6  // ConsumerGroupTargetAssignmentMetadata
	TargetOfMember    Kind = 7  // ConsumerGroupTargetAssignmentMember
	CurrentOfMember   Kind = 8  // ConsumerGroupCurrentMemberAssignment
	RegularExpression Kind = 16 // ConsumerGroupRegularExpression
)

// The kinds of records of a share group. All but the last are what the kinds above
// are to a group under the consumer protocol.
const (
	ShareMemberMetadata  Kind = 10 // ShareGroupMemberMetadata
	ShareGroupEpoch      Kind = 11 // ShareGroupMetadata
	ShareTargetEpoch     Kind = 12 // ShareGroupTargetAssignmentMetadata
	ShareTargetOfMember  Kind = 13 // ShareGroupTargetAssignmentMember
	ShareCurrentOfMember Kind = 14 // ShareGroupCurrentMemberAssignment
	ShareState           Kind = 15 // ShareGroupStatePartitionMetadata
)

// shares are the kinds of share groups by those that they stand for.
var shares = map[Kind]Kind{
	GroupEpoch: ShareGroupEpoch, MemberMetadata: ShareMemberMetadata, TargetEpoch: ShareTargetEpoch,
	TargetOfMember: ShareTargetOfMember, CurrentOfMember: ShareCurrentOfMember,
}

// plain is the kind that one of a share group stands for, and any other itself.
func (k Kind) plain() Kind {
	switch k {
	case ShareMemberMetadata:
		return MemberMetadata
	case ShareGroupEpoch:
		return GroupEpoch
	case ShareTargetEpoch:
		return TargetEpoch
	case ShareTargetOfMember:
		return TargetOfMember
	case ShareCurrentOfMember:
		return CurrentOfMember
	}
	return k
}

// Shared reports whether records of the kind are those of share groups.
func (k Kind) Shared() bool { return k == ShareState || k.plain() != k }

// Known reports whether records with keys of that version are of this package.
func Known(version int16) bool {
	switch Kind(version) {
	case GroupEpoch, OldTopics, MemberMetadata, TargetEpoch, TargetOfMember, CurrentOfMember, RegularExpression:
		return true
	}
	return Kind(version).Shared()
}

// named reports whether keys of the kind say a name beside the group's.
func (k Kind) named() bool {
	switch k.plain() {
	case MemberMetadata, TargetOfMember, CurrentOfMember, RegularExpression:
		return true
	}
	return false
}

// Record is one record of a group. Without a value it is a tombstone.
type Record struct {
	Kind  Kind
	Name  string // the member's id, or the regular expression
	Value any    // *Epoch, *Metadata, *Target, []Partition, *Current, *Resolved or *Sharing, by kind
}

// Epoch is the value of a GroupEpoch.
type Epoch struct {
	Epoch int32
	Hash  int64 // of the subscribed topics
}

// Target is the value of a TargetEpoch.
type Target struct {
	Epoch          int32
	TimestampMilli int64 // when it was computed, 0 if that is not known
}

// Key is the key of the record, of a group.
func (r Record) Key(group string) []byte {
	dst := kbin.AppendString(kbin.AppendInt16(nil, int16(r.Kind)), group)
	if r.Kind.named() {
		dst = kbin.AppendString(dst, r.Name)
	}
	return dst
}

// Bytes is the value of the record, nil for a tombstone.
func (r Record) Bytes() []byte {
	dst := kbin.AppendInt16(nil, 0) // the version of the value
	switch v := r.Value.(type) {
	case *Epoch:
		dst = kbin.AppendInt32(dst, v.Epoch)
		switch {
		case r.Kind.Shared():
			return append(kbin.AppendInt64(dst, v.Hash), 0)
		case v.Hash == 0:
			return append(dst, 0)
		}
		return appendTag(append(dst, 1), 0, kbin.AppendInt64(nil, v.Hash))
	case *Metadata:
		if r.Kind.Shared() {
			return append(appendStrings(kbin.AppendCompactString(kbin.AppendCompactString(appendNullable(dst, v.RackID), v.ClientID), v.ClientHost), v.Topics), 0)
		}
		return v.append(dst)
	case *Target:
		dst = kbin.AppendInt32(dst, v.Epoch)
		if v.TimestampMilli == 0 {
			return append(dst, 0)
		}
		return appendTag(append(dst, 1), 0, kbin.AppendInt64(nil, v.TimestampMilli))
	case []Partition:
		return append(appendTopics(dst, v, nil), 0)
	case *Current:
		dst = kbin.AppendInt32(kbin.AppendInt32(dst, v.Epoch), v.Previous)
		dst = kbin.AppendInt8(dst, int8(v.State))
		if r.Kind.Shared() {
			return append(appendTopics(dst, PartitionsOf(v.Assigned), nil), 0)
		}
		dst = appendTopics(dst, PartitionsOf(v.Assigned), v.Assigned)
		return append(appendTopics(dst, PartitionsOf(v.Revoking), v.Revoking), 0)
	case *Resolved:
		dst = appendStrings(dst, v.Topics)
		return append(kbin.AppendInt64(kbin.AppendInt64(dst, v.Version), v.TimestampMilli), 0)
	case *Sharing:
		return v.append(dst)
	}
	return nil
}

func (v *Metadata) append(dst []byte) []byte {
	dst = appendNullable(appendNullable(dst, v.InstanceID), v.RackID)
	dst = kbin.AppendCompactString(kbin.AppendCompactString(dst, v.ClientID), v.ClientHost)
	dst = appendNullable(appendStrings(dst, v.Topics), v.Expression)
	dst = appendNullable(kbin.AppendInt32(dst, v.RebalanceTimeoutMillis), v.Assignor)
	if v.Classic == nil {
		return append(dst, 0)
	}
	c := append([]byte(nil), 1) // a struct that may be null begins with 1
	c = kbin.AppendInt32(c, v.Classic.SessionTimeoutMillis)
	c = kbin.AppendCompactArrayLen(c, len(v.Classic.Protocols))
	for _, p := range v.Classic.Protocols {
		c = append(kbin.AppendCompactBytes(kbin.AppendCompactString(c, p.Name), p.Metadata), 0)
	}
	return appendTag(append(dst, 1), 0, append(c, 0))
}

func appendTag(dst []byte, number uint32, value []byte) []byte {
	dst = kbin.AppendUvarint(kbin.AppendUvarint(dst, number), uint32(len(value)))
	return append(dst, value...)
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return kbin.AppendCompactNullableString(dst, nil)
	}
	return kbin.AppendCompactString(dst, s)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = kbin.AppendCompactArrayLen(dst, len(list))
	for _, s := range list {
		dst = kbin.AppendCompactString(dst, s)
	}
	return dst
}

// appendTopics writes a sorted list by topics, with the epochs since when they are
// owned if there are any.
func appendTopics(dst []byte, list []Partition, owned []Owned) []byte {
	var ends []int
	for i := range list {
		if i+1 == len(list) || list[i+1].Topic != list[i].Topic {
			ends = append(ends, i+1)
		}
	}
	dst = kbin.AppendCompactArrayLen(dst, len(ends))
	begin := 0
	for _, end := range ends {
		dst = append(dst, list[begin].Topic[:]...)
		dst = kbin.AppendCompactArrayLen(dst, end-begin)
		for _, p := range list[begin:end] {
			dst = kbin.AppendInt32(dst, p.Number)
		}
		if owned == nil {
			dst = append(dst, 0)
		} else {
			epochs := kbin.AppendCompactArrayLen(nil, end-begin)
			for _, o := range owned[begin:end] {
				epochs = kbin.AppendInt32(epochs, o.Since)
			}
			dst = appendTag(append(dst, 1), 0, epochs)
		}
		begin = end
	}
	return dst
}

// Read reads a record of a kind of this package and says which group it is of. What
// is read does not share memory with what it was read from.
func Read(key, value []byte) (group string, r Record, err error) {
	if len(key) < 2 {
		return "", r, fmt.Errorf("a key of %d bytes says no version", len(key))
	}
	r.Kind = Kind(binary.BigEndian.Uint16(key))
	in := kbin.Reader{Src: key[2:]}
	if group = in.String(); r.Kind.named() {
		r.Name = in.String()
	}
	if err := in.Complete(); err != nil {
		return "", r, fmt.Errorf("key of kind %d: %w", r.Kind, err)
	}
	if value == nil {
		return group, r, nil
	}
	if r.Value, err = readValue(r.Kind, value); err != nil {
		return "", r, fmt.Errorf("record of kind %d of group %q: %w", r.Kind, group, err)
	}
	return group, r, nil
}

func readValue(kind Kind, value []byte) (any, error) {
	in := &reader{kbin.Reader{Src: value}}
	if version := in.Int16(); version != 0 {
		return nil, fmt.Errorf("version %d of its value is not known", version)
	}
	var v any
	switch kind {
	case GroupEpoch:
		e := &Epoch{Epoch: in.Int32()}
		in.tags(func(in *reader) { e.Hash = in.Int64() })
		v = e
	case OldTopics:
		return true, nil // that there is one: nobody reads more of it
	case MemberMetadata:
		v = in.metadata()
	case TargetEpoch, ShareTargetEpoch:
		t := &Target{Epoch: in.Int32()}
		in.tags(func(in *reader) { t.TimestampMilli = in.Int64() })
		v = t
	case TargetOfMember, ShareTargetOfMember:
		v = slices.Compact(sortedPartitions(PartitionsOf(in.topics())))
		in.tags(nil)
	case CurrentOfMember:
		c := &Current{Epoch: in.Int32(), Previous: in.Int32(), State: MemberState(in.Int8()), Assigned: in.topics(), Revoking: in.topics()}
		in.tags(nil)
		if c.State < Stable || c.State > Unreleased {
			return nil, fmt.Errorf("member state %d is not known", c.State)
		}
		v = c
	case ShareGroupEpoch:
		v = &Epoch{Epoch: in.Int32(), Hash: in.Int64()}
		in.tags(nil)
	case ShareMemberMetadata:
		v = &Metadata{RackID: in.nullable(), ClientID: in.CompactString(), ClientHost: in.CompactString(), Topics: distinct(in.strings())}
		in.tags(nil)
	case ShareCurrentOfMember:
		c := &Current{Epoch: in.Int32(), Previous: in.Int32(), State: MemberState(in.Int8()), Assigned: in.topics()}
		in.tags(nil)
		if c.State != Stable {
			return nil, fmt.Errorf("state %d is none of a member of a share group", c.State)
		}
		v = c
	case ShareState:
		v = in.sharing()
	case RegularExpression:
		e := &Resolved{Topics: distinct(in.strings()), Version: in.Int64(), TimestampMilli: in.Int64()}
		in.tags(nil)
		v = e
	default:
		return nil, errors.New("the kind is not known")
	}
	return v, in.Complete()
}

func sortedPartitions(list []Partition) []Partition {
	slices.SortFunc(list, Partition.Compare)
	return list
}

// distinct sorts a list and takes doubles out.
func distinct(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// reader reads values. What does not add up makes it fail, and never costs more
// than the bytes there are.
type reader struct{ kbin.Reader }

func (in *reader) fail() {
	in.Src = nil
	in.Int8()
}

// length is that of a list whose entries take at least so many bytes.
func (in *reader) length(each int) int {
	n := int(in.CompactArrayLen())
	if n > len(in.Src)/each {
		in.fail()
		return 0
	}
	return max(n, 0)
}

func (in *reader) strings() []string {
	list := make([]string, in.length(1))
	for i := range list {
		list[i] = in.CompactString()
	}
	return list
}

func (in *reader) nullable() string {
	if s := in.CompactNullableString(); s != nil {
		return *s
	}
	return ""
}

// tags reads tagged fields, of which only the one with number 0 is known.
func (in *reader) tags(zero func(in *reader)) {
	for n := in.Uvarint(); n > 0 && in.Ok(); n-- {
		number, size := in.Uvarint(), in.Uvarint()
		field := &reader{kbin.Reader{Src: in.Span(int(size))}}
		if number == 0 && zero != nil && in.Ok() {
			if zero(field); !field.Ok() {
				in.fail()
			}
		}
	}
}

func (in *reader) topics() []Owned {
	var list []Owned
	for n := in.length(18); n > 0 && in.Ok(); n-- {
		topic := in.Uuid()
		numbers := in.ints()
		var epochs []int32 // none as of Kafka 4.2 and before
		in.tags(func(in *reader) { epochs = in.ints() })
		for i, number := range numbers {
			o := Owned{Partition: Partition{topic, number}}
			if i < len(epochs) {
				o.Since = epochs[i]
			}
			list = append(list, o)
		}
	}
	sortOwned(list)
	return slices.CompactFunc(list, func(a, b Owned) bool { return a.Partition == b.Partition })
}

func (in *reader) ints() []int32 {
	list := make([]int32, in.length(4))
	for i := range list {
		list[i] = in.Int32()
	}
	return list
}

func (in *reader) metadata() *Metadata {
	m := &Metadata{
		InstanceID: in.nullable(), RackID: in.nullable(), ClientID: in.CompactString(), ClientHost: in.CompactString(),
		Topics: distinct(in.strings()), Expression: in.nullable(), RebalanceTimeoutMillis: in.Int32(), Assignor: in.nullable(),
	}
	in.tags(func(in *reader) {
		if in.Int8() < 0 {
			return // null
		}
		c := &Classic{SessionTimeoutMillis: in.Int32()}
		for n := in.length(2); n > 0 && in.Ok(); n-- {
			c.Protocols = append(c.Protocols, Protocol{Name: in.CompactString(), Metadata: slices.Clone(in.CompactBytes())})
			in.tags(nil)
		}
		in.tags(nil)
		m.Classic = c
	})
	return m
}
