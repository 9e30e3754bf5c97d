package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// endQuorumEpochAPI is EndQuorumEpoch (key 54): the leader of the metadata
// quorum resigns and names who should follow it (KIP-595).
//
//	v1 flexible, with directory ids (KIP-853)
func (b *Broker) endQuorumEpochAPI() protocol.API {
	return answeredHere[*kmsg.EndQuorumEpochRequest](b, 0, 1)
}
