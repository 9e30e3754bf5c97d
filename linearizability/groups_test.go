package linearizability

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A coordinator that has lost the end of its log counts generations again, once for
// each loss that is excused.
func TestOwnershipExcusedByLossOfTheOffsetsTopic(t *testing.T) {
	for _, c := range []struct {
		name    string
		owners  []string // of generation 1, from second 30 on, every other second
		loss    int      // when, 0 for never
		excused bool
	}{
		{"one owner", []string{"a", "a"}, 0, true},
		{"two owners", []string{"a", "b"}, 0, false},
		{"a loss between them", []string{"a", "b"}, 31, true},
		{"a loss before them would have been one too", []string{"a", "b"}, 29, true},
		{"a loss after them", []string{"a", "b"}, 35, false},
		{"three owners and one loss", []string{"a", "b", "c"}, 31, false},
		{"back and forth", []string{"a", "b", "a"}, 31, false},
	} {
		s := clean(t).final(1, cleanLog()...)
		s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 1, MinISR: 1, Internal: true})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
		if c.loss > 0 {
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: time.Duration(c.loss) * second})
			s.fault(PowerLoss, c.loss-1, true, 1)
		}
		for i, member := range c.owners {
			s.l.AddAssignment(Assignment{Group: "g", Generation: 1, Member: member, Topic: "orders", Partitions: []int32{0}, Time: time.Duration(30+2*i) * second})
		}
		v := s.judge()
		require.Equal(t, c.excused, !slices.Contains(codes(v), "K9"), "%s: %+v", c.name, v.Findings)
		require.Equal(t, c.loss > 0 && c.loss < 32, checkNamed(t, v, checkOwnership).Excused > 0, c.name)
	}

	// A member may be taken back likewise.
	for loss, excused := range map[int]bool{0: false, 31: true} {
		s := clean(t).final(1, cleanLog()...)
		s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 1, MinISR: 1, Internal: true})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
		if loss > 0 {
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: time.Duration(loss) * second})
			s.fault(PowerLoss, loss-1, true, 1)
		}
		for i, generation := range []int32{2, 1} {
			s.l.AddAssignment(Assignment{Group: "g", Generation: generation, Member: "a", Topic: "orders", Partitions: []int32{0}, Time: time.Duration(30+2*i) * second})
		}
		require.Equal(t, excused, !slices.Contains(codes(s.judge()), "K9"), "loss %d", loss)
	}
}

// Under the consumer protocol a member owns a partition until it has said that it does
// not; one that was taken out, and so became a member anew, did not hear when.
func TestTenuresOfTheConsumerProtocol(t *testing.T) {
	give := func(process int64, epoch int32, membership, asked, at int, partitions ...int32) Assignment {
		return Assignment{Group: "g", Generation: epoch, Member: string(rune('a' + process)), Process: process, Topic: "orders", Partitions: partitions,
			Membership: membership, Asked: time.Duration(asked) * second, Time: time.Duration(at) * second}
	}
	for _, c := range []struct {
		name string
		wait []Assignment
		loss int // when a loss of power takes effect, 0 for never
		bad  bool
	}{
		{"given up, and then given", []Assignment{give(1, 1, 1, 30, 30, 0, 1), give(1, 1, 1, 31, 31, 1), give(1, 2, 1, 32, 32, 1), give(2, 2, 1, 33, 33, 0)}, 0, false},
		{"given before that was said", []Assignment{give(1, 1, 1, 30, 30, 0, 1), give(1, 1, 1, 31, 31, 1), give(2, 2, 1, 33, 33, 0), give(1, 2, 1, 34, 34, 1)}, 0, true},
		{"given while the other owns it", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 1, 1, 34, 34)}, 0, true},
		{"an answer that comes late", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 1, 1, 32, 34)}, 0, false},
		{"an answer that comes late to who was taken out", []Assignment{give(1, 2, 1, 31, 31, 0), give(2, 1, 1, 30, 33, 0), give(1, 3, 1, 40, 40, 0)}, 0, false},
		{"taken out meanwhile", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 3, 2, 34, 34)}, 0, false},
		{"taken out, and brought back by a loss", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 1, 1, 38, 38, 0)}, 36, false},
		{"owned until the loss", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 1, 1, 34, 34, 0), give(1, 1, 1, 38, 38, 0)}, 36, true},
		{"a loss that comes later", []Assignment{give(1, 1, 1, 30, 30, 0), give(2, 2, 1, 33, 33, 0), give(1, 1, 1, 34, 34, 0)}, 36, true},
	} {
		s := clean(t).final(1, cleanLog()...)
		if c.loss > 0 {
			s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 1, MinISR: 1, Internal: true})
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: time.Duration(c.loss) * second})
			s.fault(PowerLoss, c.loss-1, true, 1)
		}
		for _, a := range c.wait {
			s.l.AddAssignment(a)
		}
		v := s.judge()
		require.Equal(t, c.bad, slices.Contains(codes(v), "K9"), "%s: %+v", c.name, v.Findings)
	}
}

// Who a member was in an earlier generation does not go on, unless the coordinator has
// loaded its groups since, of which it may have lost something.
func TestEarlierSelvesAreRefused(t *testing.T) {
	self := func(member string, generation int32, at int) Assignment {
		return Assignment{Group: "g", Generation: generation, Member: member, Process: 7, Topic: "orders", Partitions: []int32{0}, Time: time.Duration(at) * second}
	}
	stale := func(member string, generation int32, asked int) Assignment {
		return Assignment{Group: "g", Generation: generation, Member: member, Process: 7, Topic: "orders",
			Asked: time.Duration(asked) * second, Time: time.Duration(asked+1) * second, Stale: true, Was: 30 * second, Broker: 1}
	}
	elsewhere := func(a Assignment) Assignment {
		a.Broker = 2
		return a
	}
	asked := func(a Assignment, at int) Assignment {
		a.Asked = time.Duration(at) * second
		return a
	}
	for _, c := range []struct {
		name  string
		all   []Assignment
		loss  int // when a loss of power takes effect; negative: when the disk is full for a moment
		bad   bool
		moves int // when broker 2 becomes the coordinator, 0 for never
	}{
		{"no newer generation", []Assignment{self("a", 1, 30), stale("a", 1, 33)}, 0, false, 0},
		{"a newer one, later", []Assignment{self("a", 1, 30), stale("a", 1, 31), self("a", 2, 32)}, 0, false, 0},
		{"a newer one", []Assignment{self("a", 1, 30), self("a", 2, 32), stale("a", 1, 33)}, 0, true, 0},
		{"a newer one of another coordinator", []Assignment{self("a", 1, 30), self("a", 2, 32), elsewhere(stale("a", 1, 33))}, 0, false, 0},
		{"a newer one, lost", []Assignment{self("a", 1, 30), self("a", 2, 32), stale("a", 1, 34)}, 33, false, 0},
		{"a newer one, of a coordinator that loads again", []Assignment{self("a", 1, 30), self("a", 2, 36), stale("a", 1, 38)}, -37, false, 0},
		{"a newer one, when the disk had failed before", []Assignment{self("a", 1, 30), self("a", 2, 36), stale("a", 1, 38)}, -33, true, 0},
		{"a newer one of another coordinator, and one of this", []Assignment{self("a", 1, 30), self("a", 2, 31), self("a", 3, 33), elsewhere(stale("a", 1, 34))}, 0, true, 32},
		{"a newer one of another coordinator, told late", []Assignment{self("a", 1, 30), asked(self("a", 2, 33), 31), elsewhere(stale("a", 1, 34))}, 0, false, 32},
		{"a newer one, lost before it was told", []Assignment{self("a", 1, 30), self("a", 2, 34), stale("a", 1, 35)}, 33, false, 0},
		{"a newer one, and a loss before either", []Assignment{self("a", 1, 30), self("a", 2, 32), stale("a", 1, 33)}, 28, true, 0},
		{"a static member before another joins", []Assignment{self("instance", 1, 30), stale("a", 1, 33)}, 0, false, 0},
		{"a static member that was replaced", []Assignment{self("instance", 1, 30), self("instance", 1, 32), stale("a", 1, 33)}, 0, true, 0},
	} {
		s := clean(t).final(1, cleanLog()...)
		s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 1, MinISR: 1, Internal: true})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
		if c.moves > 0 {
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 2, ISR: []int32{1, 2}, Time: second})
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 3, ISR: []int32{1, 2}, Time: time.Duration(c.moves) * second})
		}
		if c.loss > 0 {
			s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: time.Duration(c.loss) * second})
			s.fault(PowerLoss, c.loss-1, true, 1)
		}
		if c.loss < 0 {
			at := time.Duration(-c.loss) * second
			s.l.AddFault(Fault{Kind: FullDisk, Brokers: []int32{1}, Start: at, End: at + second/2})
		}
		for _, a := range c.all {
			s.l.AddAssignment(a)
		}
		v := s.judge()
		require.Equal(t, c.bad, slices.Contains(codes(v), "K9"), "%s: %+v", c.name, v.Findings)
	}
}
