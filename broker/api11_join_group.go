package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// joinGroupAPI is JoinGroup (key 11): become a member of a group, and wait for the others.
//
//	v1 rebalance timeout
//	v4 a new member first gets its id and joins again (KIP-394)
//	v5 group instance id: static membership (KIP-345)
//	v6 flexible
//	v8 reason for joining (KIP-800)
//	v9 the leader may be told to skip assignment (KIP-814)
func (b *Broker) joinGroupAPI() protocol.API {
	return api(0, 9, func(call *protocol.Call, req *kmsg.JoinGroupRequest) kmsg.Response {
		return b.groups.HandleJoinGroup(req, call.ClientID, call.Remote)
	})
}
