package transaction

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
)

// HandleInitProducerID answers an InitProducerId with a transactional id: it
// blocks until the producer's new epoch is committed in the log, or the abort
// of what another instance has left open is.
func (c *Coordinator) HandleInitProducerID(req *kmsg.InitProducerIDRequest) *kmsg.InitProducerIDResponse {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.Version = req.Version
	resp.ProducerID, resp.ProducerEpoch = none, none
	timeout := time.Duration(req.TransactionTimeoutMillis) * time.Millisecond
	switch {
	case (req.ProducerID == none) != (req.ProducerEpoch == none), req.ProducerID < none, req.ProducerEpoch < none, *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	case timeout <= 0 || timeout > c.cfg.MaxTimeout:
		resp.ErrorCode = kerr.InvalidTransactionTimeout.Code
		return resp
	}
	out, code := c.decide(*req.TransactionalID, "init producer id", func(m *machine, at at, newID int64) Decision {
		return m.status(*req.TransactionalID).InitProducer(at.WallMillis, InitProducer{
			TimeoutMillis: req.TransactionTimeoutMillis, ProducerID: req.ProducerID, Epoch: req.ProducerEpoch,
			NewID: newID, ServerVersion: m.world.version(),
		})
	})
	if resp.ErrorCode = older(code, req.Version < 4); code == 0 {
		resp.ProducerID, resp.ProducerEpoch = out.status.ProducerID, out.status.Epoch
	}
	return resp
}

// older turns PRODUCER_FENCED into what clients before KIP-588 know it by.
func older(code int16, old bool) int16 {
	if old && code == kerr.ProducerFenced.Code {
		return kerr.InvalidProducerEpoch.Code
	}
	return code
}

// HandleEndTxn answers EndTxn: it blocks until the outcome is committed in the
// log. The markers follow.
func (c *Coordinator) HandleEndTxn(req *kmsg.EndTxnRequest) *kmsg.EndTxnResponse {
	resp := kmsg.NewPtrEndTxnResponse()
	resp.Version = req.Version
	resp.ProducerID, resp.ProducerEpoch = none, none
	var version int16
	if req.Version >= 5 {
		version = epochBump
	}
	what := "abort"
	if req.Commit {
		what = "commit"
	}
	out, code := c.decide(req.TransactionalID, what, func(m *machine, at at, newID int64) Decision {
		return m.status(req.TransactionalID).End(at.WallMillis, EndTxn{
			ProducerID: req.ProducerID, Epoch: req.ProducerEpoch, Commit: req.Commit, Version: version, NewID: newID,
		})
	})
	if resp.ErrorCode = older(code, req.Version < 2); code == 0 && version >= epochBump {
		resp.ProducerID, resp.ProducerEpoch = out.status.after()
	}
	return resp
}

// HandleAddOffsets answers AddOffsetsToTxn: the transaction takes in the
// partition of __consumer_offsets that has the group's offsets, -1 if there is
// none yet.
func (c *Coordinator) HandleAddOffsets(req *kmsg.AddOffsetsToTxnRequest, offsetsPartition int32) *kmsg.AddOffsetsToTxnResponse {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	resp.Version = req.Version
	if offsetsPartition < 0 {
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return resp
	}
	a := addition{id: req.TransactionalID, producerID: req.ProducerID, epoch: req.ProducerEpoch,
		tps: []TopicPartition{{Topic: metadata.ConsumerOffsetsTopic, Partition: offsetsPartition}}}
	resp.ErrorCode = older(c.add(c.deps.Image(), a), req.Version < 2)
	return resp
}

// addition is partitions that are to join a transaction, or be found in it.
type addition struct {
	id         string
	producerID int64
	epoch      int16
	tps        []TopicPartition
	version    int16 // the client's transaction version
}

// add has partitions, which exist by the image, join a transaction. The image
// must be one in which this broker leads the transactional id as it does: it is
// not newer than what the next coordinator begins with.
func (c *Coordinator) add(image *metadata.Image, a addition) int16 {
	own, code := c.partitionOf(a.id)
	if code != 0 {
		return code
	}
	p := image.Partition(TopicPartition{Topic: metadata.TransactionStateTopic, Partition: own})
	if p == nil || p.Leader != c.deps.BrokerID {
		return kerr.NotCoordinator.Code
	}
	_, code = c.do(a.id, func(m *machine, at at, ref Ref) turn {
		if m.epoch != p.LeaderEpoch {
			return m.decide(at, ref, a.id, "add partitions", refuse(kerr.NotCoordinator))
		}
		return m.decide(at, ref, a.id, "add partitions", m.status(a.id).Add(at.WallMillis, a.producerID, a.epoch, a.tps, a.version))
	})
	return code
}

// verify says of each partition whether it belongs to a transaction.
func (c *Coordinator) verify(a addition) (each []int16) {
	own, code := c.partitionOf(a.id)
	if code == 0 {
		var out output
		out, code = c.shards.Read(own, func(m *machine, _ at) output {
			each, code := m.status(a.id).Verify(a.producerID, a.epoch, a.tps)
			return output{code: code, each: each}
		})
		if code = coordinator.ClientCode(code); code == 0 {
			each, code = out.each, out.code
		}
	}
	if code != 0 {
		each = make([]int16, len(a.tps))
		for i := range each {
			each[i] = code
		}
	}
	return each
}
