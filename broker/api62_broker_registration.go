package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// brokerRegistrationAPI is BrokerRegistration (key 62): a broker that
// starts makes itself known to the controller (KIP-631).
//
//	v1 ZooKeeper migration, which is not known here
//	v2 log directories (KIP-858)
//	v3 the epoch before a clean shutdown (KIP-966)
//	v4 no change of format
func (b *Broker) brokerRegistrationAPI() protocol.API {
	return answeredHere[*kmsg.BrokerRegistrationRequest](b, 0, 4)
}
