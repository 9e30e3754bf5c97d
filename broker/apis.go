package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// apis is everything this broker answers.
func (b *Broker) apis() *protocol.Table {
	return protocol.NewTable(
		b.produceAPI(),
		b.fetchAPI(),
		b.listOffsetsAPI(),
		b.metadataAPI(),
		b.offsetCommitAPI(),
		b.offsetFetchAPI(),
		b.findCoordinatorAPI(),
		b.joinGroupAPI(),
		b.heartbeatAPI(),
		b.leaveGroupAPI(),
		b.syncGroupAPI(),
		b.describeGroupsAPI(),
		b.listGroupsAPI(),
		apiVersionsAPI(),
		b.createTopicsAPI(),
		b.deleteTopicsAPI(),
		b.deleteRecordsAPI(),
		b.initProducerIDAPI(),
		b.offsetForLeaderEpochAPI(),
		b.describeConfigsAPI(),
		b.createPartitionsAPI(),
		b.deleteGroupsAPI(),
		b.electLeadersAPI(),
		b.incrementalAlterConfigsAPI(),
		b.voteAPI(),
		b.beginQuorumEpochAPI(),
		b.endQuorumEpochAPI(),
		b.describeQuorumAPI(),
		b.alterPartitionAPI(),
		b.describeClusterAPI(),
		b.brokerRegistrationAPI(),
		b.brokerHeartbeatAPI(),
		b.unregisterBrokerAPI(),
		b.allocateProducerIDsAPI(),
	)
}

// api ties a handler to its request type and the versions it speaks.
func api[R kmsg.Request](minVersion, maxVersion int16, handle func(call *protocol.Call, req R) kmsg.Response) protocol.API {
	var kind R
	return protocol.API{
		Key:        kind.Key(),
		MinVersion: minVersion,
		MaxVersion: maxVersion,
		Handle:     func(call *protocol.Call) kmsg.Response { return handle(call, call.Request.(R)) },
	}
}

// topicName resolves the topic that a request names by id in newer versions
// and by name in older ones. It is empty for an unknown id.
func topicName(image *metadata.Image, name string, id metadata.TopicID) string {
	if name != "" || id == (metadata.TopicID{}) {
		return name
	}
	if t := image.TopicByID(id); t != nil {
		return t.Name
	}
	return ""
}
