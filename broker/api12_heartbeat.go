package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// heartbeatAPI is Heartbeat (key 12): stay a member of a group, and hear of rebalances.
//
//	v3 group instance id (KIP-345)
//	v4 flexible
func (b *Broker) heartbeatAPI() protocol.API {
	return api(0, 4, func(_ *protocol.Call, req *kmsg.HeartbeatRequest) kmsg.Response {
		return b.groups.HandleHeartbeat(req)
	})
}
