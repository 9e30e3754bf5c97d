package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share/state"
	"github.com/weirlab/weir/broker/transaction"
)

// newGroups makes the group coordinator.
func (b *Broker) newGroups() *group.Coordinator {
	cfg := group.ConfigOf(b.cfg.Broker)
	cfg.Static = b.static
	return group.NewCoordinator(b.e, cfg, internalLog{b.replicas, metadata.ConsumerOffsetsTopic}, b.controller.Image, b.verifyOffsets, sharePersister{b})
}

// verifyOffsets has it verified that a partition of __consumer_offsets belongs to
// a transaction (group.Verify).
func (b *Broker) verifyOffsets(partition int32, id string, producerID int64, epoch, version int16) (group.Verification, int16) {
	tp := metadata.TopicPartition{Topic: metadata.ConsumerOffsetsTopic, Partition: partition}
	txn := openTransaction{id: id, producerID: producerID, epoch: epoch, support: offsetsSupport(version)}
	for began := b.e.Now(); ; {
		guard, code := b.replicas.BeginVerification(tp, producerID, epoch, 0, txn.support == addsPartitions)
		end := func() { b.replicas.EndVerification(tp, guard) }
		if code == 0 && guard != nil {
			code = b.askCoordinator(txn, []metadata.TopicPartition{tp})[0]
			if code == 0 && !b.replicas.Verified(tp, guard) {
				code = kerr.ConcurrentTransactions.Code // the marker of the one before has just come
			}
		}
		if code == 0 {
			return group.Verification{Guard: guard, End: end}, 0
		}
		end()
		if !b.retryVerification(txn, code, began) {
			return group.Verification{}, code
		}
	}
}

// offsetsSupport is the transactionSupport of TxnOffsetCommit, by version.
func offsetsSupport(version int16) transactionSupport {
	switch {
	case version >= 5:
		return addsPartitions
	case version == 4:
		return abortable
	}
	return oldErrors
}

// newTransactions makes the transaction coordinator.
func (b *Broker) newTransactions() *transaction.Coordinator {
	return transaction.NewCoordinator(b.e, transaction.ConfigOf(b.cfg.Broker), transaction.Deps{
		BrokerID:     b.cfg.NodeID,
		Log:          internalLog{b.replicas, metadata.TransactionStateTopic},
		Image:        b.controller.Image,
		Version:      b.transactionVersion,
		NewID:        b.producerIDs.next,
		SpareID:      b.producerIDs.spare,
		WriteMarkers: b.writeMarkers,
	})
}

// newShareState makes the share coordinator.
func (b *Broker) newShareState() *state.Coordinator {
	return state.NewCoordinator(b.e, state.ConfigOf(b.cfg.Broker), state.Deps{
		Log:   internalLog{b.replicas, metadata.ShareGroupStateTopic},
		Image: b.controller.Image,
		Prune: func(partition int32, before int64) {
			b.replicas.TrimInternal(metadata.TopicPartition{Topic: metadata.ShareGroupStateTopic, Partition: partition}, before)
		},
	})
}

// coordinates is what the leadership of the partitions of an internal topic
// decides about.
type coordinates interface {
	Lead(partition, epoch int32)
	Resign(partition, epoch int32)
}

// followLeadership has the coordinators follow the leadership of the partitions
// of their internal topics.
func (b *Broker) followLeadership() {
	b.replicas.OnLeadership(func(tp metadata.TopicPartition, epoch int32, leader bool) {
		b.shares.Resign(tp)
		var c coordinates
		switch tp.Topic {
		case metadata.ConsumerOffsetsTopic:
			c = b.groups
		case metadata.TransactionStateTopic:
			c = b.transactions
		case metadata.ShareGroupStateTopic:
			c = b.shareState
		default:
			return
		}
		if leader {
			c.Lead(tp.Partition, epoch)
		} else {
			c.Resign(tp.Partition, epoch)
		}
	})
}

// countPartitions tells the coordinators how many partitions their topics have.
func (b *Broker) countPartitions(image *metadata.Image) {
	if t := image.Topic(metadata.ConsumerOffsetsTopic); t != nil {
		b.groups.SetPartitions(int32(len(t.Partitions)))
	}
	if t := image.Topic(metadata.TransactionStateTopic); t != nil {
		b.transactions.SetPartitions(int32(len(t.Partitions)))
	}
	if t := image.Topic(metadata.ShareGroupStateTopic); t != nil {
		b.shareState.SetPartitions(int32(len(t.Partitions)))
	}
}

const (
	// markerLane begins the names of the lanes that carry markers.
	markerLane = "markers to "

	// markerTimeout is how long a broker has to write markers. It is long, as in
	// Kafka (request.timeout.ms): what was given up may still be written.
	markerTimeout = 30 * time.Second
)

// writeMarkers sends a broker markers, this one too.
func (b *Broker) writeMarkers(to *metadata.Broker, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
	resp, err := b.peers.request(to.Addr(), markerLaneTo(to.ID), req, markerTimeout)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.WriteTxnMarkersResponse), nil
}

// markerLaneTo is the lane that carries a broker's markers. No such name begins another.
func markerLaneTo(id int32) string { return fmt.Sprintf("%sbroker %d.", markerLane, id) }

// giveUpFenced fails the requests for markers and to share coordinators that are
// under way to brokers that were fenced: their partitions have other leaders, or will
// have.
func (b *Broker) giveUpFenced(image *metadata.Image, delta metadata.Delta) {
	for _, id := range delta.Brokers {
		if broker := image.Broker(id); broker != nil && broker.Fenced {
			b.peers.cutOff(markerLaneTo(id))
			b.peers.cutOff(shareLaneTo(id))
		}
	}
}

// transactionVersion is the level of the feature transaction.version.
func (b *Broker) transactionVersion() int16 {
	return b.controller.Image().FeatureLevel(metadata.TransactionVersion)
}

// internalTopicSettings are the broker settings of an internal topic.
type internalTopicSettings struct {
	partitions        int32
	replicationFactor int16
	minISR            int32 // 0 for what other topics have
	segmentBytes      int32
}

// internalTopicSettings are those of the topics that this broker has coordinators for.
func (b *Broker) internalTopicSettings(t metadata.CoordinatorType) (s internalTopicSettings, ok bool) {
	switch t {
	case metadata.GroupCoordinator:
		return internalTopicSettings{b.cfg.OffsetsPartitions, b.cfg.OffsetsReplicationFactor, 0, b.cfg.OffsetsSegmentBytes}, true
	case metadata.TransactionCoordinator:
		return internalTopicSettings{b.cfg.TransactionsPartitions, b.cfg.TransactionsReplicationFactor, b.cfg.TransactionsMinISR, b.cfg.TransactionsSegmentBytes}, true
	case metadata.ShareCoordinator:
		return internalTopicSettings{b.cfg.ShareStatePartitions, b.cfg.ShareStateReplicationFactor, b.cfg.ShareStateMinISR, b.cfg.ShareStateSegmentBytes}, true
	}
	return s, false
}
