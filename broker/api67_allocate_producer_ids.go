package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// allocateProducerIDsAPI is AllocateProducerIds (key 67): a broker asks for
// a block of producer ids (KIP-730).
//
//	v0 first
func (b *Broker) allocateProducerIDsAPI() protocol.API {
	return answeredHere[*kmsg.AllocateProducerIDsRequest](b, 0, 0)
}
