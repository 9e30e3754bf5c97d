package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// deleteShareGroupOffsetsAPI is DeleteShareGroupOffsets (key 92, KIP-932): have a share
// group without members forget topics.
func (b *Broker) deleteShareGroupOffsetsAPI() protocol.API {
	return api(0, 0, func(call *protocol.Call, req *kmsg.DeleteShareGroupOffsetsRequest) kmsg.Response {
		if !b.shareGroups() {
			resp := req.ResponseKind().(*kmsg.DeleteShareGroupOffsetsResponse)
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
		var denied []kmsg.DeleteShareGroupOffsetsResponseTopic
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.DeleteShareGroupOffsetsRequestTopic) bool {
			if call.May(toReadTopic, t.Topic) {
				return false
			}
			out := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
			out.Topic, out.ErrorCode = t.Topic, kerr.TopicAuthorizationFailed.Code
			out.ErrorMessage = kmsg.StringPtr(kerr.TopicAuthorizationFailed.Description)
			denied = append(denied, out)
			return true
		})
		resp := b.groups.HandleDeleteShareGroupOffsets(req)
		if resp.ErrorCode == 0 {
			resp.Topics = append(denied, resp.Topics...)
		}
		return resp
	})
}
