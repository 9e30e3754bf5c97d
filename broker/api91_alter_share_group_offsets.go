package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// alterShareGroupOffsetsAPI is AlterShareGroupOffsets (key 91, KIP-932): have a share
// group without members begin anew in partitions, at an offset each.
func (b *Broker) alterShareGroupOffsetsAPI() protocol.API {
	return api(0, 0, func(call *protocol.Call, req *kmsg.AlterShareGroupOffsetsRequest) kmsg.Response {
		if !b.shareGroups() {
			resp := req.ResponseKind().(*kmsg.AlterShareGroupOffsetsResponse)
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
		var denied []kmsg.AlterShareGroupOffsetsResponseTopic
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.AlterShareGroupOffsetsRequestTopic) bool {
			if call.May(toReadTopic, t.Topic) {
				return false
			}
			topic := kmsg.NewAlterShareGroupOffsetsResponseTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				out := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
				out.Partition, out.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				out.ErrorMessage = kmsg.StringPtr(kerr.TopicAuthorizationFailed.Description)
				topic.Partitions = append(topic.Partitions, out)
			}
			denied = append(denied, topic)
			return true
		})
		resp := b.groups.HandleAlterShareGroupOffsets(req)
		if resp.ErrorCode == 0 {
			resp.Topics = append(resp.Topics, denied...)
		}
		return resp
	})
}
