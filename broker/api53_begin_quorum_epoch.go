package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// beginQuorumEpochAPI is BeginQuorumEpoch (key 53): the elected leader of the
// metadata quorum announces itself (KIP-595).
//
//	v1 flexible, with directory ids (KIP-853)
func (b *Broker) beginQuorumEpochAPI() protocol.API {
	return answeredHere[*kmsg.BeginQuorumEpochRequest](b, 0, 1)
}
