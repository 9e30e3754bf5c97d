package metadata

import (
	"encoding/json"
	"fmt"
)

// Record is one entry of the metadata log: one of the *…Record types here.
type Record interface{ recordType() string }

// RegisterBrokerRecord registers a broker or registers it anew. Its offset in
// the log becomes the broker's epoch, unless it names another. A new registration starts fenced.
type RegisterBrokerRecord struct {
	BrokerID    int32       `json:"brokerId"`
	Incarnation Incarnation `json:"incarnation"`
	Host        string      `json:"host"`
	Port        int32       `json:"port"`
	Rack        string      `json:"rack,omitempty"`
	Fenced      bool        `json:"fenced"`
	// InControlledShutdown and a BrokerEpoch other than the record's own offset
	// are those of a registration that a snapshot repeats.
	InControlledShutdown bool          `json:"inControlledShutdown,omitempty"`
	BrokerEpoch          int64         `json:"brokerEpoch,omitempty"`
	Directories          []DirectoryID `json:"logDirs,omitempty"`
}

// BrokerStateRecord changes whether a broker is fenced or shutting down. It
// applies only to the registration whose epoch it names.
type BrokerStateRecord struct {
	BrokerID             int32 `json:"brokerId"`
	BrokerEpoch          int64 `json:"brokerEpoch"`
	Fenced               bool  `json:"fenced"`
	InControlledShutdown bool  `json:"inControlledShutdown"`
}

// UnregisterBrokerRecord forgets the registration whose epoch it names.
type UnregisterBrokerRecord struct {
	BrokerID    int32 `json:"brokerId"`
	BrokerEpoch int64 `json:"brokerEpoch"`
}

// TopicRecord creates a topic, without partitions.
type TopicRecord struct {
	Name string  `json:"name"`
	ID   TopicID `json:"id"`
}

// RemoveTopicRecord deletes a topic with its partitions and configuration.
type RemoveTopicRecord struct {
	ID TopicID `json:"id"`
}

// PartitionRecord states everything about one partition, new or changed.
type PartitionRecord struct {
	TopicID        TopicID `json:"topicId"`
	Partition      int32   `json:"partition"`
	Replicas       []int32 `json:"replicas"`
	ISR            []int32 `json:"isr"`
	ELR            []int32 `json:"elr,omitempty"`
	LastKnownELR   []int32 `json:"lastKnownElr,omitempty"`
	Leader         int32   `json:"leader"`
	LeaderEpoch    int32   `json:"leaderEpoch"`
	PartitionEpoch int32   `json:"partitionEpoch"`
	Recovering     bool    `json:"recovering,omitempty"`
	MinISR         int32   `json:"minIsr,omitempty"`

	AddingReplicas   []int32       `json:"addingReplicas,omitempty"`
	RemovingReplicas []int32       `json:"removingReplicas,omitempty"`
	Directories      []DirectoryID `json:"directories,omitempty"`
}

// Resource types of ConfigRecord, with the numbers of the Kafka protocol.
const (
	ResourceTopic  int8 = 2
	ResourceBroker int8 = 4
)

// ConfigRecord sets one configuration value, or removes it if Value is nil.
// A broker resource with an empty name is the cluster-wide default.
type ConfigRecord struct {
	ResourceType int8    `json:"resourceType"`
	ResourceName string  `json:"resourceName"`
	Name         string  `json:"name"`
	Value        *string `json:"value"`
}

// ProducerIDsRecord says that all producer ids below NextProducerID have been
// handed out.
type ProducerIDsRecord struct {
	BrokerID       int32 `json:"brokerId"`
	BrokerEpoch    int64 `json:"brokerEpoch"`
	NextProducerID int64 `json:"nextProducerId"`
}

// ClusterIDRecord names the cluster. The first controller writes it, once.
type ClusterIDRecord struct {
	ClusterID string `json:"clusterId"`
}

func (*ClusterIDRecord) recordType() string        { return "clusterId" }
func (*RegisterBrokerRecord) recordType() string   { return "registerBroker" }
func (*BrokerStateRecord) recordType() string      { return "brokerState" }
func (*UnregisterBrokerRecord) recordType() string { return "unregisterBroker" }
func (*TopicRecord) recordType() string            { return "topic" }
func (*RemoveTopicRecord) recordType() string      { return "removeTopic" }
func (*PartitionRecord) recordType() string        { return "partition" }
func (*ConfigRecord) recordType() string           { return "config" }
func (*ProducerIDsRecord) recordType() string      { return "producerIds" }

func newRecord(recordType string) Record {
	switch recordType {
	case "clusterId":
		return &ClusterIDRecord{}
	case "registerBroker":
		return &RegisterBrokerRecord{}
	case "brokerState":
		return &BrokerStateRecord{}
	case "unregisterBroker":
		return &UnregisterBrokerRecord{}
	case "topic":
		return &TopicRecord{}
	case "removeTopic":
		return &RemoveTopicRecord{}
	case "partition":
		return &PartitionRecord{}
	case "config":
		return &ConfigRecord{}
	case "producerIds":
		return &ProducerIDsRecord{}
	}
	return nil
}

// EncodeRecord gives the record's bytes: a JSON object whose first member is
// "type". Equal records give equal bytes.
func EncodeRecord(r Record) []byte {
	body, err := json.Marshal(r)
	if err != nil {
		// Records hold only integers, booleans, strings and lists of them.
		panic(fmt.Sprintf("metadata: encoding a %s record: %v", r.recordType(), err))
	}
	out := append([]byte(`{"type":"`), r.recordType()...)
	out = append(out, '"')
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...)
}

// DecodeRecord reads what EncodeRecord wrote. Unknown members are ignored, an
// unknown type is an error.
func DecodeRecord(b []byte) (Record, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("metadata: record is not a JSON object: %w", err)
	}
	r := newRecord(head.Type)
	if r == nil {
		return nil, fmt.Errorf("metadata: unknown record type %q: the log was written by a newer version of Weir", head.Type)
	}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("metadata: %s record: %w", head.Type, err)
	}
	return r, nil
}
