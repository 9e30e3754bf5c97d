package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// voteAPI is Vote (key 52): a candidate of the metadata quorum asks for this
// node's vote (KIP-595).
//
//	v1 names voters by directory id too (KIP-853)
//	v2 pre-vote (KIP-996)
func (b *Broker) voteAPI() protocol.API { return answeredHere[*kmsg.VoteRequest](b, 0, 2) }
