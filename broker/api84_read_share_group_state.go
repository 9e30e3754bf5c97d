package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// readShareGroupStateAPI is ReadShareGroupState (key 84): the leader of a partition reads
// its state for a share group (KIP-932), and fences leaders of lower epochs.
func (b *Broker) readShareGroupStateAPI() protocol.API {
	return shareStateAPI(b, kmsg.ReadShareGroupState, 0)
}
