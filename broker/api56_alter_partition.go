package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// alterPartitionAPI is AlterPartition (key 56): a partition's leader asks the
// controller to change the in-sync replicas (KIP-497).
//
//	v2 topic ids
//	v3 in-sync replicas with their broker epochs (KIP-903)
func (b *Broker) alterPartitionAPI() protocol.API {
	return answeredHere[*kmsg.AlterPartitionRequest](b, 2, 3)
}
