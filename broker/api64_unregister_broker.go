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
	return forwarded[*kmsg.UnregisterBrokerRequest](b, 0, 0)
}
