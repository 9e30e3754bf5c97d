package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// alterPartitionReassignmentsAPI is AlterPartitionReassignments (key 45): give
// partitions other replicas, or cancel that (KIP-455). Passed on to the controller.
//
//	v1 the replication factor may have to stay (KIP-860)
func (b *Broker) alterPartitionReassignmentsAPI() protocol.API {
	return forwarded[*kmsg.AlterPartitionAssignmentsRequest](b, 0, 1)
}
