package metadata

// Record is one entry of the metadata log: one of the *…Record types here.
type Record interface{ record() }

// RegisterBrokerRecord registers a broker or registers it anew. Its offset in
// the log becomes the broker's epoch, unless it names another. A new registration starts fenced.
type RegisterBrokerRecord struct {
	BrokerID    int32
	Incarnation Incarnation
	Host        string
	Port        int32
	Rack        string
	Fenced      bool
	// InControlledShutdown and a BrokerEpoch other than the record's own offset
	// are those of a registration that a snapshot repeats.
	InControlledShutdown bool
	BrokerEpoch          int64
	Directories          []DirectoryID
	Continues            int64 // see Broker
}

// BrokerStateRecord changes whether a broker is fenced or shutting down, and which
// of its directories are online. It
// applies only to the registration whose epoch it names.
type BrokerStateRecord struct {
	BrokerID             int32
	BrokerEpoch          int64
	Fenced               bool
	InControlledShutdown bool
	Directories          []DirectoryID // the directories that are online now; nil for no change
}

// UnregisterBrokerRecord forgets the registration whose epoch it names.
type UnregisterBrokerRecord struct {
	BrokerID    int32
	BrokerEpoch int64
}

// TopicRecord creates a topic, without partitions.
type TopicRecord struct {
	Name string
	ID   TopicID
}

// RemoveTopicRecord deletes a topic with its partitions and configuration.
type RemoveTopicRecord struct {
	ID TopicID
}

// PartitionRecord states everything about one partition, new or changed.
type PartitionRecord struct {
	TopicID        TopicID
	Partition      int32
	Replicas       []int32
	ISR            []int32
	ELR            []int32
	LastKnownELR   []int32
	Leader         int32
	LeaderEpoch    int32
	PartitionEpoch int32
	Recovering     bool
	MinISR         int32

	AddingReplicas   []int32
	RemovingReplicas []int32
	Directories      []DirectoryID
}

// Resource types of ConfigRecord, with the numbers of the Kafka protocol.
const (
	ResourceTopic  int8 = 2
	ResourceBroker int8 = 4
	ResourceGroup  int8 = 32
)

// ConfigRecord sets one configuration value, or removes it if Value is nil.
// A broker resource with an empty name is the cluster-wide default.
type ConfigRecord struct {
	ResourceType int8
	ResourceName string
	Name         string
	Value        *string
}

// ProducerIDsRecord says that all producer ids below NextProducerID have been
// handed out.
type ProducerIDsRecord struct {
	BrokerID       int32
	BrokerEpoch    int64
	NextProducerID int64
}

// ClusterIDRecord names the cluster. The first controller writes it, once.
type ClusterIDRecord struct {
	ClusterID string
}

// FeatureLevelRecord puts a version of a feature in force; 0 is none.
type FeatureLevelRecord struct {
	Name  string
	Level int16
}

func (*FeatureLevelRecord) record()     {}
func (*ClusterIDRecord) record()        {}
func (*RegisterBrokerRecord) record()   {}
func (*BrokerStateRecord) record()      {}
func (*UnregisterBrokerRecord) record() {}
func (*TopicRecord) record()            {}
func (*RemoveTopicRecord) record()      {}
func (*PartitionRecord) record()        {}
func (*ConfigRecord) record()           {}
func (*ProducerIDsRecord) record()      {}
