package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// initProducerIDAPI is InitProducerId (key 22): a producer id and epoch, under
// which a producer numbers its batches. As in Kafka, a producer without a
// transactional id always gets a new id with epoch 0, also when it asks for a
// new epoch of an old one (KIP-360). With one it gets what its transaction
// coordinator has for it, which fences whoever had it before (KIP-98).
//
//	v2 flexible
//	v3 the producer's old id and epoch
//	v4 PRODUCER_FENCED (KIP-588)
//	v5 a client that knows TRANSACTION_ABORTABLE (KIP-890)
func (b *Broker) initProducerIDAPI() protocol.API { return api(0, 5, b.initProducerID) }

func (b *Broker) initProducerID(call *protocol.Call, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		if !call.May(toWriteTransactionalID, *req.TransactionalID) {
			resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
			return resp
		}
		return b.transactions.HandleInitProducerID(req)
	}
	id, err := b.producerIDs.next()
	if err != nil {
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code // retriable
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp
}

// producerIDs hands out producer ids from blocks that the controller allots to
// this broker (KIP-730). What is left of a block is lost with the process.
//
// One request for a block is under way at a time. Whoever needs an id meanwhile
// waits for its outcome, good or bad, and not for a request of its own behind it.
type producerIDs struct {
	env       env.Env
	lab       *env.Lab
	mu        env.Mutex
	asked     env.Cond // a request has ended
	asking    bool
	requests  int64 // that have ended
	err       error // of the last one
	free, end int64
	fetch     env.Task // asks for a block that nobody waits for; nil if none ever did
	allot     func() (start int64, n int32, err error)
}

func newProducerIDs(e env.Env, allot func() (start int64, n int32, err error)) *producerIDs {
	p := &producerIDs{env: e, lab: e.Lab(), mu: e.NewMutex(), allot: allot}
	p.asked = e.NewCond(p.mu)
	return p
}

func (p *producerIDs) next() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lab.Rare("broker/producer-ids-wasted") {
		p.free = p.end // as with the end of the process: no id is given twice, not all are given
	}
	for began := p.requests; p.free == p.end; {
		switch {
		case p.requests > began && p.err != nil:
			return -1, p.err
		case p.asking:
			p.asked.Wait()
		default:
			p.ask()
		}
	}
	id := p.free
	p.free++
	return id, nil
}

// spare is an id if one is at hand, or -1; then a block is asked for, so that
// there will be.
func (p *producerIDs) spare() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free < p.end {
		p.free++
		return p.free - 1
	}
	if !p.asking {
		p.asking = true
		p.fetch = p.env.Go("producer-ids", p.fetchBlock)
	}
	return -1
}

// fetchBlock is the task that asks for a block for spare.
func (p *producerIDs) fetchBlock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask()
}

// wait waits for the task of spare to end, once the controller answers or the
// lanes to it are closed.
func (p *producerIDs) wait() {
	p.mu.Lock()
	fetch := p.fetch
	p.mu.Unlock()
	if fetch != nil {
		fetch.Wait()
	}
}

// ask asks for a block. mu is held, and let go meanwhile.
func (p *producerIDs) ask() {
	p.asking = true
	p.mu.Unlock()
	start, n, err := p.allot()
	p.mu.Lock()
	p.asking, p.err = false, err
	p.requests++
	if err == nil {
		p.free, p.end = start, start+int64(n)
	}
	p.asked.Broadcast()
}

// allotProducerIDs asks the controller for a block of producer ids.
func (b *Broker) allotProducerIDs() (start int64, n int32, err error) {
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.BrokerID, req.BrokerEpoch = b.cfg.NodeID, b.epoch.Load()
	resp, err := b.toController(req, 5*time.Second)
	if err != nil {
		return 0, 0, err
	}
	r := resp.(*kmsg.AllocateProducerIDsResponse)
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return 0, 0, err
	}
	if r.ProducerIDLen <= 0 {
		return 0, 0, errors.New("broker: the controller allotted no producer ids")
	}
	return r.ProducerIDStart, r.ProducerIDLen, nil
}
