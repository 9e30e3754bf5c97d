package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// offsetCommitAPI is OffsetCommit (key 8): store the offsets up to which a group has processed
// its partitions. Answered once the offsets are replicated.
//
//	v5 no retention time of its own
//	v6 leader epoch of the offset (KIP-320)
//	v7 group instance id (KIP-345)
//	v8 flexible
//	v9 member epochs of the consumer protocol (KIP-848), STALE_MEMBER_EPOCH;
//	   GROUP_ID_NOT_FOUND for a member of no group
//	v10 topics by id (KIP-848)
func (b *Broker) offsetCommitAPI() protocol.API {
	return api(2, 10, func(_ *protocol.Call, req *kmsg.OffsetCommitRequest) kmsg.Response {
		return b.groups.HandleOffsetCommit(req)
	})
}
