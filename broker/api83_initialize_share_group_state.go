package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// initializeShareGroupStateAPI is InitializeShareGroupState (key 83): a group coordinator has the
// state of partitions begun for a share group (KIP-932), in a state epoch and at an
// offset each, -1 for where share.auto.offset.reset says.
func (b *Broker) initializeShareGroupStateAPI() protocol.API {
	return shareStateAPI(b, kmsg.InitializeShareGroupState, 0)
}
