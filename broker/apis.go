package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// apis is everything this broker answers: by which kinds of listeners, and what
// a client needs leave for (the operation and resource of Kafka's ACLs; where a
// request touches several kinds of resource, the one it is about).
func (b *Broker) apis() *protocol.Table {
	const (
		brokers     = protocol.BrokerListener
		controllers = protocol.ControllerListener

		topic   = kmsg.ACLResourceTypeTopic
		group   = kmsg.ACLResourceTypeGroup
		cluster = kmsg.ACLResourceTypeCluster
		txn     = kmsg.ACLResourceTypeTransactionalId
	)
	table := protocol.NewTable(
		onListeners(brokers|controllers, apiVersionsAPI()),
		needs(kmsg.ACLOperationWrite, topic, onListeners(brokers, b.produceAPI())),
		needs(kmsg.ACLOperationRead, topic, onListeners(brokers|controllers, b.fetchAPI())),
		needs(kmsg.ACLOperationDescribe, topic, onListeners(brokers, b.listOffsetsAPI())),
		needs(kmsg.ACLOperationDescribe, topic, onListeners(brokers, large(b.metadataAPI()))),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.offsetCommitAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, b.offsetFetchAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, b.findCoordinatorAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.joinGroupAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.heartbeatAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.leaveGroupAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.syncGroupAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, large(b.describeGroupsAPI()))),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, large(b.listGroupsAPI()))),
		needs(kmsg.ACLOperationCreate, topic, onListeners(brokers|controllers, b.createTopicsAPI())),
		needs(kmsg.ACLOperationDelete, topic, onListeners(brokers|controllers, b.deleteTopicsAPI())),
		needs(kmsg.ACLOperationDelete, topic, onListeners(brokers, b.deleteRecordsAPI())),
		needs(kmsg.ACLOperationIdempotentWrite, cluster, onListeners(brokers, b.initProducerIDAPI())),
		needs(kmsg.ACLOperationDescribe, topic, onListeners(brokers, b.offsetForLeaderEpochAPI())),
		needs(kmsg.ACLOperationWrite, txn, onListeners(brokers, b.addPartitionsToTxnAPI())),
		needs(kmsg.ACLOperationWrite, txn, onListeners(brokers, b.addOffsetsToTxnAPI())),
		needs(kmsg.ACLOperationWrite, txn, onListeners(brokers, b.endTxnAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.writeTxnMarkersAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.txnOffsetCommitAPI())),
		needs(kmsg.ACLOperationDescribeConfigs, topic, onListeners(brokers|controllers, large(b.describeConfigsAPI()))),
		needs(kmsg.ACLOperationAlterConfigs, topic, onListeners(brokers|controllers, b.alterConfigsAPI())),
		needs(kmsg.ACLOperationAlter, cluster, onListeners(brokers, b.alterReplicaLogDirsAPI())),
		needs(kmsg.ACLOperationDescribe, cluster, onListeners(brokers, large(b.describeLogDirsAPI()))),
		needs(kmsg.ACLOperationAlter, topic, onListeners(brokers|controllers, b.createPartitionsAPI())),
		needs(kmsg.ACLOperationDelete, group, onListeners(brokers, b.deleteGroupsAPI())),
		needs(kmsg.ACLOperationDelete, group, onListeners(brokers, b.offsetDeleteAPI())),
		needs(kmsg.ACLOperationAlter, cluster, onListeners(brokers|controllers, b.electLeadersAPI())),
		needs(kmsg.ACLOperationAlterConfigs, topic, onListeners(brokers|controllers, b.incrementalAlterConfigsAPI())),
		needs(kmsg.ACLOperationAlter, cluster, onListeners(brokers|controllers, b.alterPartitionReassignmentsAPI())),
		needs(kmsg.ACLOperationDescribe, cluster, onListeners(brokers|controllers, large(b.listPartitionReassignmentsAPI()))),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.voteAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.beginQuorumEpochAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.endQuorumEpochAPI())),
		needs(kmsg.ACLOperationDescribe, cluster, onListeners(brokers|controllers, b.describeQuorumAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.alterPartitionAPI())),
		needs(kmsg.ACLOperationAlter, cluster, onListeners(brokers|controllers, b.updateFeaturesAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.envelopeAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.fetchSnapshotAPI())),
		needs(kmsg.ACLOperationDescribe, cluster, onListeners(brokers|controllers, large(b.describeClusterAPI()))),
		needs(kmsg.ACLOperationRead, topic, onListeners(brokers, large(b.describeProducersAPI()))),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.brokerRegistrationAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.brokerHeartbeatAPI())),
		needs(kmsg.ACLOperationAlter, cluster, onListeners(brokers|controllers, b.unregisterBrokerAPI())),
		needs(kmsg.ACLOperationDescribe, txn, onListeners(brokers, large(b.describeTransactionsAPI()))),
		needs(kmsg.ACLOperationDescribe, txn, onListeners(brokers, large(b.listTransactionsAPI()))),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.allocateProducerIDsAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.consumerGroupHeartbeatAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, large(b.consumerGroupDescribeAPI()))),
		needs(kmsg.ACLOperationDescribeConfigs, cluster, onListeners(brokers, large(b.listConfigResourcesAPI()))),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(controllers, b.assignReplicasToDirsAPI())),
		needs(kmsg.ACLOperationDescribe, topic, onListeners(brokers, b.describeTopicPartitionsAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.shareGroupHeartbeatAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, large(b.shareGroupDescribeAPI()))),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.shareFetchAPI())),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.shareAcknowledgeAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.initializeShareGroupStateAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.readShareGroupStateAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.writeShareGroupStateAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.deleteShareGroupStateAPI())),
		needs(kmsg.ACLOperationClusterAction, cluster, onListeners(brokers, b.readShareGroupStateSummaryAPI())),
		needs(kmsg.ACLOperationDescribe, group, onListeners(brokers, large(b.describeShareGroupOffsetsAPI()))),
		needs(kmsg.ACLOperationRead, group, onListeners(brokers, b.alterShareGroupOffsetsAPI())),
		needs(kmsg.ACLOperationDelete, group, onListeners(brokers, b.deleteShareGroupOffsetsAPI())),
	)
	table.SetFeatures(b.features)
	return table
}

// What requests need leave for beside what their API is about.
var (
	toWriteTopic              = protocol.Access{Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic}
	toReadTopic               = protocol.Access{Operation: kmsg.ACLOperationRead, Resource: kmsg.ACLResourceTypeTopic}
	toDescribeTopic           = protocol.Access{Operation: kmsg.ACLOperationDescribe, Resource: kmsg.ACLResourceTypeTopic}
	toReadGroup               = protocol.Access{Operation: kmsg.ACLOperationRead, Resource: kmsg.ACLResourceTypeGroup}
	toWriteTransactionalID    = protocol.Access{Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTransactionalId}
	toDescribeTransactionalID = protocol.Access{Operation: kmsg.ACLOperationDescribe, Resource: kmsg.ACLResourceTypeTransactionalId}
	toActOnCluster            = protocol.Access{Operation: kmsg.ACLOperationClusterAction, Resource: kmsg.ACLResourceTypeCluster}
)

// onListeners says which kinds of listeners serve an API.
func onListeners(kinds protocol.ListenerKinds, a protocol.API) protocol.API {
	a.Listeners = kinds
	return a
}

// large says that answers grow with the cluster.
func large(a protocol.API) protocol.API {
	a.LargeAnswers = true
	return a
}

// needs says what a request of an API needs leave for.
func needs(op kmsg.ACLOperation, resource kmsg.ACLResourceType, a protocol.API) protocol.API {
	a.Access = protocol.Access{Operation: op, Resource: resource}
	return a
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
