package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// createPartitionsAPI is CreatePartitions (key 37): add partitions to topics
// (KIP-195), passed on to the controller.
//
//	v2 flexible
//	v3 no change of format
func (b *Broker) createPartitionsAPI() protocol.API {
	return forwarded[*kmsg.CreatePartitionsRequest](b, 0, 3)
}
