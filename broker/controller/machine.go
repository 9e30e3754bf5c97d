package controller

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// machine is the metadata state machine: what each request means for the
// cluster. It is pure: given the time, an image and a request it says which
// records to write and what to answer once they are committed. The only state
// it keeps is what is not in the log: when each broker was last heard, and
// when leaders were last looked through.
type machine struct {
	cfg      Config
	sessions map[int32]*session
	due      time.Duration // no session ends before

	balanceAt time.Duration // when leaders are looked through next
}

func newMachine(cfg Config) *machine {
	return &machine{cfg: cfg, sessions: map[int32]*session{}}
}

// txn collects the records of one request. Later parts of the request see the
// effect of earlier ones. All its records are written as one batch, so they
// take effect together or not at all.
type txn struct {
	ed      *metadata.Editor
	base    int64 // offset of the first record
	records []metadata.Record
	err     error // a record contradicted the image: a bug
}

func newTxn(img *metadata.Image, base int64) *txn { return &txn{ed: img.Edit(), base: base} }

func (t *txn) img() *metadata.Image { return t.ed.Image() }

// next is the offset that the next record gets.
func (t *txn) next() int64 { return t.base + int64(len(t.records)) }

func (t *txn) add(r metadata.Record) {
	if err := t.ed.Apply(r, t.next()); err != nil && t.err == nil {
		t.err = err
	}
	t.records = append(t.records, r)
}

// handle answers one request; nil for kinds that are not the controller's.
func (m *machine) handle(now time.Duration, t *txn, req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.BrokerRegistrationRequest:
		return m.registerBroker(now, t, req)
	case *kmsg.BrokerHeartbeatRequest:
		return m.heartbeat(now, t, req)
	case *kmsg.UnregisterBrokerRequest:
		return m.unregisterBroker(t, req)
	case *kmsg.AlterPartitionRequest:
		return m.alterPartition(t, req)
	case *kmsg.AssignReplicasToDirsRequest:
		return m.assignReplicasToDirs(t, req)
	case *kmsg.AllocateProducerIDsRequest:
		return m.allocateProducerIDs(t, req)
	case *kmsg.UpdateFeaturesRequest:
		return m.updateFeatures(t, req)
	case *kmsg.CreateTopicsRequest:
		return m.createTopics(t, req)
	case *kmsg.DeleteTopicsRequest:
		return m.deleteTopics(t, req)
	case *kmsg.CreatePartitionsRequest:
		return m.createPartitions(t, req)
	case *kmsg.AlterPartitionAssignmentsRequest:
		return m.alterReassignments(t, req)
	case *kmsg.ListPartitionReassignmentsRequest:
		return m.listReassignments(t, req)
	case *kmsg.ElectLeadersRequest:
		return m.electLeaders(t, req)
	case *kmsg.AlterConfigsRequest:
		return m.replaceConfigs(t, req)
	case *kmsg.IncrementalAlterConfigsRequest:
		return m.alterConfigs(t, req)
	}
	return nil
}

// minISR is min.insync.replicas as it is set for a topic now. Partitions are
// judged by what it was when their epoch began (metadata.Partition.MinISR).
func (m *machine) minISR(img *metadata.Image, topic string) int32 {
	return int32(min(max(m.topicValue(img, topic, config.MinInsyncReplicas).Int(), 1), math.MaxInt32))
}

// settleMinISR begins a new partition epoch wherever in these topics min.insync.replicas is not
// what the present one began with: after the configuration has changed, or
// since this controller's own default is another than its predecessor's.
func (m *machine) settleMinISR(t *txn, topics []*metadata.Topic) {
	forPartitionsOf(topics,
		func(p *metadata.Partition) bool { return p.MinISR != m.minISR(t.img(), p.Topic) },
		func(p *metadata.Partition) {
			next := p.Clone()
			next.MinISR = m.minISR(t.img(), p.Topic)
			m.reviewPartition(t, p, next, p.ISR, noBroker, keepLeader)
		})
}

// topicValue is the value of a topic's setting that counts.
func (m *machine) topicValue(img *metadata.Image, topic, name string) config.Value {
	return m.cfg.Settings.Layers(img, topic).Topic(name)
}

func message(format string) *string {
	if format == "" {
		return nil
	}
	return &format
}
