package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// unregisterBrokerAPI is UnregisterBroker (key 64): forget a broker that is gone
// for good (KIP-631).
//
//	v0 first
func (b *Broker) unregisterBrokerAPI() protocol.API {
	return api(0, 0, func(_ *protocol.Call, req *kmsg.UnregisterBrokerRequest) kmsg.Response {
		return b.controller.Handle(req)
	})
}
