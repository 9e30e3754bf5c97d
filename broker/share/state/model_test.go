package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// model is three brokers that keep one partition of __share_group_state by turns,
// leaders of one partition of a topic that replace one another, and somebody who moves
// the coordinator at any moment, cuts what is not committed and refuses appends.
//
// A leader reads, and then acknowledges one offset after the other. Whatever was
// acknowledged to it is to be there in the end; and nothing of a leader counts that was
// begun after a later one has read.
type model struct {
	t       *testing.T
	e       env.Env
	log     *coordinatortest.Log
	brokers []*Coordinator
	image   *metadata.Image

	read  int32          // the newest epoch in which a leader has read
	acked map[int64]bool // offsets whose write was answered
	done  int
}

const modelLeaders = 4

func (m *model) run(e env.Env) {
	m.e, m.log, m.acked = e, coordinatortest.NewLog(e), map[int64]bool{}
	for range 3 {
		c := NewCoordinator(e, Config{UpdatesPerSnapshot: 3, WriteTimeout: 300 * time.Millisecond, PruneInterval: 500 * time.Millisecond, ColdInterval: time.Second},
			Deps{Log: m.log, Image: func() *metadata.Image { return m.image }, Prune: func(int32, int64) {}})
		c.SetPartitions(1)
		m.brokers = append(m.brokers, c)
	}
	m.elect(0, 0)
	m.begin()
	var tasks []env.Task
	for epoch := range int32(modelLeaders) {
		tasks = append(tasks, e.Go("leader", func() { m.lead(epoch) }))
	}
	trouble := e.Go("trouble", m.trouble)
	for _, t := range tasks {
		t.Wait()
	}
	trouble.Wait()
	m.log.Hold(false)
	m.elect(0, 0)
	state, code := m.ask(&kmsg.ReadShareGroupStateRequest{GroupID: key1.Group, Topics: []kmsg.ReadShareGroupStateRequestTopic{{TopicID: key1.Topic,
		Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{LeaderEpoch: modelLeaders}}}}})
	require.Zero(m.t, code)
	for offset := range m.acked {
		require.True(m.t, covered(state, offset), "offset %d was acknowledged: %v", offset, state)
	}
	require.NotEmpty(m.t, m.acked)
	for _, b := range m.brokers {
		b.Stop()
	}
	for _, b := range m.brokers {
		b.Wait()
	}
}

func covered(s share.State, offset int64) bool {
	for _, b := range s.Batches {
		if b.First <= offset && offset <= b.Last {
			return b.State == share.Acknowledged
		}
	}
	return offset < s.StartOffset
}

// begin initializes the state.
func (m *model) begin() {
	req := &kmsg.InitializeShareGroupStateRequest{GroupID: key1.Group, Topics: []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: key1.Topic,
		Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{StateEpoch: 1, StartOffset: 0}}}}}
	_, code := m.ask(req)
	require.Zero(m.t, code)
}

// ask asks the brokers one after the other until the answer is final.
func (m *model) ask(req kmsg.Request) (share.State, int16) {
	for i := 0; ; i++ {
		state, code := answerOf(m.brokers[i%len(m.brokers)].Handle(req))
		switch code {
		case kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code:
			m.e.Sleep(10 * time.Millisecond)
			continue
		}
		return state, code
	}
}

func answerOf(resp kmsg.Response) (state share.State, code int16) {
	switch resp := resp.(type) {
	case *kmsg.InitializeShareGroupStateResponse:
		return state, resp.Topics[0].Partitions[0].ErrorCode
	case *kmsg.WriteShareGroupStateResponse:
		return state, resp.Topics[0].Partitions[0].ErrorCode
	}
	p := resp.(*kmsg.ReadShareGroupStateResponse).Topics[0].Partitions[0]
	state = share.State{StateEpoch: p.StateEpoch, StartOffset: p.StartOffset}
	for _, b := range p.StateBatches {
		state.Batches = append(state.Batches, share.Batch{First: b.FirstOffset, Last: b.LastOffset, State: share.DeliveryState(b.DeliveryState), DeliveryCount: b.DeliveryCount})
	}
	return state, p.ErrorCode
}

// lead is a leader of the partition in an epoch: it begins while the one before may
// still be at work.
func (m *model) lead(epoch int32) {
	r := m.e.Rand("leader", fmt.Sprint(epoch))
	m.e.Sleep(time.Duration(epoch) * time.Second)
	state, code := m.ask(&kmsg.ReadShareGroupStateRequest{GroupID: key1.Group, Topics: []kmsg.ReadShareGroupStateRequestTopic{{TopicID: key1.Topic,
		Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{LeaderEpoch: epoch}}}}})
	require.Zero(m.t, code, "nobody leads in a higher epoch yet")
	m.read = epoch
	for offset := range m.acked {
		require.True(m.t, covered(state, offset), "leader %d has read %v without offset %d", epoch, state, offset)
	}
	for range 100 {
		offset, later := r.Int64n(60), m.read
		p := kmsg.NewWriteShareGroupStateRequestTopicPartition()
		p.StateEpoch, p.LeaderEpoch, p.StartOffset = 1, epoch, -1
		p.StateBatches = []kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch{{FirstOffset: offset, LastOffset: offset, DeliveryState: int8(share.Acknowledged), DeliveryCount: 1}}
		_, code := m.ask(&kmsg.WriteShareGroupStateRequest{GroupID: key1.Group, Topics: []kmsg.WriteShareGroupStateRequestTopic{{TopicID: key1.Topic,
			Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{p}}}})
		if code == kerr.FencedLeaderEpoch.Code {
			break
		}
		require.Zero(m.t, code)
		require.LessOrEqual(m.t, later, epoch, "leader %d has read, and leader %d still writes", later, epoch)
		m.acked[offset] = true
		m.e.Sleep(time.Duration(r.Int64n(int64(30 * time.Millisecond))))
	}
	m.done++
}

// elect makes a broker the coordinator. Those before it hear of that late or never.
func (m *model) elect(broker int, keep int64) {
	epoch := m.log.Elect(keep)
	m.brokers[broker].Lead(0, epoch)
}

func (m *model) trouble() {
	r := m.e.Rand("trouble", "")
	for m.done < modelLeaders {
		m.e.Sleep(time.Duration(r.Int64n(int64(200 * time.Millisecond))))
		switch r.Int64n(6) {
		case 0:
			m.log.Hold(true)
		case 1, 2:
			m.log.Hold(false)
		case 3:
			m.log.Refuse(kerr.NotEnoughReplicas.Code)
		case 4:
			end, committed := m.log.End()
			m.elect(int(r.Int64n(3)), committed+r.Int64n(end-committed+1))
		default:
			m.brokers[r.Int64n(3)].Resign(0, m.log.Epoch()-1)
		}
	}
}

func TestWhatWasAcknowledgedIsKept(t *testing.T) {
	acked := 0
	for seed := range uint64(40) {
		k := sim.NewKernel(sim.Options{Seed: seed})
		m := &model{t: t, image: imageOf(t, 1)}
		k.NewNode("all").Start("model", m.run)
		require.NoError(t, k.RunOut(time.Hour))
		require.Empty(t, k.Failures(), "seed %d", seed)
		require.NoError(t, k.Close())
		acked += len(m.acked)
	}
	require.Greater(t, acked, 400)
}

// A key that is named twice in a request is done twice and answered once; what is
// about no group, or has a topic of no partitions, has no results.
func TestRequestsAreAnsweredAsKafkaDoes(t *testing.T) {
	twice := &kmsg.InitializeShareGroupStateRequest{GroupID: "g", Topics: []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: key1.Topic,
		Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{}, {}, {Partition: 1}}}}}
	resp := Refuse(twice, kerr.ClusterAuthorizationFailed.Code).(*kmsg.InitializeShareGroupStateResponse)
	require.Len(t, resp.Topics[0].Partitions, 2)
	require.Equal(t, kerr.ClusterAuthorizationFailed.Code, resp.Topics[0].Partitions[0].ErrorCode)
	require.NotNil(t, resp.Topics[0].Partitions[0].ErrorMessage)
	twice.GroupID = ""
	require.Empty(t, Refuse(twice, 1).(*kmsg.InitializeShareGroupStateResponse).Topics)
	twice.GroupID, twice.Topics = "g", append(twice.Topics, kmsg.InitializeShareGroupStateRequestTopic{})
	require.Empty(t, Refuse(twice, 1).(*kmsg.InitializeShareGroupStateResponse).Topics)
	require.Empty(t, Refuse(&kmsg.DeleteShareGroupStateRequest{}, 1).(*kmsg.DeleteShareGroupStateResponse).Topics)
	require.Empty(t, Refuse(&kmsg.ReadShareGroupStateSummaryRequest{}, 1).(*kmsg.ReadShareGroupStateSummaryResponse).Topics)
	require.Panics(t, func() { Refuse(&kmsg.FetchRequest{}, 1) })
}
