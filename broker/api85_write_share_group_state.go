package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// writeShareGroupStateAPI is WriteShareGroupState (key 85): the leader of a partition writes
// what has changed in its state for a share group (KIP-932).
//
//	v1 how many records are done (KIP-1226)
func (b *Broker) writeShareGroupStateAPI() protocol.API {
	return shareStateAPI(b, kmsg.WriteShareGroupState, 1)
}
