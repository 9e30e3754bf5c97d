package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// listGroupsAPI is ListGroups (key 16): the groups this broker coordinates.
//
//	v3 flexible
//	v4 filter by state (KIP-518)
//	v5 type of a group, and filter by it (KIP-848)
func (b *Broker) listGroupsAPI() protocol.API {
	return api(0, 5, func(_ *protocol.Call, req *kmsg.ListGroupsRequest) kmsg.Response {
		return b.groups.HandleListGroups(req)
	})
}
