package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// shareGroupHeartbeatAPI is ShareGroupHeartbeat (key 76, KIP-932): become and stay a
// member of a share group and hear which partitions it is to fetch from. Answered once
// what changed is replicated.
//
//	v1 first that is no preview
func (b *Broker) shareGroupHeartbeatAPI() protocol.API {
	return api(1, 1, func(call *protocol.Call, req *kmsg.ShareGroupHeartbeatRequest) kmsg.Response {
		refuse := func(err *kerr.Error, message string) kmsg.Response {
			resp := req.ResponseKind().(*kmsg.ShareGroupHeartbeatResponse)
			if resp.ErrorCode = err.Code; message != "" {
				resp.ErrorMessage = &message
			}
			return resp
		}
		switch {
		case !b.shareGroups():
			return refuse(kerr.UnsupportedVersion, "")
		case len(req.MemberID) > maxShareMemberID:
			return refuse(kerr.InvalidRequest, "Invalid member id in the request.")
		case slices.ContainsFunc(req.SubscribedTopicNames, func(topic string) bool { return !call.May(toDescribeTopic, topic) }):
			return refuse(kerr.TopicAuthorizationFailed, "")
		}
		return b.groups.HandleShareGroupHeartbeat(req, call.ClientID, call.Remote)
	})
}

// maxShareMemberID is how long the id of a member of a share group may be, as a UUID
// in hexadecimal is.
const maxShareMemberID = 36

// shareGroups reports whether the cluster has share groups (KIP-932).
func (b *Broker) shareGroups() bool {
	return b.controller.Image().FeatureLevel(metadata.ShareVersion) >= 1
}
