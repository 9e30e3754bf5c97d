package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// fixture is a machine with the log it writes.
type fixture struct {
	t interface {
		require.TestingT
		Helper()
	}
	m     *machine
	img   *metadata.Image
	now   time.Duration
	log   []metadata.Record
	lives map[int32]byte
	// The epoch that each broker had last, as far as it knows.
	epochs map[int32]int64
}

func newFixture(t interface {
	require.TestingT
	Helper()
}, brokers int32, minISR int32) *fixture {
	f := &fixture{t: t, m: newMachine(Config{ClusterID: "c", Settings: config.NewStatic(1, map[string]string{config.MinInsyncReplicas: fmt.Sprint(minISR)})}.withDefaults()), img: metadata.Empty(), lives: map[int32]byte{}, epochs: map[int32]int64{}}
	for id := int32(1); id <= brokers; id++ {
		f.register(id, false)
		f.beat(id)
	}
	return f
}

func (f *fixture) transact(fn func(*txn)) {
	f.t.Helper()
	tx := newTxn(f.img, int64(len(f.log)))
	fn(tx)
	require.NoError(f.t, tx.err)
	f.log = append(f.log, tx.records...)
	f.img, _ = tx.ed.Done()
}

func (f *fixture) do(req kmsg.Request) kmsg.Response {
	f.t.Helper()
	var resp kmsg.Response
	f.transact(func(tx *txn) { resp = f.m.handle(f.now, tx, req) })
	return resp
}

func (f *fixture) register(id int32, clean bool) int16 {
	f.t.Helper()
	if b := f.img.Broker(id); b != nil {
		f.epochs[id] = b.Epoch
	}
	f.lives[id]++
	req := registration(id)
	req.IncarnationID[1] = f.lives[id]
	req.PreviousBrokerEpoch = -1
	if epoch, ok := f.epochs[id]; clean && ok {
		req.PreviousBrokerEpoch = epoch
	}
	return f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode
}

func (f *fixture) heartbeat(id int32, shutdown bool) *kmsg.BrokerHeartbeatResponse {
	f.t.Helper()
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch, req.WantShutdown = id, f.img.Broker(id).Epoch, shutdown
	req.CurrentMetadataOffset = f.img.Offset()
	return f.do(req).(*kmsg.BrokerHeartbeatResponse)
}

func (f *fixture) beat(ids ...int32) {
	f.t.Helper()
	for _, id := range ids {
		f.heartbeat(id, false)
	}
}

// silence lets everyone's session end but those of the brokers named.
func (f *fixture) silence(except ...int32) {
	f.t.Helper()
	f.now += f.m.cfg.BrokerSessionTimeout
	f.beat(except...)
	f.transact(func(tx *txn) { f.m.expire(f.now, tx) })
}

func (f *fixture) topic(name string, replicas ...int32) metadata.TopicPartition {
	f.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, -1, -1
	rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: replicas}}
	req.Topics = append(req.Topics, rt)
	result := f.do(req).(*kmsg.CreateTopicsResponse).Topics[0]
	require.Zero(f.t, result.ErrorCode, "%v", result.ErrorMessage)
	return metadata.TopicPartition{Topic: name}
}

func (f *fixture) config(topic, name, value string) {
	f.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, kmsg.StringPtr(value)
	res.Configs = append(res.Configs, c)
	req.Resources = append(req.Resources, res)
	require.Zero(f.t, f.do(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}

// alter asks, as the partition's leader, for an ISR.
func (f *fixture) alter(tp metadata.TopicPartition, isr ...int32) *kmsg.AlterPartitionResponseTopicPartition {
	f.t.Helper()
	return f.alterWith(tp, func(*kmsg.AlterPartitionRequest, *kmsg.AlterPartitionRequestTopicPartition) {}, isr...)
}

func (f *fixture) alterWith(tp metadata.TopicPartition, change func(*kmsg.AlterPartitionRequest, *kmsg.AlterPartitionRequestTopicPartition), isr ...int32) *kmsg.AlterPartitionResponseTopicPartition {
	f.t.Helper()
	p := f.img.Partition(tp)
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID = 3, p.Leader
	if b := f.img.Broker(p.Leader); b != nil {
		req.BrokerEpoch = b.Epoch
	}
	rp := kmsg.NewAlterPartitionRequestTopicPartition()
	rp.LeaderEpoch, rp.PartitionEpoch = p.LeaderEpoch, p.PartitionEpoch
	for _, id := range isr {
		e := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		e.BrokerID, e.BrokerEpoch = id, -1
		if b := f.img.Broker(id); b != nil {
			e.BrokerEpoch = b.Epoch
		}
		rp.NewEpochISR = append(rp.NewEpochISR, e)
	}
	rt := kmsg.NewAlterPartitionRequestTopic()
	rt.TopicID = p.TopicID
	change(req, &rp)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp := f.do(req).(*kmsg.AlterPartitionResponse)
	if resp.ErrorCode != 0 {
		return &kmsg.AlterPartitionResponseTopicPartition{ErrorCode: resp.ErrorCode}
	}
	return &resp.Topics[0].Partitions[0]
}

func (f *fixture) state(tp metadata.TopicPartition) string {
	p := f.img.Partition(tp)
	return fmt.Sprintf("leader %d epoch %d isr %v elr %v", p.Leader, p.LeaderEpoch, p.ISR, p.ELR)
}

// KIP-966: members that leave an ISR that is too small to commit anything stay
// eligible; one that restarts uncleanly does not.
func TestEligibleLeaderReplicas(t *testing.T) {
	f := newFixture(t, 3, 2)
	tp := f.topic("t", 1, 2, 3)
	require.Equal(t, "leader 1 epoch 0 isr [1 2 3] elr []", f.state(tp))
	f.silence(2, 3)
	require.Equal(t, "leader 2 epoch 1 isr [2 3] elr []", f.state(tp))
	f.silence(3)
	require.Equal(t, "leader 3 epoch 2 isr [3] elr [2]", f.state(tp))
	f.silence()
	require.Equal(t, "leader -1 epoch 3 isr [] elr [2 3]", f.state(tp))

	f.beat(1)
	require.Equal(t, "leader -1 epoch 3 isr [] elr [2 3]", f.state(tp), "1 may lack committed records")
	f.register(3, false)
	f.beat(3)
	require.Equal(t, "leader -1 epoch 3 isr [] elr [2]", f.state(tp), "3 restarted uncleanly")
	f.beat(2)
	require.Equal(t, "leader 2 epoch 4 isr [2] elr []", f.state(tp), "the ELR holds everything committed")
	require.Zero(t, f.alter(tp, 2, 3).ErrorCode)
	require.Equal(t, "leader 2 epoch 4 isr [2 3] elr []", f.state(tp))
}

// A partition whose last complete member restarted uncleanly waits for the
// leader it had last.
func TestLastKnownLeader(t *testing.T) {
	f := newFixture(t, 3, 2)
	tp := f.topic("t", 1, 2, 3)
	f.silence(3)
	require.Equal(t, "leader 3 epoch 1 isr [3] elr [1 2]", f.state(tp))
	f.register(1, false)
	f.register(2, false)
	f.silence()
	f.register(3, false)
	require.Equal(t, "leader -1 epoch 2 isr [] elr []", f.state(tp))
	f.beat(1, 2)
	require.Equal(t, metadata.NoLeader, f.img.Partition(tp).Leader)
	f.beat(3)
	require.Equal(t, "leader 3 epoch 3 isr [3] elr []", f.state(tp))
	require.True(t, f.img.Partition(tp).Recovering)
	require.Zero(t, f.alter(tp, 3).ErrorCode)
	require.False(t, f.img.Partition(tp).Recovering)
}

func TestUncleanElectionOnlyWhereAllowed(t *testing.T) {
	f := newFixture(t, 3, 1)
	strict, lax := f.topic("strict", 1, 2), f.topic("lax", 1, 2)
	f.config("lax", config.UncleanLeaderElection, "true")
	for _, tp := range []metadata.TopicPartition{strict, lax} {
		require.Zero(t, f.alter(tp, 1).ErrorCode)
	}
	f.silence(2, 3)
	require.Equal(t, "leader -1 epoch 1 isr [] elr [1]", f.state(strict))
	require.Equal(t, "leader 2 epoch 1 isr [2] elr []", f.state(lax))
	require.True(t, f.img.Partition(lax).Recovering)
	f.config("strict", config.UncleanLeaderElection, "true")
	require.Equal(t, "leader 2 epoch 2 isr [2] elr []", f.state(strict))
}

// Brokers that fall silent together are gone together. None of them is elected in
// place of another, least of all one that lacks what the other has.
func TestBrokersThatFallSilentTogetherDoNotSucceedEachOther(t *testing.T) {
	f := newFixture(t, 3, 1)
	lax, all := f.topic("lax", 1, 2), f.topic("all", 1, 2)
	f.config("lax", config.UncleanLeaderElection, "true")
	require.Zero(t, f.alter(lax, 1).ErrorCode)
	f.silence(3)
	require.Equal(t, "leader -1 epoch 1 isr [] elr [1]", f.state(lax))
	require.False(t, f.img.Partition(lax).Recovering)
	require.Equal(t, "leader -1 epoch 1 isr [] elr [1 2]", f.state(all), "both have everything")
	f.beat(1)
	require.Equal(t, "leader 1 epoch 2 isr [1] elr []", f.state(lax))
	require.False(t, f.img.Partition(lax).Recovering)
}

// A smaller min.insync.replicas lets the leader commit alone: the ELR ends.
func TestSmallerMinISRClearsELR(t *testing.T) {
	f := newFixture(t, 2, 2)
	tp := f.topic("t", 1, 2)
	f.silence(1)
	require.Equal(t, "leader 1 epoch 0 isr [1] elr [2]", f.state(tp))
	f.config("t", config.MinInsyncReplicas, "1")
	require.Equal(t, "leader 1 epoch 0 isr [1] elr []", f.state(tp))
}

func TestAlterPartitionIsRefused(t *testing.T) {
	type part = kmsg.AlterPartitionRequestTopicPartition
	type whole = kmsg.AlterPartitionRequest
	for _, c := range []struct {
		name   string
		isr    []int32
		change func(*whole, *part)
		want   *kerr.Error
	}{
		{"stale partition epoch (KIP-497)", []int32{1, 2}, func(_ *whole, p *part) { p.PartitionEpoch-- }, kerr.InvalidUpdateVersion},
		{"partition epoch from the future", []int32{1, 2}, func(_ *whole, p *part) { p.PartitionEpoch++ }, kerr.NotController},
		{"stale leader epoch", []int32{1, 2}, func(_ *whole, p *part) { p.LeaderEpoch-- }, kerr.FencedLeaderEpoch},
		{"not the leader", []int32{1, 2}, func(r *whole, _ *part) { r.BrokerID, r.BrokerEpoch = 2, 1<<40 }, kerr.StaleBrokerEpoch},
		{"without the leader", []int32{2, 3}, func(*whole, *part) {}, kerr.InvalidRequest},
		{"not a replica", []int32{1, 4}, func(*whole, *part) {}, kerr.InvalidRequest},
		{"twice the same", []int32{1, 2, 2}, func(*whole, *part) {}, kerr.InvalidRequest},
		{"fenced member (KIP-841)", []int32{1, 3}, func(*whole, *part) {}, kerr.IneligibleReplica},
		{"earlier life of a member (KIP-903)", []int32{1, 2}, func(_ *whole, p *part) { p.NewEpochISR[1].BrokerEpoch-- }, kerr.IneligibleReplica},
		{"earlier life of the leader", []int32{1, 2}, func(r *whole, _ *part) { r.BrokerEpoch-- }, kerr.StaleBrokerEpoch},
		{"recovering although it is not", []int32{1}, func(_ *whole, p *part) { p.LeaderRecoveryState = 1 }, kerr.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, 4, 1)
			tp := f.topic("t", 1, 2, 3)
			f.silence(1, 2, 4) // leader epoch stays 0, so move it once
			f.silence(2, 4)
			f.beat(1)
			require.Zero(t, f.alter(tp, 2, 1).ErrorCode)
			req := kmsg.NewPtrElectLeadersRequest()
			req.Version = 2
			f.do(req)
			require.Equal(t, "leader 1 epoch 2 isr [1 2] elr []", f.state(tp))
			before := f.state(tp)
			require.Equal(t, c.want.Code, f.alterWith(tp, c.change, c.isr...).ErrorCode)
			require.Equal(t, before, f.state(tp))
		})
	}
}

func TestAlterPartitionAnswersTheNewState(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2, 3)
	r := f.alter(tp, 3, 1)
	require.Equal(t, []int32{1, 3}, r.ISR)
	require.Equal(t, int32(1), r.PartitionEpoch)
	require.Equal(t, int32(0), r.LeaderEpoch)
	require.Equal(t, int32(2), f.alter(tp, 1, 3).PartitionEpoch, "what was proposed from the same epoch and is still under way must not be applied")
}

func TestControlledShutdown(t *testing.T) {
	f := newFixture(t, 3, 2)
	tp := f.topic("t", 1, 2, 3)
	first := f.heartbeat(1, true)
	require.False(t, first.ShouldShutdown, "the others have not heard of their leaderships")
	require.Equal(t, "leader 2 epoch 1 isr [2 3] elr []", f.state(tp))
	f.beat(2, 3)
	last := f.heartbeat(1, true)
	require.True(t, last.ShouldShutdown)
	require.True(t, f.img.Broker(1).Fenced)

	require.Zero(t, f.register(1, true), "after a controlled shutdown the session does not stand in the way")
	f.beat(1)
	require.True(t, f.img.Broker(1).Active())
}

// A clean restart proves that nothing was lost, so the broker stays eligible.
func TestCleanRestartStaysEligible(t *testing.T) {
	f := newFixture(t, 1, 1)
	tp := f.topic("t", 1)
	require.True(t, f.heartbeat(1, true).ShouldShutdown)
	require.Equal(t, "leader -1 epoch 1 isr [] elr [1]", f.state(tp))
	require.Zero(t, f.register(1, true))
	f.beat(1)
	require.Equal(t, "leader 1 epoch 2 isr [1] elr []", f.state(tp))
	require.False(t, f.img.Partition(tp).Recovering)
}

func TestPreferredElection(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2, 3)
	f.silence(2, 3)
	f.beat(1)
	elect := func() (int16, int) {
		req := kmsg.NewPtrElectLeadersRequest()
		req.Version = 2
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		resp := f.do(req).(*kmsg.ElectLeadersResponse)
		return resp.Topics[0].Partitions[0].ErrorCode, len(resp.Topics)
	}
	code, _ := elect()
	require.Equal(t, kerr.PreferredLeaderNotAvailable.Code, code, "1 is not in the ISR yet")
	require.Zero(t, f.alter(tp, 1, 2, 3).ErrorCode)
	code, _ = elect()
	require.Zero(t, code)
	require.Equal(t, int32(1), f.img.Partition(tp).Leader)
	code, _ = elect()
	require.Equal(t, kerr.ElectionNotNeeded.Code, code)
}

func TestALeaderIsMovedToWhoMayLead(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2, 3)
	require.Zero(t, f.alter(tp, 1, 2).ErrorCode)
	move := func(topic string, to int32) int16 {
		req := kmsg.NewPtrElectLeadersRequest()
		et := kmsg.NewElectLeadersRequestTopic()
		et.Topic, et.Partitions = topic, []int32{0}
		req.Topics = append(req.Topics, et)
		var resp kmsg.Response
		f.transact(func(tx *txn) { resp = f.m.moveLeader(tx, req, to) })
		return resp.(*kmsg.ElectLeadersResponse).Topics[0].Partitions[0].ErrorCode
	}
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, move("u", 2))
	require.Equal(t, kerr.ElectionNotNeeded.Code, move("t", 1))
	require.Equal(t, kerr.PreferredLeaderNotAvailable.Code, move("t", 3), "it is not in sync")
	require.Zero(t, move("t", 2))
	p := f.img.Partition(tp)
	require.Equal(t, int32(2), p.Leader)
	require.Equal(t, int32(1), p.LeaderEpoch)
	require.Equal(t, []int32{1, 2}, p.ISR)
}

func TestProducerIDBlocksNeverOverlap(t *testing.T) {
	f := newFixture(t, 2, 1)
	seen := int64(0)
	for i := range int32(5) {
		req := kmsg.NewPtrAllocateProducerIDsRequest()
		req.BrokerID = 1 + i%2
		req.BrokerEpoch = f.img.Broker(req.BrokerID).Epoch
		resp := f.do(req).(*kmsg.AllocateProducerIDsResponse)
		require.Zero(t, resp.ErrorCode)
		require.GreaterOrEqual(t, resp.ProducerIDStart, seen)
		seen = resp.ProducerIDStart + int64(resp.ProducerIDLen)
	}
}

// Whatever happens to brokers and partitions: a leader is in the ISR and alive,
// no fenced broker is in an ISR, ISR and ELR are disjoint replicas, the ELR
// exists only below min.insync.replicas, and the log alone gives the image.
func TestMachineInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minISR := rapid.Int32Range(1, 3).Draw(t, "min.insync.replicas")
		f := newFixture(t, 4, minISR)
		var tps []metadata.TopicPartition
		tps = append(tps, f.topic("a", 1, 2, 3), f.topic("b", 2, 3, 4), f.topic("c", 4), f.topic("d", 3, 1))
		f.config("d", config.UncleanLeaderElection, "true")
		may := mayLack{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.Int32Range(1, 4).Draw(t, "broker")
			tp := rapid.SampledFrom(tps).Draw(t, "partition")
			before := f.img
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1:
				if f.img.Broker(id) != nil {
					f.beat(id)
				}
			case 2:
				f.silence(slices.DeleteFunc(rapid.SliceOfDistinct(rapid.Int32Range(1, 4), rapid.ID[int32]).Draw(t, "except"),
					func(id int32) bool { return f.img.Broker(id) == nil })...)
			case 3:
				if f.register(id, false) == 0 {
					may.lose(tps, id)
				}
			case 4:
				known := f.img.Broker(id) != nil
				if f.register(id, true) == 0 && !known {
					may.lose(tps, id)
				}
			case 5:
				if f.img.Broker(id) != nil {
					f.heartbeat(id, true)
				}
			case 6, 7:
				if p := f.img.Partition(tp); p.Leader != metadata.NoLeader {
					f.alter(tp, rapid.SliceOfDistinct(rapid.SampledFrom(p.Replicas), rapid.ID[int32]).Draw(t, "isr")...)
				}
			case 9:
				unregister := kmsg.NewPtrUnregisterBrokerRequest()
				unregister.BrokerID = id
				f.do(unregister)
			case 8:
				f.config(tp.Topic, config.MinInsyncReplicas, fmt.Sprint(rapid.Int32Range(1, 3).Draw(t, "min")))
			}
			for _, topic := range f.img.Topics() {
				for _, p := range topic.Partitions {
					checkPartition(t, f, p)
					may.check(t, f, before, p)
				}
			}
		}
		again := metadata.Empty().Edit()
		for i, r := range f.log {
			decoded, err := metadata.DecodeRecord(metadata.EncodeRecord(r))
			require.NoError(t, err)
			require.NoError(t, again.Apply(decoded, int64(i)))
		}
		img, _ := again.Done()
		require.Equal(t, f.img.Brokers(), img.Brokers())
		for _, tp := range tps {
			require.Equal(t, f.state(tp), (&fixture{img: img}).state(tp))
		}
	})
}

// mayLack says which replicas may lack committed records: those that registered
// without proof that nothing was lost, until they were in sync again.
type mayLack map[metadata.TopicPartition]map[int32]bool

func (m mayLack) lose(tps []metadata.TopicPartition, id int32) {
	for _, tp := range tps {
		if m[tp] == nil {
			m[tp] = map[int32]bool{}
		}
		m[tp][id] = true
	}
}

// check holds that no such replica may be elected as if it had everything. It
// is in sync again when a leader that is above suspicion says so, and what it
// has is the truth when it was elected uncleanly.
func (m mayLack) check(t *rapid.T, f *fixture, before *metadata.Image, p *metadata.Partition) {
	old := before.Partition(p.TP())
	if p.Recovering {
		delete(m, p.TP())
	}
	for id := range m[p.TP()] { //weir:ordered each for itself
		require.False(t, p.InELR(id), "%v: %s: %d may lack records", p.TP(), f.state(p.TP()), id)
		if p.InISR(id) && !old.InISR(id) {
			require.True(t, old.Leader != metadata.NoLeader && old.Leader != id && p.Leader == old.Leader,
				"%v: %s: %d may lack records and was elected", p.TP(), f.state(p.TP()), id)
			delete(m[p.TP()], id)
		}
	}
}

func checkPartition(t *rapid.T, f *fixture, p *metadata.Partition) {
	where := fmt.Sprint(p.TP(), " ", f.state(p.TP()))
	if p.Leader != metadata.NoLeader {
		require.True(t, p.InISR(p.Leader), where)
	}
	for _, id := range p.ISR {
		require.True(t, f.img.Broker(id).Active(), where)
		require.True(t, p.HasReplica(id), where)
	}
	require.Equal(t, f.m.minISR(f.img, p.Topic), p.MinISR, where)
	for _, id := range p.ELR {
		require.True(t, p.HasReplica(id), where)
		require.False(t, p.InISR(id), where)
	}
	if len(p.ELR) > 0 {
		require.Less(t, len(p.ISR), p.EffectiveMinISR(), where)
	}
	if len(p.ISR) > 0 {
		require.NotEqual(t, metadata.NoLeader, p.Leader, "an ISR without leader: %s", where)
	}
	require.False(t, slices.Contains(p.LastKnownELR, metadata.NoLeader))
}
