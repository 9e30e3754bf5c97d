package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// listPartitionReassignmentsAPI is ListPartitionReassignments (key 46): which
// partitions are being given other replicas (KIP-455). Passed on to the controller.
func (b *Broker) listPartitionReassignmentsAPI() protocol.API {
	return forwarded[*kmsg.ListPartitionReassignmentsRequest](b, 0, 0)
}
