package linearizability

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cluster is a healthy picture: three brokers, orders-0 led by broker 1 in
// epoch 1 with everything below 10 committed.
func cluster(at time.Duration) ClusterView {
	v := ClusterView{Time: at, Partitions: []PartitionState{{Topic: "orders", Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, Replicas: all3, ISR: all3}},
		Voters: 3, StepDown: second / 2, ProducerExpiration: time.Hour}
	for b := int32(1); b <= 3; b++ {
		v.Brokers = append(v.Brokers, BrokerView{Broker: b, Running: true, Registered: true, Incarnation: 1})
		v.Replicas = append(v.Replicas, ReplicaView{Topic: "orders", Broker: b, Leader: b == 1, LeaderEpoch: 1,
			HighWatermark: 10, LogEnd: 10, EpochStart: None})
		v.Controllers = append(v.Controllers, ControllerView{Node: b, Running: true, Leader: b == 1, Epoch: 1, VotedFor: 1, HighWatermark: 50, LogEnd: 50})
	}
	v.Replicas[0].EpochStart, v.Replicas[0].PartitionEpoch = 0, 1
	v.Replicas[0].ISR, v.Replicas[0].MaximalISR = all3, all3
	return v
}

// lead makes another broker the leader.
func (v *ClusterView) lead(broker, epoch int32, start int64) {
	for i := range v.Replicas {
		r := &v.Replicas[i]
		if r.Leader = r.Broker == broker; r.Leader {
			r.LeaderEpoch, r.EpochStart, r.PartitionEpoch, r.MaximalISR = epoch, start, epoch, v.Partitions[0].ISR
		}
	}
	v.Partitions[0].Leader, v.Partitions[0].LeaderEpoch, v.Partitions[0].PartitionEpoch = broker, epoch, epoch
}

// lag has a replica lack what is committed, which has not heard of its leader yet.
func (v *ClusterView) lag(broker int32) {
	r := &v.Replicas[broker-1]
	r.LeaderEpoch, r.LogEnd, r.HighWatermark = 0, 8, 8
}

func newWatcher() *Watcher {
	return NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true}})
}

func TestWatcherOfAHealthyCluster(t *testing.T) {
	w := newWatcher()
	for i := range time.Duration(5) {
		v := cluster(i * second)
		v.Replicas[1].Log = claims{batches: batches{{0, 4, 0, 7}, {5, 9, 1, 7}}, epochs: []EpochEntry{{0, 0}, {1, 5}},
			producers: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 5, LastOffset: 9}}, written: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 5, LastOffset: 9}}}
		w.Observe(v)
		w.ObserveController(v.Time, &v.Controllers[0])
	}
	v := cluster(6 * second)
	v.lead(2, 2, 10)
	w.Observe(v)
	got := w.Verdict()
	require.Equal(t, Pass, got.Status)
	require.Empty(t, got.Findings)
	require.Equal(t, []EpochStart{
		{Topic: "orders", Time: 0, LeaderEpoch: 1, Leader: 1, StartOffset: 0},
		{Topic: "orders", Time: 6 * second, LeaderEpoch: 2, Leader: 2, StartOffset: 10},
	}, w.EpochStarts())
	for i, k := range got.Checks {
		if i != wLogMatching && i != wQuorumMatching && i != wStable && i != wProgress && i != wCounted && i != wJoinedLife && i != wJoinedStart && i != wCompacted && i != wTombstones {
			require.Positive(t, k.Inputs, k.Name)
		}
	}
}

type plantedCase struct {
	name   string
	damage func(v *ClusterView)
	check  int
	says   string
}

// Each case shows a healthy picture at 0 s, the damaged one at 1 s and 2 s.
func TestWatcherFindsWhatIsPlanted(t *testing.T) {
	planted := map[int]bool{}
	for _, c := range append(plantedInJoining, []plantedCase{
		{"two leaders in an epoch", func(v *ClusterView) { v.Replicas[1].Leader = true }, wSingleLeader,
			"orders-0 has two leaders in leader epoch 1: brokers 1 and 2, at 1.000 s"},
		{"last stable offset beyond the high watermark", func(v *ClusterView) { v.Replicas[0].Stable = 11 }, wStable,
			"the last stable offset of orders-0 is 11 on leader 1 in epoch 1, beyond its high watermark 10, at 1.000 s"},
		{"high watermark falls", func(v *ClusterView) { v.Replicas[0].HighWatermark = 9 }, wHighMonotone,
			"the high watermark of orders-0 fell from 10 to 9 within leader epoch 1 on broker 1, at 1.000 s"},
		{"high watermark above the log end", func(v *ClusterView) { v.Replicas[2].HighWatermark = 11 }, wWithinLog,
			"broker 3 has orders-0 from offset 0 to 10 with its high watermark at 11"},
		{"new leader lacks committed records", func(v *ClusterView) { v.lead(3, 2, 8); v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8 }, wLeaderComplete,
			"broker 3 became leader of orders-0 in epoch 2 with its log ending at offset 8, but everything below 10 was committed, seen at 1.000 s"},
		{"member of the ISR lacks committed records", func(v *ClusterView) { v.lag(3) }, wCandidateComplete,
			"broker 3 could be elected leader of orders-0 (ISR [1 2 3], ELR []) with its log ending at offset 8, but everything below 10 was committed, at 2.000 s"},
		{"member of the ELR lacks committed records", func(v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].ELR, v.Partitions[0].PartitionEpoch = []int32{1, 2}, []int32{3}, 2
			v.lag(3)
		}, wCandidateComplete, "(ISR [1 2], ELR [3])"},
		{"a follower lacks committed records", func(v *ClusterView) { v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8 }, wFollowerComplete,
			"broker 3 follows leader 1 of orders-0 in epoch 1, which waits for it (ISR [1 2 3], asked for [1 2 3]), with its log ending at offset 8, but everything below 10 was committed, at 1.000 s"},
		{"a member of the ISR lacks committed records in another epoch", func(v *ClusterView) { v.lag(3) }, wFollowerComplete,
			"broker 3 is in epoch 0 of orders-0, and leader 1 in epoch 1, which waits for it (ISR [1 2 3], asked for [1 2 3]), with its log ending at offset 8, but everything below 10 was committed, at 1.000 s"},
		{"a follower that is asked for lacks what another leader committed", func(v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].PartitionEpoch = []int32{1, 2}, 2
			v.lead(1, 2, 10)
			v.Replicas[0].ISR, v.Replicas[0].MaximalISR = []int32{1, 2}, all3
			v.Replicas[0].HighWatermark, v.Replicas[1].LeaderEpoch = 5, 2
			v.Replicas[2].LeaderEpoch, v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 2, 6, 5
		}, wFollowerComplete, "(ISR [1 2], asked for [1 2 3]), with its log ending at offset 6, but everything below 10 was committed"},
		{"a leader counts on more than a follower has", func(v *ClusterView) {
			v.Brokers[2].Epoch = 7
			v.Replicas[0].Progress = []Progress{{Broker: 3, Epoch: 7, Registered: 7, LogEnd: 11}}
		}, wProgress, "leader 1 of orders-0 in epoch 1 counts on broker 3 to have everything below 11, but its log ends at 10, at 1.000 s"},
		{"committed records are nowhere", func(v *ClusterView) {
			for i := range v.Replicas {
				v.lag(v.Replicas[i].Broker)
				v.Replicas[i].Leader = false
			}
		}, wSurvives, "no replica of orders-0 holds what was committed from offset 8 to 9, at 1.000 s"},
		{"a log begins beyond what is committed", func(v *ClusterView) {
			v.Replicas[2].LogStart, v.Replicas[2].HighWatermark, v.Replicas[2].LogEnd = 11, 11, 11
		}, wLogStart, "the log of orders-0 on broker 3 begins at offset 11 at 1.000 s, but nothing from 10 on was ever committed"},
		{"a fenced broker in the ISR", func(v *ClusterView) { v.Brokers[2].Fenced = true }, wFenced,
			"broker 3 is fenced and still in the ISR of orders-0 ([1 2 3], partition epoch 1), at 1.000 s"},
		{"a leader out of the ISR", func(v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].PartitionEpoch = []int32{2, 3}, 2
		}, wLeaderInSync, "broker 1 leads orders-0 in epoch 1, but is not in the ISR [2 3], at 1.000 s"},
		{"a member is dropped for nothing", func(v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].ELR, v.Partitions[0].PartitionEpoch = []int32{1}, nil, 2
			v.Replicas[0].MaximalISR = all3
		}, wRecoveryQuorum, "broker 2 of orders-0 is relied on no more, although no fault has taken anything from it and only broker 1 is left of min.insync.replicas=2 (ISR [1], ELR []), at 1.000 s"},
		{"the leader forgets a member of the ELR and commits", func(v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].ELR, v.Partitions[0].PartitionEpoch = []int32{1}, []int32{2, 3}, 2
			v.Replicas[0].ISR, v.Replicas[0].MaximalISR = []int32{1, 2}, []int32{1, 2}
		}, wSuperset, "the controller may elect broker 3 for orders-0 (ISR [1], ELR [2 3], partition epoch 2), but leader 1 waits only for [1 2]"},
		{"a controller that hears of nobody", func(v *ClusterView) { v.Controllers[0].Cut = []int32{2, 3} }, wQuorumMajority,
			"voter 1 is still leader of the metadata quorum in epoch 1 at 2.000 s, although since 1.000 s at most 1 of 3 voters could have followed it"},
		{"a controller that hears of nobody but one that is paused", func(v *ClusterView) {
			v.Controllers[0].Cut, v.Controllers[1].Running = []int32{3}, false
		}, wQuorumMajority, "at most 1 of 3 voters could have followed it"},
		{"a controller that others have left", func(v *ClusterView) {
			v.Controllers[1].Epoch, v.Controllers[2].Epoch, v.Controllers[1].Leader = 2, 2, true
		}, wQuorumMajority, "at most 1 of 3 voters could have followed it"},
		{"metadata committed without a record of the leader's epoch", func(v *ClusterView) {
			v.Controllers[0].Leader = false
			v.Controllers[1].Leader, v.Controllers[1].Epoch = true, 2
			v.Controllers[1].LogEnd, v.Controllers[1].Log = 61, batches{{0, 59, 1, 7}, {60, 60, 2, 7}}
			if v.Time == 2*second {
				v.Controllers[1].HighWatermark = 60
			}
		}, wQuorumOwnEpoch, "voter 2, leader of the metadata quorum in epoch 2, takes everything below 60 for committed at 2.000 s, which includes no record of its own epoch"},
		{"the leader forgets a member of the ISR", func(v *ClusterView) { v.Replicas[0].MaximalISR = []int32{1, 2} }, wSuperset,
			"the controller may elect broker 3 for orders-0 (ISR [1 2 3], ELR [], partition epoch 1), but leader 1 waits only for [1 2]"},
		{"two controllers in an epoch", func(v *ClusterView) { v.Controllers[1].Leader = true }, wQuorumLeader,
			"the metadata quorum has two leaders in epoch 1: voters 1 and 2"},
		{"a voter loses committed metadata", func(v *ClusterView) { v.Controllers[2].LogEnd = 40 }, wQuorumComplete,
			"voter 3's metadata log ends at offset 40 at 1.000 s, although the voter itself had seen everything below 50 committed"},
		{"a controller without committed metadata", func(v *ClusterView) {
			v.Controllers = append(v.Controllers, ControllerView{Node: 4, Running: true, Leader: true, Epoch: 2, LogEnd: 40})
		}, wQuorumComplete, "voter 4 became leader of the metadata quorum in epoch 2 with its log ending at offset 40, but everything below 50 was committed"},
		{"replicas differ below the high watermark", func(v *ClusterView) {
			v.Replicas[0].Log = batches{{0, 4, 1, 7}, {5, 9, 1, 8}}
			v.Replicas[1].Log = batches{{0, 4, 1, 7}, {5, 9, 1, 9}}
		}, wLogMatching, "below the high watermark, orders-0 differs: offsets 5 to 9 of epoch 1 (CRC 00000008) on leader 1, offsets 5 to 9 of epoch 1 (CRC 00000009) on broker 2"},
		{"a replica lacks a batch below the high watermark", func(v *ClusterView) {
			v.Replicas[0].Log, v.Replicas[1].Log = batches{{0, 4, 1, 7}, {5, 9, 1, 8}}, batches{{0, 4, 1, 7}}
		}, wLogMatching, "offsets 5 to 9 of epoch 1 (CRC 00000008) on leader 1, nothing on broker 2"},
		{"voters differ", func(v *ClusterView) {
			v.Controllers[0].Log, v.Controllers[1].Log = batches{{0, 49, 1, 7}}, batches{{0, 49, 1, 8}}
		}, wQuorumMatching, "below the high watermark, the metadata log differs"},
	}...) {
		planted[c.check] = true
		t.Run(c.name, func(t *testing.T) {
			w := newWatcher()
			w.Observe(cluster(0))
			for _, at := range []time.Duration{1, 2} {
				v := cluster(at * second)
				c.damage(&v)
				w.Observe(v)
				w.observeControllers(&v)
			}
			got := w.Verdict()
			require.Equal(t, Failed, got.Status)
			require.Equal(t, Failed, got.Checks[c.check].Status, "%+v", got)
			said := ""
			for _, f := range got.Findings {
				said += f.Sentence + "\n"
			}
			require.Contains(t, said, c.says)
		})
	}
	for i, k := range watcherChecks {
		if i == wDistrusted || i == wCompacted || i == wTombstones {
			continue // they have tests of their own
		}
		require.True(t, planted[i], "nothing is planted for %q", k.name)
	}
}

func (w *Watcher) observeControllers(v *ClusterView) {
	for i := range v.Controllers {
		if n := &v.Controllers[i]; n.Leader {
			w.ObserveController(v.Time, n)
		}
	}
}

func TestWatcherExcusesWhatFaultsTook(t *testing.T) {
	w := newWatcher()
	w.Observe(cluster(0))
	w.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: second / 2, Lossy: true})
	v := cluster(second)
	v.lead(3, 2, 8)
	for i := range v.Replicas {
		v.Replicas[i].LogEnd, v.Replicas[i].HighWatermark = 8, 8
	}
	w.Observe(v)
	v.Time = 2 * second
	w.Observe(v)
	got := w.Verdict()
	require.Empty(t, got.Findings)
	require.Len(t, got.Excused, 1)
	require.Contains(t, got.Excused[0].Reason, "every electable replica (brokers 1, 2 and 3) had been struck")
}

// What an unclean election took is excused from where the logs part, also if the
// new leader's batch there reaches beyond what the other replica had committed.
func TestWatcherExcusesFromWhereLogsPart(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: unclean}})
		v := cluster(0)
		v.Partitions[0].ISR, v.Replicas[0].ISR = []int32{1, 2}, []int32{1, 2}
		v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8
		w.Observe(v)
		v = cluster(second)
		v.lead(3, 2, 8)
		v.Partitions[0].ISR = []int32{3}
		v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 13, 13
		v.Replicas[2].Log = batches{{0, 7, 1, 7}, {8, 12, 2, 9}}
		v.Replicas[0].Log = batches{{0, 7, 1, 7}, {8, 8, 1, 8}, {9, 9, 1, 8}}
		w.Observe(v)
		v.Time += second
		v.Replicas[0].Log = batches{{0, 7, 1, 7}} // it is cutting, its high watermark still says 10
		w.Observe(v)
		got := w.Verdict()
		require.Equal(t, unclean, got.Checks[wLogMatching].Status == Pass, "%+v", got.Findings)
		if !unclean {
			require.Contains(t, got.Findings[len(got.Findings)-1].Sentence, "offsets 8 to 12 of epoch 2 (CRC 00000009) on leader 3, offsets 8 to 8 of epoch 1")
		}
	}
}

// A leader elected uncleanly may bring a tail of an older epoch, below where its
// own begins, which takes what others had committed there.
func TestWatcherExcusesTheTailOfAnUncleanLeader(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 1, ELR: true, UncleanElection: unclean}})
		v := cluster(0)
		for i := range v.Replicas {
			v.Replicas[i].HighWatermark = 9 // broker 1 has one more
			v.Replicas[i].LogEnd = []int64{10, 9, 9}[i]
		}
		w.Observe(v)
		v = cluster(second)
		v.lead(2, 2, 9)
		v.Partitions[0].ISR = []int32{2}
		v.Replicas[1].Log = batches{{0, 8, 1, 7}, {9, 9, 2, 7}}
		w.Observe(v)
		v = cluster(2 * second)
		v.lead(1, 3, 10)
		v.Partitions[0].ISR = []int32{1}
		v.Replicas[1].Log = batches{{0, 8, 1, 7}, {9, 9, 2, 7}}
		v.Replicas[0].Log = batches{{0, 8, 1, 7}, {9, 9, 1, 8}}
		w.Observe(v)
		require.Equal(t, unclean, w.Verdict().Status == Pass, "%+v", w.Verdict().Findings)
	}
}

// An unclean election may bring back what a clean one had cut, and another one take
// it again: that the two changes of what was committed were excused is enough, and
// both must be.
func TestWatcherExcusesEveryChangeOfWhatIsCommitted(t *testing.T) {
	for _, forbidden := range []int32{0, 3, 4} { // epoch whose election is clean
		w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 1, ELR: true, UncleanElection: true}})
		one := batches{{0, 7, 1, 7}, {8, 9, 1, 8}}
		two := batches{{0, 7, 1, 7}, {8, 9, 2, 9}}
		see := func(at int, leader, epoch int32, start int64, log batches, isr ...int32) {
			w.Began(EpochStart{Topic: "orders", Time: time.Duration(at) * second, Leader: leader, LeaderEpoch: epoch, StartOffset: start})
			v := cluster(time.Duration(at) * second)
			v.lead(leader, epoch, start)
			v.Partitions[0].ISR = isr
			for i := range v.Replicas {
				r := &v.Replicas[i]
				r.HighWatermark = 8
				if r.MaximalISR = isr; r.Broker == leader {
					r.HighWatermark, r.Log = 10, log
				}
			}
			if epoch == 4 {
				v.Replicas[0].HighWatermark, v.Replicas[0].LeaderEpoch, v.Replicas[0].Log = 10, 3, one
			}
			w.Observe(v)
		}
		isr := func(epoch, leader int32) []int32 { // as the election of epoch finds it
			if epoch == forbidden {
				return []int32{1, 2}
			}
			return []int32{leader}
		}
		v := cluster(0)
		v.Replicas[0].HighWatermark, v.Replicas[1].HighWatermark, v.Replicas[2].HighWatermark = 8, 8, 8
		v.Partitions[0].ISR, v.Replicas[0].Log = []int32{1, 2}, one
		w.Began(EpochStart{Topic: "orders", Leader: 1, LeaderEpoch: 1})
		w.Observe(v)
		see(1, 2, 2, 8, two, isr(3, 2)...)
		see(2, 1, 3, 10, one, isr(4, 1)...)
		see(3, 2, 4, 10, two, 2)
		require.Equal(t, forbidden == 0, w.Verdict().Status == Pass, "epoch %d elected cleanly: %+v", forbidden, w.Verdict().Findings)
	}
}

// It may have been an earlier election than that of the present leader which took
// what a follower still holds, but none that began above it.
func TestWatcherExcusesWhatAnEarlierElectionTook(t *testing.T) {
	for start, excused := range map[int64]bool{8: true, 9: false} {
		w := newWatcher()
		w.Observe(cluster(0))
		w.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{1, 2, 3}, Start: second / 2, Lossy: true})
		v := cluster(second)
		v.lead(3, 2, start)
		v.Partitions[0].ISR = []int32{3}
		v.Replicas = v.Replicas[2:] // the others are cut off
		v.Replicas[0].LogEnd, v.Replicas[0].HighWatermark = start, start
		w.Observe(v)
		// It is sound again before it is elected for the second time.
		w.AddPartitionState(PartitionState{Topic: "orders", Time: second, Leader: None, LeaderEpoch: 2, PartitionEpoch: 3})
		w.AddPartitionState(PartitionState{Topic: "orders", Time: second, Leader: None, LeaderEpoch: 2, PartitionEpoch: 4, ISR: []int32{3}})
		v = cluster(2 * second)
		v.Partitions[0].ISR = []int32{3}
		v.lead(3, 3, 8)
		v.Partitions[0].PartitionEpoch = 5
		v.Replicas[2].Log = batches{{0, 7, 1, 7}, {8, 9, 3, 9}}
		v.Replicas[0].Log = batches{{0, 7, 1, 7}, {8, 9, 1, 8}}
		w.Observe(v)
		require.Equal(t, excused, w.Verdict().Checks[wLogMatching].Status == Pass, "%+v", w.Verdict().Findings)
	}
}

// Nothing can have taken a record before the epoch began that it is of.
func TestWatcherExcusesDifferencesByWhatStruckSince(t *testing.T) {
	for began, excused := range map[time.Duration]bool{second / 4: true, second * 3 / 4: false} {
		w := newWatcher()
		w.AddPartitionState(cluster(0).Partitions[0])
		w.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: second / 2, Lossy: true})
		w.Began(EpochStart{Topic: "orders", Time: began, LeaderEpoch: 1, Leader: 1})
		v := cluster(second)
		w.Observe(v)
		v = cluster(2 * second)
		v.lead(3, 2, 8)
		w.Began(EpochStart{Topic: "orders", Time: 2 * second, LeaderEpoch: 2, Leader: 3, StartOffset: 8})
		v.Replicas[2].Log, v.Replicas[0].Log = batches{{0, 7, 1, 7}, {8, 9, 2, 9}}, batches{{0, 7, 1, 7}, {8, 9, 1, 8}}
		w.Observe(v)
		require.Equal(t, excused, w.Verdict().Checks[wLogMatching].Status == Pass, "%+v", w.Verdict().Findings)
	}
}

// A batch that reaches beyond a high watermark is compared too, as a whole.
func TestWatcherComparesEveryBatch(t *testing.T) {
	w := newWatcher()
	for i, high := range []int64{0, 5} {
		v := cluster(time.Duration(i) * second)
		v.Replicas[1].HighWatermark = high
		v.Replicas[0].Log, v.Replicas[1].Log = batches{{0, 9, 1, 7}}, batches{{0, 9, 1, 8}}
		w.Observe(v)
		require.Len(t, w.Verdict().Findings, i)
	}
}

// What was lost is compared again once it is written anew.
func TestWatcherComparesWhatIsWrittenAnew(t *testing.T) {
	w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, UncleanElection: true}})
	v := cluster(0)
	v.Partitions[0].ISR, v.Replicas[0].ISR = []int32{1, 2}, []int32{1, 2}
	v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 5, 5
	for i := range 2 {
		v.Replicas[i].Log = batches{{0, 4, 1, 7}, {5, 9, 1, 7}}
	}
	w.Observe(v)
	for at := range time.Duration(2) {
		v = cluster((at + 1) * second)
		v.lead(3, 2, 5)
		v.Partitions[0].ISR = []int32{3}
		v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark, v.Replicas[2].Log = 5, 5, batches{{0, 4, 1, 7}}
		v.Replicas = v.Replicas[1:] // broker 1 is gone
		v.Replicas[0].LogEnd, v.Replicas[0].HighWatermark, v.Replicas[0].Log = 5, 5, batches{{0, 4, 1, 7}}
		if at > 0 {
			for i := range v.Replicas {
				v.Replicas[i].LogEnd, v.Replicas[i].HighWatermark = 10, 10
			}
			v.Replicas[0].Log, v.Replicas[1].Log = batches{{0, 4, 1, 7}, {5, 9, 2, 8}}, batches{{0, 4, 1, 7}, {5, 9, 2, 9}}
		}
		w.Observe(v)
	}
	// Offset 5 was lost to the election, but no election made the two differ.
	require.Contains(t, codes(w.Verdict()), "K12", "%+v", w.Verdict())
}

func TestWatcherDoesNotCryWolf(t *testing.T) {
	short := func(v *ClusterView) { v.lag(3) }
	for name, damage := range map[string]func(w *Watcher, v *ClusterView){
		"out of the ISR": func(_ *Watcher, v *ClusterView) {
			short(v)
			v.Partitions[0].ISR = []int32{1, 2}
			v.Partitions[0].PartitionEpoch = 2
		},
		"down":               func(_ *Watcher, v *ClusterView) { short(v); v.Brokers[2].Running = false },
		"not yet registered": func(_ *Watcher, v *ClusterView) { short(v); v.Brokers[2].Registered = false },
		"leader knows newer": func(_ *Watcher, v *ClusterView) { short(v); v.Replicas[0].PartitionEpoch = 5 },
		"no controller":      func(_ *Watcher, v *ClusterView) { short(v); v.Controllers = nil },
		"a controller catching up": func(_ *Watcher, v *ClusterView) {
			short(v)
			v.Controllers[0].Leader, v.Controllers[1].Leader, v.Controllers[1].Epoch, v.Controllers[1].HighWatermark = false, true, 2, 20
		},
		"only for an instant": func(_ *Watcher, v *ClusterView) {
			if v.Time == second {
				short(v)
				v.Partitions[0].PartitionEpoch++ // the leader has not heard of it
			}
		},
		"an old leader that does not know yet": func(_ *Watcher, v *ClusterView) {
			old := v.Replicas[0]
			v.lead(2, 2, 10)
			v.Replicas[0] = old
		},
		"a follower that nobody waits for": func(_ *Watcher, v *ClusterView) {
			v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8
			v.Partitions[0].ISR, v.Replicas[0].ISR, v.Replicas[0].MaximalISR = []int32{1, 2}, []int32{1, 2}, []int32{1, 2}
			v.Partitions[0].PartitionEpoch, v.Replicas[0].PartitionEpoch = 2, 2
		},
		"a follower that lost power": func(w *Watcher, v *ClusterView) {
			v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8
			w.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{3}, Start: second / 2, Lossy: true})
		},
		"all of them lost power": func(w *Watcher, v *ClusterView) {
			w.AddFault(Fault{Kind: PowerLoss, Brokers: all3, Start: second / 2, Lossy: true})
			for i := range v.Replicas {
				v.lag(v.Replicas[i].Broker)
				v.Replicas[i].Leader = false
			}
		},
		"not all replicas are seen": func(w *Watcher, v *ClusterView) {
			v.lag(2)
			v.lag(3)
			v.Partitions[0].ISR, v.Partitions[0].PartitionEpoch = []int32{1, 2}, 2
			v.Brokers[0].Running, v.Brokers[1].Running = false, false
			v.Replicas = v.Replicas[1:]
		},
		"dropped after a loss of power": func(w *Watcher, v *ClusterView) {
			w.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{2, 3}, Start: second / 2, Lossy: true})
			v.Partitions[0].ISR, v.Partitions[0].PartitionEpoch = []int32{1}, 2
		},
		"min.insync.replicas was lowered": func(w *Watcher, v *ClusterView) {
			v.Partitions[0].ISR, v.Partitions[0].PartitionEpoch, v.Partitions[0].MinISR = []int32{1}, 2, 1
		},
		"a controller that was cut off and paused": func(_ *Watcher, v *ClusterView) {
			v.Controllers[0].Cut = []int32{2, 3}
			v.Controllers[0].Running = v.Time > second
		},
		"a voter that cannot be looked at": func(_ *Watcher, v *ClusterView) {
			v.Controllers[0].Cut = []int32{3}
			v.Controllers[1] = ControllerView{Node: 2, Unseen: true}
		},
		"a voter that is paused at each picture, but not in between": func(_ *Watcher, v *ClusterView) {
			v.Controllers[0].Cut = []int32{3}
			v.Controllers[1].Running, v.Controllers[1].Ran = false, true
		},
		"a controller that has one voter": func(_ *Watcher, v *ClusterView) { v.Controllers[0].Cut = []int32{3} },
		"a controller that begins": func(_ *Watcher, v *ClusterView) {
			v.Controllers[0].Leader = false
			v.Controllers[1].Leader, v.Controllers[1].Epoch = true, 2
			v.Controllers[1].LogEnd, v.Controllers[1].Log = 61, batches{{0, 59, 1, 7}, {60, 60, 2, 7}}
			if v.Time == 2*second {
				v.Controllers[1].HighWatermark, v.Controllers[2].LogEnd = 61, 61
			}
		},
		"it lost power": func(w *Watcher, v *ClusterView) {
			short(v)
			w.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{3}, Start: second / 2, Lossy: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatcher()
			w.Observe(cluster(0))
			for _, at := range []time.Duration{1, 2} {
				v := cluster(at * second)
				damage(w, &v)
				w.Observe(v)
				w.observeControllers(&v)
			}
			require.Empty(t, w.Verdict().Findings)
		})
	}
}

// What a leader took for committed that does not know yet of the election that
// took it is committed no more.
func TestWatcherDoesNotBelieveLeadersOfLostEpochs(t *testing.T) {
	w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true, UncleanElection: true}})
	for at := range time.Duration(3) {
		v := cluster(at * second)
		v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark = 8, 8
		v.Partitions[0].ISR, v.Replicas[0].ISR, v.Replicas[0].MaximalISR = []int32{1, 2}, []int32{1, 2}, []int32{1, 2}
		if at > 0 {
			old := v.Replicas[0]
			v.Partitions[0].ISR = []int32{2, 3}
			v.Replicas[1].LogEnd, v.Replicas[1].HighWatermark = 8, 8
			v.lead(3, 2, 8)
			v.Replicas[0] = old
		}
		w.Observe(v)
	}
	require.Empty(t, w.Verdict().Findings)
	require.NotEmpty(t, w.Verdict().Excused)
}

func TestWatcherWaitsForConfirmation(t *testing.T) {
	w := newWatcher()
	w.Observe(cluster(0))
	for i := range 3 {
		v := cluster(second + time.Duration(i)*confirmAfter/3)
		v.lag(3)
		v.Partitions[0].PartitionEpoch++ // the leader has not heard of it
		w.Observe(v)
	}
	require.Empty(t, w.Verdict().Findings)
}

func TestWatcherHoldsBrokersToWhatClientsWereTold(t *testing.T) {
	w := newWatcher()
	l := NewLog(nil)
	l.OnCommitted(w.Committed)
	w.Observe(cluster(0))
	n := l.Invoke(Op{F: Send, Topic: "orders", Value: 1, Acks: -1})
	l.Complete(n, Op{Time: second / 2, Type: OK, Offset: 11})
	w.Observe(cluster(second))
	w.Observe(cluster(2 * second))
	require.Contains(t, w.Verdict().Findings[0].Sentence, "but everything below 12 was committed")
}

func TestWatcherThatCannotReadALogIsNotSure(t *testing.T) {
	w := newWatcher()
	v := cluster(0)
	v.Replicas[0].Log, v.Replicas[1].Log = batches{}, unreadable{}
	w.Observe(v)
	require.Equal(t, Unknown, w.Verdict().Status)
}

type batches []BatchID

func (b batches) Batches(from, to int64, yield func(BatchID) bool) error {
	for _, id := range b {
		if id.BaseOffset >= from && id.LastOffset < to && !yield(id) {
			break
		}
	}
	return nil
}

// Epochs implements LogView.
func (b batches) Epochs() []EpochEntry {
	var all []EpochEntry
	for _, id := range b {
		if n := len(all); n == 0 || all[n-1].Epoch < id.LeaderEpoch {
			all = append(all, EpochEntry{id.LeaderEpoch, id.BaseOffset})
		}
	}
	return all
}

// Producers implements LogView.
func (b batches) Producers() ([]ProducerEntry, int64) { return nil, math.MaxInt64 }

// Keyed implements LogView.
func (b batches) Keyed(int64, int64, func(KeyedRecord)) error { return nil }

// Cuts implements LogView.
func (b batches) Cuts() uint64 { return 0 }

// ProducerOf implements LogView.
func (b batches) ProducerOf(int64, int64) (ProducerEntry, bool) { return ProducerEntry{}, false }

type unreadable struct{ batches }

func (unreadable) Batches(int64, int64, func(BatchID) bool) error {
	return errors.New("input/output error")
}
