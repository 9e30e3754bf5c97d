package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeQuorumAPI is DescribeQuorum (key 55): state of the metadata quorum.
//
//	v1 time of the last fetch of each replica (KIP-836)
//	v2 error messages, directory ids and listeners (KIP-853)
func (b *Broker) describeQuorumAPI() protocol.API {
	return forwarded[*kmsg.DescribeQuorumRequest](b, 0, 2)
}
