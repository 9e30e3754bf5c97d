package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// deleteGroupsAPI is DeleteGroups (key 42): forget groups without members and their offsets (KIP-229).
//
//	v2 flexible
func (b *Broker) deleteGroupsAPI() protocol.API {
	return api(0, 2, func(_ *protocol.Call, req *kmsg.DeleteGroupsRequest) kmsg.Response {
		return b.groups.HandleDeleteGroups(req)
	})
}
