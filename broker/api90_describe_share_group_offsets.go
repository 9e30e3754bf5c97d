package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeShareGroupOffsetsAPI is DescribeShareGroupOffsets (key 90, KIP-932): where
// share groups begin in partitions: in those asked for, or in all that they have begun
// if no topics are named.
//
//	v1 lag (KIP-1226)
func (b *Broker) describeShareGroupOffsetsAPI() protocol.API {
	return api(0, 1, func(call *protocol.Call, req *kmsg.DescribeShareGroupOffsetsRequest) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.DescribeShareGroupOffsetsResponse)
		req.Groups = distinct(req.Groups, func(g *kmsg.DescribeShareGroupOffsetsRequestGroup) string { return g.GroupID })
		for i := range req.Groups {
			g := &req.Groups[i]
			switch {
			case !b.shareGroups():
				resp.Groups = append(resp.Groups, undescribedOffsets(g.GroupID, kerr.UnsupportedVersion))
			case !call.Authorized(g.GroupID):
				resp.Groups = append(resp.Groups, undescribedOffsets(g.GroupID, kerr.GroupAuthorizationFailed))
			default:
				resp.Groups = append(resp.Groups, b.describeShareGroupOffsets(call, g))
			}
		}
		return resp
	})
}

func undescribedOffsets(group string, err *kerr.Error) kmsg.DescribeShareGroupOffsetsResponseGroup {
	out := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
	out.GroupID, out.ErrorCode = group, err.Code
	return out
}

// describeShareGroupOffsets leaves out topics that the client may not know of, and
// refuses them if they are asked for.
func (b *Broker) describeShareGroupOffsets(call *protocol.Call, g *kmsg.DescribeShareGroupOffsetsRequestGroup) kmsg.DescribeShareGroupOffsetsResponseGroup {
	var denied []kmsg.DescribeShareGroupOffsetsResponseGroupTopic
	if g.Topics != nil {
		g.Topics = slices.DeleteFunc(g.Topics, func(t kmsg.DescribeShareGroupOffsetsRequestGroupTopic) bool {
			if call.May(toDescribeTopic, t.Topic) {
				return false
			}
			topic := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
			topic.Topic = t.Topic
			for _, n := range t.Partitions {
				p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
				p.Partition, p.StartOffset, p.Lag = n, -1, -1
				p.ErrorCode, p.ErrorMessage = kerr.TopicAuthorizationFailed.Code, kmsg.StringPtr(kerr.TopicAuthorizationFailed.Description)
				topic.Partitions = append(topic.Partitions, p)
			}
			denied = append(denied, topic)
			return true
		})
	}
	out := b.groups.DescribeShareOffsets(g)
	if out.ErrorCode == 0 {
		out.Topics = slices.DeleteFunc(out.Topics, func(t kmsg.DescribeShareGroupOffsetsResponseGroupTopic) bool {
			return !call.May(toDescribeTopic, t.Topic)
		})
		out.Topics = append(out.Topics, denied...)
	}
	return out
}
