package group

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/planted"
)

// Versions of the keys in __consumer_offsets, which tell the kinds of record
// apart, and of the values written.
const (
	offsetKeyOldVersion  = 0
	offsetKeyVersion     = 1
	groupKeyVersion      = 2
	offsetValueVersion   = 3
	groupValueVersion    = 3
	barrierGroup         = "" // no client can use it as a group's name
	barrierPartitionless = -1
)

func offsetKey(group string, tp TopicPartition) []byte {
	k := kmsg.NewOffsetCommitKey()
	k.Version, k.Group, k.Topic, k.Partition = offsetKeyVersion, group, tp.Topic, tp.Partition
	return k.AppendTo(nil)
}

func offsetRecord(group string, tp TopicPartition, o Offset, wallMillis int64) storage.Record {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	v.Offset, v.LeaderEpoch, v.Metadata, v.CommitTimestamp = o.Offset, o.LeaderEpoch, o.Metadata, o.CommitTimestamp
	return storage.Record{TimestampMillis: wallMillis, Key: offsetKey(group, tp), Value: v.AppendTo(nil)}
}

// barrierRecord is a record that means nothing: committing it proves that the
// coordinator still leads.
func barrierRecord(wallMillis int64) storage.Record {
	return storage.Record{
		TimestampMillis: wallMillis,
		Key:             offsetKey(barrierGroup, TopicPartition{Partition: barrierPartitionless}),
	}
}

func groupKey(group string) []byte {
	k := kmsg.NewGroupMetadataKey()
	k.Version, k.Group = groupKeyVersion, group
	return k.AppendTo(nil)
}

func groupRecord(group string, v *kmsg.GroupMetadataValue, wallMillis int64) storage.Record {
	v.CurrentStateTimestamp = wallMillis
	return storage.Record{TimestampMillis: wallMillis, Key: groupKey(group), Value: v.AppendTo(nil)}
}

// value is the group as the next coordinator is to find it.
func (g *Group) value() *kmsg.GroupMetadataValue {
	v := new(kmsg.GroupMetadataValue)
	v.Default()
	v.Version = groupValueVersion
	v.ProtocolType, v.Generation = g.ProtocolType, g.Generation
	if g.Protocol != "" {
		v.Protocol = kmsg.StringPtr(g.Protocol)
	}
	if g.Leader != "" {
		v.Leader = kmsg.StringPtr(g.Leader)
	}
	for _, id := range g.memberIDs() {
		m := g.Members[id]
		out := kmsg.NewGroupMetadataValueMember()
		out.MemberID, out.ClientID, out.ClientHost = m.ID, m.ClientID, m.ClientHost
		if m.InstanceID != "" {
			out.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		out.RebalanceTimeoutMillis = int32(m.RebalanceTimeout / time.Millisecond)
		out.SessionTimeoutMillis = int32(m.SessionTimeout / time.Millisecond)
		out.Subscription = m.metadata(g.Protocol)
		out.Assignment = m.Assignment
		v.Members = append(v.Members, out)
	}
	return v
}

// restore makes the group what a group record says. Sessions are left to begin
// once the log has been read.
func (g *Group) restore(v *kmsg.GroupMetadataValue) {
	offsets, unstable := g.Offsets, g.unstable
	*g = *New(g.ID, g.cfg)
	g.Offsets, g.unstable, g.durable = offsets, unstable, v
	g.ProtocolType, g.Generation = v.ProtocolType, v.Generation
	if v.Protocol != nil {
		g.Protocol = *v.Protocol
	}
	if v.Leader != nil {
		g.Leader = *v.Leader
	}
	for i := range v.Members {
		in := &v.Members[i]
		m := &Member{
			ID: in.MemberID, ClientID: in.ClientID, ClientHost: in.ClientHost,
			SessionTimeout:   time.Duration(in.SessionTimeoutMillis) * time.Millisecond,
			RebalanceTimeout: time.Duration(in.RebalanceTimeoutMillis) * time.Millisecond,
			Protocols:        []Protocol{{Name: g.Protocol, Metadata: in.Subscription}},
			Assignment:       in.Assignment,
		}
		if in.InstanceID != nil {
			m.InstanceID = *in.InstanceID
			g.instances[m.InstanceID] = m.ID
		}
		g.Members[m.ID] = m
	}
	if len(g.Members) > 0 {
		g.State = Stable
	} else {
		g.emptySince = max(v.CurrentStateTimestamp, 1)
	}
}

// Replay takes one record of the log. Records of kinds that are not known are
// left alone, as other coordinators may write them.
func (m *machine) Replay(rec storage.Record, by coordinator.Producer) error {
	if len(rec.Key) < 2 {
		return fmt.Errorf("a key of %d bytes says no version", len(rec.Key))
	}
	version := int16(binary.BigEndian.Uint16(rec.Key))
	if consumer.Known(version) {
		return m.replayConsumers(rec)
	}
	switch version {
	case offsetKeyOldVersion, offsetKeyVersion:
		return m.replayOffset(rec, by)
	case groupKeyVersion:
		return m.replayGroup(rec)
	}
	return nil
}

func (m *machine) replayOffset(rec storage.Record, by coordinator.Producer) error {
	// What is decoded lies in the log's bytes: what is kept of it is copied first.
	var k kmsg.OffsetCommitKey
	if err := k.UnsafeReadFrom(rec.Key); err != nil {
		return fmt.Errorf("key of an offset commit: %w", err)
	}
	if k.Group == barrierGroup {
		return nil
	}
	k.Group = m.names.keep(k.Group)
	tp := TopicPartition{m.names.keep(k.Topic), k.Partition}
	if rec.Value == nil {
		m.unpend(place{k.Group, tp})
		if g := m.groups[k.Group]; g != nil {
			delete(g.Offsets, tp)
		}
		return nil
	}
	var v kmsg.OffsetCommitValue
	if err := v.UnsafeReadFrom(rec.Value); err != nil {
		return fmt.Errorf("offset commit of group %q for %s-%d: %w", k.Group, k.Topic, k.Partition, err)
	}
	epoch := v.LeaderEpoch
	if v.Version < 3 {
		epoch = -1
	}
	g := m.group(k.Group)
	if old, ok := g.Offsets[tp]; ok && old.Offset != v.Offset && planted.Is("replay-keeps-first") {
		return nil
	}
	o := Offset{Offset: v.Offset, LeaderEpoch: epoch, Metadata: strings.Clone(v.Metadata), CommitTimestamp: v.CommitTimestamp, recorded: rec.Offset}
	if by.Transactional {
		m.pend(by.ID, place{k.Group, tp}, o)
		return nil
	}
	g.Offsets[tp] = o
	return nil
}

// names has each name that a log repeats once, while the log is read.
type names map[string]string

// keep returns a copy of a name: the same as for the name before.
func (n names) keep(name string) string {
	if kept, ok := n[name]; ok {
		return kept
	}
	name = strings.Clone(name)
	if n != nil {
		n[name] = name
	}
	return name
}

func (m *machine) replayGroup(rec storage.Record) error {
	var k kmsg.GroupMetadataKey
	if err := k.ReadFrom(rec.Key); err != nil {
		return fmt.Errorf("key of a group: %w", err)
	}
	g := m.group(k.Group)
	if rec.Value == nil {
		g.become(g.consumer)
		return nil
	}
	var v kmsg.GroupMetadataValue
	if err := v.ReadFrom(rec.Value); err != nil {
		return fmt.Errorf("group %q: %w", k.Group, err)
	}
	g.restore(&v)
	g.recorded = rec.Offset + 1
	return nil
}
