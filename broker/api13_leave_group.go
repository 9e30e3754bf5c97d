package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// leaveGroupAPI is LeaveGroup (key 13): leave a group.
//
//	v3 several members at once, by instance id (KIP-345)
//	v4 flexible
//	v5 reason (KIP-800)
func (b *Broker) leaveGroupAPI() protocol.API {
	return api(0, 5, func(_ *protocol.Call, req *kmsg.LeaveGroupRequest) kmsg.Response {
		return b.groups.HandleLeaveGroup(req)
	})
}
