package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// brokerHeartbeatAPI is BrokerHeartbeat (key 63): a broker keeps its session with
// the controller, and learns whether it is fenced (KIP-631).
//
//	v1 offline log directories (KIP-858)
func (b *Broker) brokerHeartbeatAPI() protocol.API {
	return answeredHere[*kmsg.BrokerHeartbeatRequest](b, 0, 1)
}
