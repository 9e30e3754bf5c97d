package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// deleteShareGroupStateAPI is DeleteShareGroupState (key 86): a group coordinator has the state
// of partitions deleted for a share group (KIP-932).
func (b *Broker) deleteShareGroupStateAPI() protocol.API {
	return shareStateAPI(b, kmsg.DeleteShareGroupState, 0)
}
