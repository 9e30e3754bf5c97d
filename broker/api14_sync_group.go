package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// syncGroupAPI is SyncGroup (key 14): bring (leader) or fetch (others) the assignment of a generation.
//
//	v3 group instance id (KIP-345)
//	v4 flexible
//	v5 protocol type and name, checked against the group's (KIP-559)
func (b *Broker) syncGroupAPI() protocol.API {
	return api(0, 5, func(_ *protocol.Call, req *kmsg.SyncGroupRequest) kmsg.Response {
		return b.groups.HandleSyncGroup(req)
	})
}
