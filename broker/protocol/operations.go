package protocol

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// NoOperations stands for authorized operations that nobody asked for.
const NoOperations int32 = math.MinInt32

// operations that resources of a type know (Kafka's AclEntry.supportedOperations).
func operations(resource kmsg.ACLResourceType) []kmsg.ACLOperation {
	switch resource {
	case kmsg.ACLResourceTypeTopic:
		return []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete,
			kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs}
	case kmsg.ACLResourceTypeGroup:
		return []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
			kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs}
	case kmsg.ACLResourceTypeCluster:
		return []kmsg.ACLOperation{kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
			kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite}
	}
	return nil
}

// AuthorizedOperations is what the session may do to a resource, as a set of
// bits by the number of the operation (KIP-430).
func (c *Call) AuthorizedOperations(resource kmsg.ACLResourceType, name string) int32 {
	var set int32
	for _, op := range operations(resource) {
		if c.authorizer.Authorize(c.Session, Access{op, resource}, name) {
			set |= 1 << op
		}
	}
	return set
}
