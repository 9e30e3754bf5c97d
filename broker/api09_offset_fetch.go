package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// offsetFetchAPI is OffsetFetch (key 9): read a group's committed offsets.
//
//	v2 all partitions (null topics); an error for the whole group
//	v5 leader epoch
//	v6 flexible
//	v7 stable offsets only, if so asked: no transaction is about to change them (KIP-447)
//	v8 several groups at once (KIP-709)
//	v9 member and epoch of the consumer protocol (KIP-848)
//	v10 topics by id (KIP-848)
func (b *Broker) offsetFetchAPI() protocol.API {
	return api(1, 10, func(_ *protocol.Call, req *kmsg.OffsetFetchRequest) kmsg.Response {
		distinctOffsets(req)
		return b.groups.HandleOffsetFetch(req)
	})
}
