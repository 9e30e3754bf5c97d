package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// consumerGroupDescribeAPI is ConsumerGroupDescribe (key 69, KIP-848): epochs,
// members and assignments, current and target, of groups under the consumer protocol.
//
//	v1 which protocol a member speaks (KIP-1099)
func (b *Broker) consumerGroupDescribeAPI() protocol.API {
	return api(0, 1, func(call *protocol.Call, req *kmsg.ConsumerGroupDescribeRequest) kmsg.Response {
		req.Groups = distinct(req.Groups, itself)
		if !b.consumerProtocol() {
			resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
			for _, group := range req.Groups {
				out := kmsg.NewConsumerGroupDescribeResponseGroup()
				out.Group, out.ErrorCode = group, kerr.UnsupportedVersion.Code
				resp.Groups = append(resp.Groups, out)
			}
			return resp
		}
		resp := b.groups.HandleConsumerGroupDescribe(req)
		for i := range resp.Groups {
			g := &resp.Groups[i]
			if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeGroup, g.Group)
			}
			hideTopics(call, g)
		}
		return resp
	})
}

// hideTopics makes the answer about a group an error if the client may not know of
// all topics in it.
func hideTopics(call *protocol.Call, g *kmsg.ConsumerGroupDescribeResponseGroup) {
	for i := range g.Members {
		m := &g.Members[i]
		topics := m.SubscribedTopics
		for _, a := range [...][]kmsg.AssignmentTopicPartition{m.Assignment.TopicPartitions, m.TargetAssignment.TopicPartitions} {
			for j := range a {
				topics = append(topics[:len(topics):len(topics)], a[j].Topic)
			}
		}
		for _, topic := range topics {
			if !call.May(toDescribeTopic, topic) {
				denied := kmsg.NewConsumerGroupDescribeResponseGroup()
				denied.Group, denied.ErrorCode = g.Group, kerr.TopicAuthorizationFailed.Code
				denied.ErrorMessage = kmsg.StringPtr("The group has described topic(s) that the client is not authorized to describe.")
				*g = denied
				return
			}
		}
	}
}
