package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
)

// writeTxnMarkersAPI is WriteTxnMarkers (key 27): a transaction coordinator has the
// leaders of a transaction's partitions write its outcome into their logs. The
// answer comes once the markers are committed. A coordinator that does not get it
// sends them again: a marker that finds no transaction open changes nothing.
//
//	v1 flexible
//	v2 transaction.version of each marker (KIP-1228)
func (b *Broker) writeTxnMarkersAPI() protocol.API {
	return protocol.API{
		Key: int16(kmsg.WriteTxnMarkers), MinVersion: 1, MaxVersion: 2,
		Begin: b.beginWriteTxnMarkers, KeepsNothing: true,
		Refuse: func(req kmsg.Request, code int16) kmsg.Response {
			to, _ := markersOf(req.(*kmsg.WriteTxnMarkersRequest))
			return answerMarkers(to, func(int) int16 { return code })
		},
	}
}

// markerPatience is how long a marker may take to be committed (Kafka's default of
// request.timeout.ms).
const markerPatience = 30 * time.Second

// marked is where a marker goes.
type marked struct {
	producerID int64
	tp         metadata.TopicPartition
}

// markersOf lists where the markers of a request go, each with its number in the
// request. What is named again is passed over.
func markersOf(req *kmsg.WriteTxnMarkersRequest) (to []marked, of []int) {
	seen := map[marked]bool{}
	for i := range req.Markers {
		for _, t := range req.Markers[i].Topics {
			for _, n := range t.Partitions {
				m := marked{req.Markers[i].ProducerID, metadata.TopicPartition{Topic: t.Topic, Partition: n}}
				if !seen[m] {
					seen[m] = true
					to, of = append(to, m), append(of, i)
				}
			}
		}
	}
	return to, of
}

// pendingMarkers are markers that are appended.
type pendingMarkers struct {
	b         *Broker
	to        []marked
	appending *replication.PendingAppend
	deadline  time.Duration

	// Those of __consumer_offsets are the group coordinator's to write.
	inGroups map[int]func() (code int16)
}

func (b *Broker) beginWriteTxnMarkers(call *protocol.Call) protocol.Pending {
	req := call.Request.(*kmsg.WriteTxnMarkersRequest)
	to, of := markersOf(req)
	parts := make([]replication.AppendPartition, len(to))
	inGroups := map[int]func() int16{}
	for i := range to {
		m := &req.Markers[of[i]]
		end := storage.Marker{ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch, CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Committed}
		if to[i].tp.Topic == metadata.ConsumerOffsetsTopic {
			inGroups[i] = b.groups.EndTransaction(to[i].tp.Partition, end, m.TransactionVersion)
			parts[i] = replication.AppendPartition{TP: to[i].tp, Refused: &replication.AppendResult{}}
			continue
		}
		parts[i] = replication.AppendPartition{
			TP: to[i].tp, Internal: true, Records: storage.BuildMarker(nil, end, b.e.Wall().UnixMilli()),
			Options: storage.AppendOptions{ControlBatches: true, AnySize: true, TransactionVersion: m.TransactionVersion},
		}
	}
	return &pendingMarkers{b: b, to: to, appending: b.replicas.BeginAppend(parts, -1), deadline: b.e.Now() + markerPatience, inGroups: inGroups}
}

// Done implements protocol.Pending.
func (p *pendingMarkers) Done() bool { return len(p.inGroups) == 0 && p.appending.Done() }

// Response implements protocol.Pending.
func (p *pendingMarkers) Response() kmsg.Response {
	results := p.appending.Wait(p.deadline - p.b.e.Now())
	return answerMarkers(p.to, func(i int) int16 {
		if wait := p.inGroups[i]; wait != nil {
			return wait()
		}
		return results[i].ErrorCode
	})
}

// answerMarkers says what became of each marker, by producer and topic in the
// order of the request.
func answerMarkers(to []marked, code func(i int) int16) kmsg.Response {
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	resp.Markers = []kmsg.WriteTxnMarkersResponseMarker{}
	producers := map[int64]int{}
	topics := map[marked]int{} // by partition 0
	for i, m := range to {
		at, ok := producers[m.producerID]
		if !ok {
			at = len(resp.Markers)
			producers[m.producerID] = at
			producer := kmsg.NewWriteTxnMarkersResponseMarker()
			producer.ProducerID = m.producerID
			resp.Markers = append(resp.Markers, producer)
		}
		of := &resp.Markers[at]
		topic := marked{m.producerID, metadata.TopicPartition{Topic: m.tp.Topic}}
		k, ok := topics[topic]
		if !ok {
			k = len(of.Topics)
			topics[topic] = k
			t := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			t.Topic = m.tp.Topic
			of.Topics = append(of.Topics, t)
		}
		p := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
		p.Partition, p.ErrorCode = m.tp.Partition, code(i)
		of.Topics[k].Partitions = append(of.Topics[k].Partitions, p)
	}
	return resp
}
