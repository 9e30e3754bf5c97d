package metadata

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
)

// This file writes records as Kafka does, so that its tools read the metadata
// log: a frame version, the kind and its version as unsigned varints, and then
// the message in the flexible encoding (the definitions are those of Kafka's
// metadata module; the generated codec in use has none of them). What Kafka's
// records have no field for travels in tagged fields, which its readers skip.
const frameVersion = 1

// The kinds of records (Kafka's MetadataRecordType).
const (
	kindRegisterBroker   = 0
	kindUnregisterBroker = 1
	kindTopic            = 2
	kindPartition        = 3
	kindConfig           = 4
	kindRemoveTopic      = 9
	kindFeatureLevel     = 12
	kindProducerIDs      = 15
	kindBrokerState      = 17
)

// Numbers of the tagged fields that Kafka does not have.
const (
	tagMinISR    = 1000
	tagClusterID = 1001
	tagContinues = 1002
)

// clusterIDFeature is the feature in whose record the cluster's id travels: the
// metadata version that the records are of, at the level of Kafka 4.0 (4.0-IV3).
const (
	clusterIDFeature = "metadata.version"
	metadataLevel    = 25
)

type tag struct {
	number uint32
	value  []byte
}

func appendTags(dst []byte, tags ...tag) []byte {
	dst = kbin.AppendUvarint(dst, uint32(len(tags)))
	for _, t := range tags {
		dst = kbin.AppendUvarint(dst, t.number)
		dst = kbin.AppendUvarint(dst, uint32(len(t.value)))
		dst = append(dst, t.value...)
	}
	return dst
}

func appendInts(dst []byte, list []int32) []byte {
	dst = kbin.AppendUvarint(dst, uint32(len(list)+1))
	for _, v := range list {
		dst = kbin.AppendInt32(dst, v)
	}
	return dst
}

func appendIDs(dst []byte, list []DirectoryID) []byte {
	dst = kbin.AppendUvarint(dst, uint32(len(list)+1))
	for _, id := range list {
		dst = append(dst, id[:]...)
	}
	return dst
}

func frame(kind, version uint32) []byte {
	dst := kbin.AppendUvarint(make([]byte, 0, 128), frameVersion)
	return kbin.AppendUvarint(kbin.AppendUvarint(dst, kind), version)
}

// EncodeRecord gives the record's bytes. Equal records give equal bytes.
func EncodeRecord(r Record) []byte {
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		dst := kbin.AppendInt32(frame(kindRegisterBroker, 3), r.BrokerID)
		dst = kbin.AppendBool(dst, false) // is no broker of ZooKeeper's
		dst = append(dst, r.Incarnation[:]...)
		dst = kbin.AppendInt64(dst, r.BrokerEpoch)
		dst = kbin.AppendCompactArrayLen(dst, 1)
		dst = kbin.AppendCompactString(dst, "PLAINTEXT")
		dst = kbin.AppendCompactString(dst, r.Host)
		dst = kbin.AppendUint16(dst, uint16(r.Port))
		dst = kbin.AppendInt16(dst, 0)
		dst = appendTags(dst)
		dst = kbin.AppendCompactArrayLen(dst, 0)
		var rack *string
		if r.Rack != "" {
			rack = &r.Rack
		}
		dst = kbin.AppendCompactNullableString(dst, rack)
		dst = kbin.AppendBool(dst, r.Fenced)
		dst = kbin.AppendBool(dst, r.InControlledShutdown)
		var tags []tag
		if len(r.Directories) > 0 {
			tags = append(tags, tag{0, appendIDs(nil, r.Directories)})
		}
		if r.Continues > 0 {
			tags = append(tags, tag{tagContinues, kbin.AppendInt64(nil, r.Continues)})
		}
		return appendTags(dst, tags...)
	case *BrokerStateRecord:
		version := uint32(1)
		if r.Directories != nil {
			version = 2
		}
		dst := kbin.AppendInt64(kbin.AppendInt32(frame(kindBrokerState, version), r.BrokerID), r.BrokerEpoch)
		fenced, tags := byte(0xff), []tag(nil) // -1 says unfenced, 1 fenced
		if r.Fenced {
			fenced = 1
		}
		tags = append(tags, tag{0, []byte{fenced}})
		if r.InControlledShutdown {
			tags = append(tags, tag{1, []byte{1}})
		}
		if r.Directories != nil {
			tags = append(tags, tag{2, appendIDs(nil, r.Directories)})
		}
		return appendTags(dst, tags...)
	case *UnregisterBrokerRecord:
		return appendTags(kbin.AppendInt64(kbin.AppendInt32(frame(kindUnregisterBroker, 0), r.BrokerID), r.BrokerEpoch))
	case *TopicRecord:
		return appendTags(append(kbin.AppendCompactString(frame(kindTopic, 0), r.Name), r.ID[:]...))
	case *RemoveTopicRecord:
		return appendTags(append(frame(kindRemoveTopic, 0), r.ID[:]...))
	case *PartitionRecord:
		return encodePartition(r)
	case *ConfigRecord:
		dst := append(frame(kindConfig, 0), byte(r.ResourceType))
		dst = kbin.AppendCompactString(kbin.AppendCompactString(dst, r.ResourceName), r.Name)
		return appendTags(kbin.AppendCompactNullableString(dst, r.Value))
	case *ProducerIDsRecord:
		dst := kbin.AppendInt64(kbin.AppendInt32(frame(kindProducerIDs, 0), r.BrokerID), r.BrokerEpoch)
		return appendTags(kbin.AppendInt64(dst, r.NextProducerID))
	case *ClusterIDRecord:
		dst := kbin.AppendInt16(kbin.AppendCompactString(frame(kindFeatureLevel, 0), clusterIDFeature), metadataLevel)
		return appendTags(dst, tag{tagClusterID, []byte(r.ClusterID)})
	case *FeatureLevelRecord:
		return appendTags(kbin.AppendInt16(kbin.AppendCompactString(frame(kindFeatureLevel, 0), r.Name), r.Level))
	}
	panic(fmt.Sprintf("metadata: a %T cannot be encoded", r)) // a new kind of record that is missing here
}

func encodePartition(r *PartitionRecord) []byte {
	dst := append(kbin.AppendInt32(frame(kindPartition, 2), r.Partition), r.TopicID[:]...)
	for _, list := range [][]int32{r.Replicas, r.ISR, r.RemovingReplicas, r.AddingReplicas} {
		dst = appendInts(dst, list)
	}
	dst = kbin.AppendInt32(kbin.AppendInt32(kbin.AppendInt32(dst, r.Leader), r.LeaderEpoch), r.PartitionEpoch)
	dst = appendIDs(dst, r.Directories)
	var tags []tag
	if r.Recovering {
		tags = append(tags, tag{0, []byte{1}})
	}
	if len(r.ELR) > 0 {
		tags = append(tags, tag{1, appendInts(nil, r.ELR)})
	}
	if len(r.LastKnownELR) > 0 {
		tags = append(tags, tag{2, appendInts(nil, r.LastKnownELR)})
	}
	if r.MinISR != 0 {
		tags = append(tags, tag{tagMinISR, kbin.AppendInt32(nil, r.MinISR)})
	}
	return appendTags(dst, tags...)
}

// DecodeRecord reads what EncodeRecord wrote. Tagged fields that are not known
// are ignored; another kind or version of a record is an error.
func DecodeRecord(b []byte) (Record, error) {
	in := reader{kbin.Reader{Src: b}}
	if v := in.Uvarint(); v != frameVersion {
		return nil, fmt.Errorf("metadata: record of %d bytes has frame version %d, not %d", len(b), v, frameVersion)
	}
	kind, version := in.Uvarint(), in.Uvarint()
	r, newest := in.record(kind, version)
	if r == nil || version > newest {
		return nil, fmt.Errorf("metadata: unknown record kind %d, version %d: the log was written by a newer version of Weir", kind, version)
	}
	if !in.Ok() || len(in.Src) != 0 {
		return nil, fmt.Errorf("metadata: a record of kind %d in %d bytes is damaged", kind, len(b))
	}
	return r, nil
}

// reader reads the parts of records.
type reader struct{ kbin.Reader }

func (in *reader) ints() []int32 {
	n := int(in.CompactArrayLen())
	if n <= 0 || n > len(in.Src)/4 {
		if n > 0 {
			in.Src = nil
			in.Int32() // which fails
		}
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = in.Int32()
	}
	return out
}

func (in *reader) ids() []DirectoryID {
	n := int(in.CompactArrayLen())
	if n <= 0 || n > len(in.Src)/16 {
		if n > 0 {
			in.Src = nil
			in.Int32() // which fails
		}
		return nil
	}
	out := make([]DirectoryID, n)
	for i := range out {
		out[i] = in.Uuid()
	}
	return out
}

// tags calls fn for each tagged field.
func (in *reader) tags(fn func(number uint32, value *reader)) {
	for n := in.Uvarint(); n > 0 && in.Ok(); n-- {
		number, size := in.Uvarint(), in.Uvarint()
		value := &reader{kbin.Reader{Src: in.Span(int(size))}}
		if fn != nil && in.Ok() {
			fn(number, value)
			if !value.Ok() {
				in.Src = nil
				in.Int32() // which fails
			}
		}
	}
}

// record reads a message, and says up to which version it could be.
func (in *reader) record(kind, version uint32) (r Record, newest uint32) {
	switch kind {
	case kindRegisterBroker:
		return in.registerBroker(version), 3
	case kindBrokerState:
		r := &BrokerStateRecord{BrokerID: in.Int32(), BrokerEpoch: in.Int64()}
		in.tags(func(number uint32, value *reader) {
			switch number {
			case 0:
				r.Fenced = value.Int8() == 1
			case 1:
				r.InControlledShutdown = value.Int8() == 1
			case 2:
				r.Directories = value.ids()
			}
		})
		return r, 2
	case kindUnregisterBroker:
		r := &UnregisterBrokerRecord{BrokerID: in.Int32(), BrokerEpoch: in.Int64()}
		in.tags(nil)
		return r, 0
	case kindTopic:
		r := &TopicRecord{Name: in.CompactString(), ID: in.Uuid()}
		in.tags(nil)
		return r, 0
	case kindRemoveTopic:
		r := &RemoveTopicRecord{ID: in.Uuid()}
		in.tags(nil)
		return r, 0
	case kindPartition:
		return in.partition(version), 2
	case kindConfig:
		r := &ConfigRecord{ResourceType: in.Int8(), ResourceName: in.CompactString(), Name: in.CompactString(), Value: in.CompactNullableString()}
		in.tags(nil)
		return r, 0
	case kindProducerIDs:
		r := &ProducerIDsRecord{BrokerID: in.Int32(), BrokerEpoch: in.Int64(), NextProducerID: in.Int64()}
		in.tags(nil)
		return r, 0
	case kindFeatureLevel:
		feature := &FeatureLevelRecord{Name: in.CompactString(), Level: in.Int16()}
		cluster := &ClusterIDRecord{}
		in.tags(func(number uint32, value *reader) {
			if number == tagClusterID {
				cluster.ClusterID = string(value.Src)
			}
		})
		if feature.Name == clusterIDFeature {
			return cluster, 0
		}
		return feature, 0
	}
	return nil, 0
}

func (in *reader) registerBroker(version uint32) *RegisterBrokerRecord {
	r := &RegisterBrokerRecord{BrokerID: in.Int32()}
	if version >= 2 {
		in.Bool()
	}
	r.Incarnation, r.BrokerEpoch = in.Uuid(), in.Int64()
	for n := in.CompactArrayLen(); n > 0 && in.Ok(); n-- {
		in.CompactString()
		r.Host, r.Port = in.CompactString(), int32(in.Uint16())
		in.Int16()
		in.tags(nil)
	}
	for n := in.CompactArrayLen(); n > 0 && in.Ok(); n-- {
		in.CompactString()
		in.Int16()
		in.Int16()
		in.tags(nil)
	}
	if rack := in.CompactNullableString(); rack != nil {
		r.Rack = *rack
	}
	r.Fenced = in.Bool()
	if version >= 1 {
		r.InControlledShutdown = in.Bool()
	}
	in.tags(func(number uint32, value *reader) {
		switch number {
		case 0:
			r.Directories = value.ids()
		case tagContinues:
			r.Continues = value.Int64()
		}
	})
	return r
}

func (in *reader) partition(version uint32) *PartitionRecord {
	r := &PartitionRecord{Partition: in.Int32(), TopicID: in.Uuid()}
	r.Replicas, r.ISR, r.RemovingReplicas, r.AddingReplicas = in.ints(), in.ints(), in.ints(), in.ints()
	if r.ISR == nil {
		r.ISR = []int32{}
	}
	r.Leader, r.LeaderEpoch, r.PartitionEpoch = in.Int32(), in.Int32(), in.Int32()
	if version >= 1 {
		r.Directories = in.ids()
	}
	in.tags(func(number uint32, value *reader) {
		switch number {
		case 0:
			r.Recovering = value.Int8() == 1
		case 1:
			r.ELR = value.ints()
		case 2:
			r.LastKnownELR = value.ints()
		case tagMinISR:
			r.MinISR = value.Int32()
		}
	})
	return r
}
