package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// shareGroupDescribeAPI is ShareGroupDescribe (key 77, KIP-932): epochs, members and
// assignments of share groups.
//
//	v1 first that is no preview
func (b *Broker) shareGroupDescribeAPI() protocol.API {
	return api(1, 1, func(call *protocol.Call, req *kmsg.ShareGroupDescribeRequest) kmsg.Response {
		req.GroupIDs = distinct(req.GroupIDs, itself)
		if !b.shareGroups() {
			resp := req.ResponseKind().(*kmsg.ShareGroupDescribeResponse)
			for _, id := range req.GroupIDs {
				out := kmsg.NewShareGroupDescribeResponseGroup()
				out.GroupID, out.ErrorCode = id, kerr.UnsupportedVersion.Code
				resp.Groups = append(resp.Groups, out)
			}
			return resp
		}
		resp := b.groups.HandleShareGroupDescribe(req)
		for i := range resp.Groups {
			g := &resp.Groups[i]
			if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeGroup, g.GroupID)
			}
			hideSharedTopics(call, g)
		}
		return resp
	})
}

// hideSharedTopics makes the answer about a group an error if the client may not know
// of all topics in it.
func hideSharedTopics(call *protocol.Call, g *kmsg.ShareGroupDescribeResponseGroup) {
	for _, m := range g.Members {
		for _, t := range m.Assignment.TopicPartitions {
			if !call.May(toDescribeTopic, t.Topic) {
				denied := kmsg.NewShareGroupDescribeResponseGroup()
				denied.GroupID, denied.ErrorCode = g.GroupID, kerr.TopicAuthorizationFailed.Code
				denied.ErrorMessage = kmsg.StringPtr("The group has described topic(s) that the client is not authorized to describe.")
				*g = denied
				return
			}
		}
	}
}
