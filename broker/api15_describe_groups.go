package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeGroupsAPI is DescribeGroups (key 15): state, members and assignments of groups.
//
//	v3 authorized operations, which are not computed
//	v4 group instance id
//	v5 flexible
func (b *Broker) describeGroupsAPI() protocol.API {
	return api(0, 5, func(_ *protocol.Call, req *kmsg.DescribeGroupsRequest) kmsg.Response {
		return b.groups.HandleDescribeGroups(req)
	})
}
