package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// consumerGroupHeartbeatAPI is ConsumerGroupHeartbeat (key 68, KIP-848): become and
// stay a member of a group whose partitions its coordinator divides, hear which are
// the member's, and say which are. Answered once what changed is replicated.
//
//	v1 subscription by a regular expression; the member makes its own id (KIP-1082)
func (b *Broker) consumerGroupHeartbeatAPI() protocol.API {
	return api(0, 1, func(call *protocol.Call, req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
		refuse := func(err *kerr.Error) kmsg.Response {
			resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
			resp.ErrorCode = err.Code
			return resp
		}
		may := func(topic string) bool { return call.May(toDescribeTopic, topic) }
		switch {
		case !b.consumerProtocol():
			return refuse(kerr.UnsupportedVersion)
		case slices.ContainsFunc(req.SubscribedTopicNames, func(topic string) bool { return !may(topic) }):
			return refuse(kerr.TopicAuthorizationFailed)
		}
		return b.groups.HandleConsumerGroupHeartbeat(req, call.ClientID, call.Remote, may)
	})
}

// consumerProtocol reports whether the cluster has the group protocol of KIP-848.
func (b *Broker) consumerProtocol() bool {
	return b.controller.Image().FeatureLevel(metadata.GroupVersion) >= 1
}
