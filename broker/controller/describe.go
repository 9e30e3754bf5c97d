package controller

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
)

// describe is DescribeQuorum (KIP-595, KIP-836, KIP-853): only the leader knows
// how far the others are.
func (l *loop) describe(req kmsg.Request) kmsg.Response {
	state := l.core.State()
	if l.core.Role() != quorum.Leader {
		state.Leader = l.core.Leader()
		return describeQuorum(req, state, kerr.NotLeaderForPartition)
	}
	resp := describeQuorum(req, state, nil).(*kmsg.DescribeQuorumResponse)
	p := &resp.Topics[0].Partitions[0]
	p.HighWatermark = l.core.HighWatermark()
	self := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	self.ReplicaID, self.LogEndOffset = l.n.cfg.NodeID, l.core.End()
	self.LastFetchTimestamp, self.LastCaughtUpTimestamp = l.wallMillis(), l.wallMillis()
	p.CurrentVoters = append(p.CurrentVoters, self)
	offset := l.wallMillis() - millis(l.n.e.Now()) // what turns Now into wall time
	for _, r := range l.core.Replicas() {
		s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		s.ReplicaID, s.LogEndOffset = r.ID, r.End
		if r.FetchedAt >= 0 {
			s.LastFetchTimestamp = offset + millis(r.FetchedAt)
			if r.End == l.core.End() {
				s.LastCaughtUpTimestamp = s.LastFetchTimestamp
			}
		}
		if r.Voter {
			p.CurrentVoters = append(p.CurrentVoters, s)
		} else {
			p.Observers = append(p.Observers, s)
		}
	}
	slices.SortFunc(p.CurrentVoters, func(a, b kmsg.DescribeQuorumResponseTopicPartitionReplicaState) int {
		return cmp.Compare(a.ReplicaID, b.ReplicaID)
	})
	for _, v := range l.n.cfg.Voters {
		node := kmsg.NewDescribeQuorumResponseNode()
		node.NodeID = v.ID
		listener := kmsg.NewDescribeQuorumResponseNodeListener()
		listener.Name, listener.Host, listener.Port = "PLAINTEXT", v.Host, uint16(v.Port)
		node.Listeners = append(node.Listeners, listener)
		resp.Nodes = append(resp.Nodes, node)
	}
	return resp
}

func describeQuorum(req kmsg.Request, state quorum.HardState, err *kerr.Error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = state.Leader, state.Epoch, -1
	if err != nil {
		p.ErrorCode, p.ErrorMessage = err.Code, message(err.Description)
	}
	t := kmsg.NewDescribeQuorumResponseTopic()
	t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
	return resp
}
