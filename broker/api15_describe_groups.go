package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeGroupsAPI is DescribeGroups (key 15): state, members and assignments of groups.
//
//	v3 authorized operations, if asked for
//	v4 group instance id
//	v5 flexible
//	v6 GROUP_ID_NOT_FOUND for a group that does not exist, with a message (KIP-1043)
func (b *Broker) describeGroupsAPI() protocol.API {
	return api(0, 6, func(call *protocol.Call, req *kmsg.DescribeGroupsRequest) kmsg.Response {
		req.Groups = distinct(req.Groups, itself)
		resp := b.groups.HandleDescribeGroups(req)
		for i := range resp.Groups {
			if g := &resp.Groups[i]; req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeGroup, g.Group)
			}
		}
		return resp
	})
}
