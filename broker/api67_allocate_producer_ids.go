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
	return api(0, 0, func(_ *protocol.Call, req *kmsg.AllocateProducerIDsRequest) kmsg.Response {
		return b.controller.Handle(req)
	})
}
