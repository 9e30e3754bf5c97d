package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// offsetDeleteAPI is OffsetDelete (key 47, KIP-496): remove committed offsets of
// a group in topics that none of its members consumes.
func (b *Broker) offsetDeleteAPI() protocol.API {
	return api(0, 0, func(_ *protocol.Call, req *kmsg.OffsetDeleteRequest) kmsg.Response {
		return b.groups.HandleOffsetDelete(req)
	})
}
