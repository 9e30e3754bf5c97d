package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// reassign asks for other replicas, none to cancel, and is what came of it.
func (f *fixture) reassign(tp metadata.TopicPartition, replicas ...int32) *kmsg.AlterPartitionAssignmentsResponseTopicPartition {
	f.t.Helper()
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version = 1
	return f.reassignWith(req, tp, replicas)
}

func (f *fixture) reassignWith(req *kmsg.AlterPartitionAssignmentsRequest, tp metadata.TopicPartition, replicas []int32) *kmsg.AlterPartitionAssignmentsResponseTopicPartition {
	f.t.Helper()
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic = tp.Topic
	rt.Partitions = []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: tp.Partition, Replicas: replicas}}
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{rt}
	resp := f.do(req).(*kmsg.AlterPartitionAssignmentsResponse)
	require.Zero(f.t, resp.ErrorCode)
	require.Equal(f.t, req.AllowReplicationFactorChange, resp.AllowReplicationFactorChange)
	require.Len(f.t, resp.Topics, 1)
	return &resp.Topics[0].Partitions[0]
}

// reassigning is what ListPartitionReassignments says of everything.
func (f *fixture) reassigning() string {
	f.t.Helper()
	resp := f.do(kmsg.NewPtrListPartitionReassignmentsRequest()).(*kmsg.ListPartitionReassignmentsResponse)
	out := ""
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out += fmt.Sprintf("%s-%d %v adding %v removing %v;", t.Topic, p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas)
		}
	}
	return out
}

// KIP-455: the new replicas join, and with the last of them the old ones go.
func TestReassignment(t *testing.T) {
	f := newFixture(t, 5, 2)
	tp := f.topic("t", 1, 2, 3)
	require.Zero(t, f.reassign(tp, 4, 5, 3).ErrorCode)
	require.Equal(t, "t-0 [4 5 3 1 2] adding [4 5] removing [1 2];", f.reassigning())
	require.Equal(t, "leader 1 epoch 0 isr [3 1 2] elr []", f.state(tp))
	require.Zero(t, f.alter(tp, 1, 2, 3, 4).ErrorCode)
	require.Equal(t, "leader 1 epoch 0 isr [4 3 1 2] elr []", f.state(tp))
	require.Equal(t, kerr.NewLeaderElected.Code, f.alter(tp, 1, 2, 3, 4, 5).ErrorCode, "the leader is among those that go")
	require.Equal(t, "leader 4 epoch 1 isr [4 5 3] elr []", f.state(tp))
	require.Equal(t, []int32{4, 5, 3}, f.img.Partition(tp).Replicas)
	require.Empty(t, f.reassigning())
}

// Nobody waits where nothing has to be copied.
func TestReassignmentThatIsCompleteAtOnce(t *testing.T) {
	for _, c := range []struct {
		to   []int32
		want string
	}{
		{[]int32{3, 1, 2}, "leader 1 epoch 0 isr [3 1 2] elr []"},
		{[]int32{1, 2}, "leader 1 epoch 1 isr [1 2] elr []"},
		{[]int32{3}, "leader 3 epoch 1 isr [3] elr []"},
	} {
		f := newFixture(t, 3, 2)
		tp := f.topic("t", 1, 2, 3)
		require.Zero(t, f.reassign(tp, c.to...).ErrorCode)
		require.Equal(t, c.want, f.state(tp))
		require.Equal(t, c.to, f.img.Partition(tp).Replicas)
		require.Empty(t, f.reassigning())
	}
}

// A target that is not in sync is waited for, even if nothing is added.
func TestReassignmentWaitsForItsWholeTarget(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2, 3)
	require.Zero(t, f.alter(tp, 1, 3).ErrorCode)
	require.Zero(t, f.reassign(tp, 1, 2).ErrorCode)
	require.Equal(t, "t-0 [1 2 3] adding [] removing [3];", f.reassigning())
	require.Zero(t, f.alter(tp, 1, 2, 3).ErrorCode)
	require.Equal(t, "leader 1 epoch 1 isr [1 2] elr []", f.state(tp))
}

// A larger factor begins a leader epoch when it is reached: the leader cannot
// tell from the answer to its proposal by how many replicas to judge.
func TestReplicationFactorGrows(t *testing.T) {
	f := newFixture(t, 3, 2)
	tp := f.topic("t", 1)
	require.Zero(t, f.reassign(tp, 1, 2, 3).ErrorCode)
	require.Equal(t, 1, f.img.Partition(tp).EffectiveMinISR(), "as before")
	require.Zero(t, f.alter(tp, 1, 2).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 2, 3).ErrorCode)
	require.Equal(t, "leader 1 epoch 1 isr [1 2 3] elr []", f.state(tp))
	require.Equal(t, 2, f.img.Partition(tp).EffectiveMinISR())
}

func TestReassignmentIsCancelled(t *testing.T) {
	f := newFixture(t, 5, 2)
	tp := f.topic("t", 1, 2, 3)
	require.Equal(t, kerr.NoReassignmentInProgress.Code, f.reassign(tp).ErrorCode)
	require.Zero(t, f.reassign(tp, 4, 2, 5).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 2, 3, 4).ErrorCode)
	require.Zero(t, f.reassign(tp).ErrorCode)
	require.Equal(t, []int32{2, 1, 3}, f.img.Partition(tp).Replicas)
	require.Equal(t, "leader 1 epoch 1 isr [2 1 3] elr []", f.state(tp))
	require.Empty(t, f.reassigning())
	require.Equal(t, kerr.NoReassignmentInProgress.Code, f.reassign(tp).ErrorCode)
}

// Replicas that were being added do not count for min.insync.replicas, so that a
// cancel leaves as many with everything committed as were promised.
func TestAddingReplicasDoNotCountForMinISR(t *testing.T) {
	f := newFixture(t, 5, 2)
	tp := f.topic("t", 1, 2, 3)
	require.Zero(t, f.reassign(tp, 4, 5).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 2, 3, 4).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 4).ErrorCode)
	require.Equal(t, "leader 1 epoch 0 isr [4 1] elr [2 3]", f.state(tp))
	f.silence(2, 3, 4, 5)
	require.Equal(t, "leader 4 epoch 1 isr [4] elr [1 2 3]", f.state(tp))
	require.Zero(t, f.reassign(tp).ErrorCode)
	require.Equal(t, "leader 2 epoch 2 isr [2] elr [1 3]", f.state(tp))
	require.False(t, f.img.Partition(tp).Recovering)
}

// A cancel never takes the last replica that can lead.
func TestCancelThatWouldLoseRecords(t *testing.T) {
	f := newFixture(t, 4, 1)
	tp := f.topic("t", 1, 2)
	require.Zero(t, f.reassign(tp, 3, 4).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 3).ErrorCode)
	f.silence(2, 3, 4)
	require.Equal(t, "leader 3 epoch 1 isr [3] elr [1]", f.state(tp), "1 left when no more than one that counts was in sync")
	f.register(1, false)
	require.Equal(t, "leader 3 epoch 1 isr [3] elr []", f.state(tp))
	r := f.reassign(tp)
	require.Equal(t, kerr.InvalidReplicaAssignment.Code, r.ErrorCode)
	require.Contains(t, *r.ErrorMessage, "would require an unclean leader election")
	require.Equal(t, "leader 3 epoch 1 isr [3] elr []", f.state(tp))
	f.config("t", config.UncleanLeaderElection, "true")
	require.Zero(t, f.reassign(tp).ErrorCode)
	require.Equal(t, "leader 2 epoch 2 isr [2] elr []", f.state(tp))
	require.True(t, f.img.Partition(tp).Recovering)
}

// Another reassignment begins with the replicas that the first began with: what
// the first was adding, and the second does not want, goes at once.
func TestReassignmentTakesThePlaceOfAnother(t *testing.T) {
	f := newFixture(t, 5, 1)
	tp := f.topic("t", 1, 2)
	require.Zero(t, f.reassign(tp, 3, 4).ErrorCode)
	require.Zero(t, f.alter(tp, 1, 2, 3).ErrorCode)
	require.Zero(t, f.reassign(tp, 5, 4).ErrorCode)
	require.Equal(t, "t-0 [5 4 1 2] adding [4 5] removing [1 2];", f.reassigning())
	require.Equal(t, "leader 1 epoch 1 isr [1 2] elr []", f.state(tp))
	require.Zero(t, f.reassign(tp, 1, 2).ErrorCode)
	require.Equal(t, []int32{1, 2}, f.img.Partition(tp).Replicas)
	require.Empty(t, f.reassigning())
}

// An unclean election takes none that is only being added, if there is another.
func TestUncleanElectionDuringReassignment(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2)
	f.config("t", config.UncleanLeaderElection, "true")
	require.Zero(t, f.alter(tp, 1).ErrorCode)
	require.Zero(t, f.reassign(tp, 3).ErrorCode)
	f.silence(2, 3)
	require.Equal(t, "leader 2 epoch 1 isr [2] elr []", f.state(tp))
}

// If only the one that is being added is left, it leads, and does not end the
// reassignment by that: the others have what it lacks.
func TestUncleanElectionOfWhoIsBeingAdded(t *testing.T) {
	f := newFixture(t, 4, 1)
	tp := f.topic("t", 1, 2)
	f.config("t", config.UncleanLeaderElection, "true")
	require.Zero(t, f.reassign(tp, 3).ErrorCode)
	f.silence(3)
	require.Equal(t, "leader 3 epoch 1 isr [3] elr []", f.state(tp))
	require.Equal(t, []int32{3, 1, 2}, f.img.Partition(tp).Replicas)
}

// A cancel leaves a partition to its own replicas, and to nobody who was only being
// added, even if that one led last.
func TestNobodyLeadsWhoIsAReplicaNoMore(t *testing.T) {
	for _, settled := range []bool{false, true} {
		f := newFixture(t, 4, 1)
		tp := f.topic("t", 1)
		f.config("t", config.UncleanLeaderElection, "true")
		require.Zero(t, f.reassign(tp, 3).ErrorCode)
		f.silence(3)
		require.Equal(t, "leader 3 epoch 1 isr [3] elr []", f.state(tp))
		if settled { // the controller has noticed that it is gone too
			f.silence(4)
			require.Equal(t, "leader -1 epoch 2 isr [] elr [3]", f.state(tp))
		}
		require.Zero(t, f.reassign(tp).ErrorCode)
		require.Equal(t, []int32{1}, f.img.Partition(tp).Replicas)
		require.Equal(t, metadata.NoLeader, f.img.Partition(tp).Leader)
		require.Empty(t, f.img.Partition(tp).LastKnownELR)
	}
}

func TestReassignmentIsRefused(t *testing.T) {
	f := newFixture(t, 4, 1)
	tp := f.topic("t", 1, 2)
	for _, c := range []struct {
		tp   metadata.TopicPartition
		to   []int32
		want *kerr.Error
	}{
		{metadata.TopicPartition{Topic: "none"}, []int32{1}, kerr.UnknownTopicOrPartition},
		{metadata.TopicPartition{Topic: "t", Partition: 7}, []int32{1}, kerr.UnknownTopicOrPartition},
		{metadata.TopicPartition{Topic: "t", Partition: -1}, nil, kerr.UnknownTopicOrPartition},
		{tp, []int32{}, kerr.InvalidReplicaAssignment},
		{tp, []int32{1, 1}, kerr.InvalidReplicaAssignment},
		{tp, []int32{1, 9}, kerr.InvalidReplicaAssignment},
		{tp, []int32{-1}, kerr.InvalidReplicaAssignment},
	} {
		records := len(f.log)
		require.Equal(t, c.want.Code, f.reassign(c.tp, c.to...).ErrorCode, "%v to %v", c.tp, c.to)
		require.Len(t, f.log, records)
	}
	// KIP-860.
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version, req.AllowReplicationFactorChange = 1, false
	require.Equal(t, kerr.InvalidReplicationFactor.Code, f.reassignWith(req, tp, []int32{1}).ErrorCode)
	require.Zero(t, f.reassignWith(req, tp, []int32{3, 4}).ErrorCode)
	require.Equal(t, kerr.InvalidReplicationFactor.Code, f.reassignWith(req, tp, []int32{1, 2, 3}).ErrorCode, "the factor is that of the target")
	require.Zero(t, f.reassignWith(req, tp, []int32{3, 1}).ErrorCode)
}

// Replicas keep their directories through a reassignment.
func TestReassignmentKeepsDirectories(t *testing.T) {
	f := newFixture(t, 0, 1)
	for id := int32(1); id <= 3; id++ {
		req := registration(id)
		req.LogDirs = [][16]byte{{byte(id)}}
		require.Zero(t, f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode)
		f.beat(id)
	}
	tp := f.topic("t", 1, 2)
	require.Zero(t, f.reassign(tp, 3, 1).ErrorCode)
	p := f.img.Partition(tp)
	require.Equal(t, []int32{3, 1, 2}, p.Replicas)
	require.Len(t, p.Directories, 3)
	for i, id := range p.Replicas {
		require.Equal(t, f.img.Broker(id).Directories[0], p.Directories[i])
	}
}

func TestListReassignments(t *testing.T) {
	f := newFixture(t, 3, 1)
	a, b := f.topic("a", 1), f.topic("b", 1)
	require.Zero(t, f.reassign(a, 2).ErrorCode)
	require.Zero(t, f.reassign(b, 3).ErrorCode)
	require.Equal(t, "a-0 [2 1] adding [2] removing [1];b-0 [3 1] adding [3] removing [1];", f.reassigning())
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "b", Partitions: []int32{0, 1}}, {Topic: "none", Partitions: []int32{0}}}
	resp := f.do(req).(*kmsg.ListPartitionReassignmentsResponse)
	require.Len(t, resp.Topics, 1)
	require.Len(t, resp.Topics[0].Partitions, 1)
	req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{}
	require.Empty(t, f.do(req).(*kmsg.ListPartitionReassignmentsResponse).Topics)
}
