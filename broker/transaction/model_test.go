package transaction

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// model is three brokers that coordinate one partition of __transaction_state by
// turns, two partitions that take markers, instances of a producer that fence one
// another, and somebody who moves the coordinator at any moment, cuts what is not
// committed, refuses appends and loses requests and answers.
type model struct {
	t        *testing.T
	versions []int16 // of EndTxn, by instance: 5 for transaction version 2
	e        env.Env
	log      *coordinatortest.Log
	brokers  []*Coordinator
	image    *metadata.Image
	offset   int64

	parts   map[TopicPartition]*part
	ended   []*outcome
	leading int // index of the broker that coordinates
	nextID  int64
	done    int // instances
}

// part is a partition as its leader has it.
type part struct {
	coordinatorEpoch int32
	epochs           map[int64]int16
	markers          map[partMarker]int // how often, by what they say
}

type partMarker struct {
	producerID int64
	epoch      int16
	commit     bool
}

// outcome is a transaction whose end was acknowledged.
type outcome struct {
	producerID int64
	epoch      int16 // of its markers
	commit     bool
	tp         TopicPartition
	version    int16 // of EndTxn
}

const (
	modelInstances    = 2
	modelTransactions = 15
)

func (m *model) run(e env.Env) {
	m.e, m.log = e, coordinatortest.NewLog(e)
	m.parts = map[TopicPartition]*part{}
	for p := range int32(2) {
		m.parts[TopicPartition{Topic: "t", Partition: p}] = &part{epochs: map[int64]int16{}, markers: map[partMarker]int{}}
	}
	cfg := DefaultConfig()
	cfg.AbortInterval = 200 * time.Millisecond
	for id := range int32(3) {
		c := NewCoordinator(e, cfg, Deps{BrokerID: id + 1, Log: m.log, Image: func() *metadata.Image { return m.image },
			Version: func() int16 { return 2 }, NewID: func() (int64, error) { m.nextID++; return m.nextID, nil },
			SpareID: func() int64 { return -1 }, WriteMarkers: m.write})
		c.SetPartitions(1)
		m.brokers = append(m.brokers, c)
	}
	m.elect(0, 0)
	var tasks []env.Task
	for i := range modelInstances {
		tasks = append(tasks, e.Go("instance", func() { m.instance(i) }))
	}
	trouble := e.Go("trouble", m.trouble)
	for _, t := range tasks {
		t.Wait()
	}
	trouble.Wait()
	m.log.Hold(false)
	e.Sleep(20 * time.Second) // for time-outs and markers
	m.check()
	for _, b := range m.brokers {
		b.Stop()
	}
	for _, b := range m.brokers {
		b.Wait()
	}
}

// elect has a broker coordinate, keeping the log up to an offset.
func (m *model) elect(broker int, keep int64) {
	epoch := m.log.Elect(keep)
	edit := metadata.Empty().Edit()
	apply := func(r metadata.Record) {
		require.NoError(m.t, edit.Apply(r, m.offset))
		m.offset++
	}
	for id := range int32(3) {
		apply(&metadata.RegisterBrokerRecord{BrokerID: id + 1, Host: fmt.Sprint("b", id+1), Port: 9092})
	}
	for i, name := range []string{metadata.TransactionStateTopic, "t"} {
		topic := metadata.TopicID{9, byte(i)}
		apply(&metadata.TopicRecord{Name: name, ID: topic})
		for p := range int32(2) {
			leader := int32(broker + 1)
			if name == "t" {
				leader = p + 1
			}
			apply(&metadata.PartitionRecord{TopicID: topic, Partition: p, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}, Leader: leader, LeaderEpoch: epoch})
		}
	}
	m.image, _ = edit.Done()
	old := m.leading
	m.leading = broker
	m.brokers[broker].Lead(0, epoch)
	if old != broker && m.e.Rand("resign", fmt.Sprint(epoch)).Intn(2) == 0 { // or it has not heard of it
		m.brokers[old].Resign(0, epoch-1)
	}
}

var errLost = errors.New("lost")

// write is WriteTxnMarkers, on a network that loses requests and answers.
func (m *model) write(_ *metadata.Broker, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
	r := m.e.Rand("network", fmt.Sprint(m.e.Now(), req.Markers[0].ProducerID, req.Markers[0].ProducerEpoch))
	m.e.Sleep(time.Duration(r.Intn(20)) * time.Millisecond)
	if r.Intn(5) == 0 {
		return nil, errLost
	}
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	for i := range req.Markers {
		asked := &req.Markers[i]
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = asked.ProducerID
		for _, t := range asked.Topics {
			topic := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			topic.Topic = t.Topic
			for _, n := range t.Partitions {
				code := m.mark(m.parts[TopicPartition{Topic: t.Topic, Partition: n}], asked)
				if r.Intn(6) == 0 {
					code = kerr.NotLeaderForPartition.Code
				}
				topic.Partitions = append(topic.Partitions, kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: n, ErrorCode: code})
			}
			out.Topics = append(out.Topics, topic)
		}
		resp.Markers = append(resp.Markers, out)
	}
	if r.Intn(5) == 0 {
		return nil, errLost
	}
	return resp, nil
}

// mark is a partition that is given a marker.
func (m *model) mark(p *part, marker *kmsg.WriteTxnMarkersRequestMarker) int16 {
	switch {
	case marker.CoordinatorEpoch < p.coordinatorEpoch:
		return kerr.TransactionCoordinatorFenced.Code
	case marker.ProducerEpoch < p.epochs[marker.ProducerID]:
		return kerr.InvalidProducerEpoch.Code
	}
	p.coordinatorEpoch, p.epochs[marker.ProducerID] = marker.CoordinatorEpoch, marker.ProducerEpoch
	p.markers[partMarker{marker.ProducerID, marker.ProducerEpoch, marker.Committed}]++
	return 0
}

// again reports whether a client asks again after an error.
func again(code int16) bool {
	return code == kerr.ConcurrentTransactions.Code || code != 0 && kerr.IsRetriable(kerr.ErrorForCode(code))
}

// instance is a producer: it begins, does transactions, and begins anew when it
// is fenced.
func (m *model) instance(number int) {
	r := m.e.Rand("instance", fmt.Sprint(number))
	id, version := "x", m.versions[number]
	var producer int64
	var epoch int16
	fenced := true
	for done := 0; done < modelTransactions; {
		m.e.Sleep(time.Duration(r.Intn(30)) * time.Millisecond)
		c := m.brokers[m.leading]
		if r.Intn(10) == 0 {
			c = m.brokers[r.Intn(3)]
		}
		if fenced {
			resp := c.HandleInitProducerID(&kmsg.InitProducerIDRequest{Version: 4, TransactionalID: &id, TransactionTimeoutMillis: 1000, ProducerID: -1, ProducerEpoch: -1})
			if resp.ErrorCode == 0 {
				producer, epoch, fenced = resp.ProducerID, resp.ProducerEpoch, false
			}
			continue
		}
		done++
		tp := TopicPartition{Topic: "t", Partition: int32(r.Intn(2))}
		add := kmsg.AddPartitionsToTxnRequestTransaction{TransactionalID: id, ProducerID: producer, ProducerEpoch: epoch,
			Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: tp.Topic, Partitions: []int32{tp.Partition}}}}
		code := int16(-1)
		for code < 0 || again(code) {
			m.e.Sleep(10 * time.Millisecond)
			req := &kmsg.AddPartitionsToTxnRequest{Version: 4 + version/5, Transactions: []kmsg.AddPartitionsToTxnRequestTransaction{add}}
			code = m.brokers[m.leading].HandleAddPartitions(req, nil, nil).Transactions[0].Topics[0].Partitions[0].ErrorCode
		}
		if r.Intn(8) == 0 {
			m.e.Sleep(3 * time.Second) // longer than its time-out
		}
		end := &kmsg.EndTxnRequest{Version: version, TransactionalID: id, ProducerID: producer, ProducerEpoch: epoch, Commit: r.Intn(2) == 0}
		for code == 0 || again(code) {
			resp := m.brokers[m.leading].HandleEndTxn(end)
			if code = resp.ErrorCode; code == 0 {
				o := &outcome{producer, epoch, end.Commit, tp, version}
				if version == 5 {
					o.epoch = epoch + 1
					producer, epoch = resp.ProducerID, resp.ProducerEpoch
				}
				m.ended = append(m.ended, o)
				break
			}
			m.e.Sleep(time.Duration(10+r.Intn(2)*r.Intn(1000)) * time.Millisecond)
		}
		fenced = code != 0
	}
	m.done++
}

func (m *model) trouble() {
	r := m.e.Rand("trouble", "")
	for m.done < modelInstances {
		m.e.Sleep(time.Duration(r.Intn(100)) * time.Millisecond)
		end, committed := m.log.End()
		switch r.Intn(6) {
		case 0:
			m.log.Refuse(kerr.NotEnoughReplicas.Code, 0, kerr.NotEnoughReplicas.Code)
		case 1:
			m.log.Hold(true)
			m.e.Sleep(time.Duration(r.Intn(8000)) * time.Millisecond) // longer than answers wait, at times
		case 2, 3:
			keep := committed + r.Int64n(end-committed+1)
			m.elect(r.Intn(3), keep)
			m.log.Hold(false)
		default:
			m.log.Hold(false)
		}
	}
}

// check holds what producers were told against what partitions were told.
func (m *model) check() {
	for _, v := range m.brokers[m.leading].Transactions() {
		require.NotContains(m.t, []State{Ongoing, PrepareCommit, PrepareAbort}, v.State, "it ends: %+v", v)
	}
	for tp, p := range m.parts {
		for marker := range p.markers {
			other := partMarker{marker.producerID, marker.epoch, !marker.commit}
			require.True(m.t, m.versions[0] < 5 || p.markers[other] == 0, "%v is told of two ends: %+v", tp, marker)
		}
	}
	for _, o := range m.ended {
		markers := m.parts[o.tp].markers
		require.NotZero(m.t, markers[partMarker{o.producerID, o.epoch, o.commit}], "%+v has its marker", o)
		if o.version >= 5 { // no other transaction has the epoch of its markers
			require.Zero(m.t, markers[partMarker{o.producerID, o.epoch, !o.commit}], "%+v has no other", o)
		}
	}
}

// TestMarkersFollowWhatProducersWereTold moves coordinators at every step.
func TestMarkersFollowWhatProducersWereTold(t *testing.T) {
	ended := 0
	for seed := range uint64(40) {
		k := sim.NewKernel(sim.Options{Seed: seed})
		m := &model{t: t, versions: [][]int16{{5, 5}, {2, 5}}[seed%2]}
		k.NewNode("all").Start("model", m.run)
		require.NoError(t, k.RunOut(time.Hour))
		require.Empty(t, k.Failures(), "seed %d", seed)
		require.NoError(t, k.Close())
		ended += len(m.ended)
	}
	require.Greater(t, ended, 100)
}
