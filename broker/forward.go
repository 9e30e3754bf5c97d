package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// This file carries requests to the active controller. There is one way for
// all of them, whether a client asked for it or the node itself, and every
// wait in it ends: with an answer, when another controller is elected (then
// that one is asked), at the deadline, or when the node stops.

const (
	// maxForwardTime bounds how long a client may have its request wait.
	maxForwardTime = 30 * time.Second
	// controllerLane begins the names of all lanes to controllers.
	controllerLane = "controller "
)

var errNoController = errors.New("broker: no active controller is known")

// forwarding is what the node knows of the controller's whereabouts.
type forwarding struct {
	mu      env.Mutex
	changed env.Cond // another controller is known, or none, or the node stops
	terms   int      // how often it changed

	kinds map[int16]bool // what is forwarded; complete before the node serves
}

func newForwarding(e env.Env) *forwarding {
	f := &forwarding{mu: e.NewMutex(), kinds: map[int16]bool{}}
	f.changed = e.NewCond(f.mu)
	return f
}

// controllerForClients is the broker that clients are told is the controller:
// this one, which forwards what they ask of it, and follows the controller where
// a client would wait for one that has stopped. (Kafka names any live broker.)
func (b *Broker) controllerForClients(image *metadata.Image) int32 {
	leader, _ := b.controller.Leader()
	if own := image.Broker(b.cfg.NodeID); leader >= 0 && own != nil && !own.Fenced {
		return b.cfg.NodeID
	}
	return leader
}

// controllerChanged is told by the quorum that another node leads, or none.
// Whoever waits for an answer of the old one asks the new one instead.
func (b *Broker) controllerChanged() {
	b.forwarding.mu.Lock()
	b.forwarding.terms++
	b.forwarding.changed.Broadcast()
	b.forwarding.mu.Unlock()
	b.peers.cutOff(controllerLane)
}

// awaitController waits until the controller is another than in the term given,
// for at most d.
func (f *forwarding) awaitController(term int, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.terms == term && d > 0 {
		f.changed.WaitTimeout(d)
	}
}

func (f *forwarding) term() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.terms
}

// toController sends a request to the active controller, which may be this node
// itself, and returns its answer. It asks again, for at most timeout, while no
// controller is known, the one asked does not lead, or it cannot be reached. A
// request whose answer got lost may have taken effect, and be refused when it
// is asked again (as in Kafka).
func (b *Broker) toController(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	end := b.e.Now() + timeout
	last := errNoController
	for {
		term := b.forwarding.term()
		resp, err := b.askController(req, end)
		if err == nil {
			return resp, nil
		}
		if errors.Is(err, errStopped) {
			return nil, err
		}
		if !errors.Is(err, errNoController) {
			last = err
		}
		left := end - b.e.Now()
		if left <= 0 || b.stopping.IsSet() {
			return nil, last
		}
		pause := b.cfg.QuorumRetryBackoff
		if errors.Is(err, errNoController) {
			pause = left
		}
		b.forwarding.awaitController(term, min(pause, left))
	}
}

// askController asks the node that should be the controller once.
func (b *Broker) askController(req kmsg.Request, end time.Duration) (kmsg.Response, error) {
	id, _ := b.controller.Leader()
	if id == b.cfg.NodeID {
		resp := b.controller.HandleWithin(req, max(end-b.e.Now(), 0))
		if resp == nil {
			return nil, fmt.Errorf("broker: the controller does not answer %s", kmsg.NameForKey(req.Key()))
		}
		if controller.IsRefusal(resp) {
			return nil, fmt.Errorf("broker: node %d: %w", id, kerr.NotController)
		}
		return resp, nil
	}
	for _, v := range b.cfg.Voters {
		if v.ID == id {
			return b.askVoter(v, req, end-b.e.Now())
		}
	}
	return nil, errNoController
}

// askVoter asks a controller elsewhere. What a client may ask of any broker
// travels in an envelope (KIP-590), lest the other node, if it does not lead,
// sends it on in turn.
func (b *Broker) askVoter(v controller.Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	addr, lane := net.JoinHostPort(v.Host, strconv.Itoa(int(v.Port))), controllerLane+kmsg.NameForKey(req.Key())
	wrapped := req
	if b.isForwarded(req.Key()) {
		wrapped = protocol.Envelope(req, "broker-"+strconv.Itoa(int(b.cfg.NodeID)))
	}
	resp, err := b.peers.request(addr, lane, wrapped, timeout)
	if err != nil {
		return nil, err
	}
	if envelope, ok := resp.(*kmsg.EnvelopeResponse); ok {
		if envelope.ErrorCode != 0 {
			return nil, fmt.Errorf("broker: node %d: %w", v.ID, kerr.ErrorForCode(envelope.ErrorCode))
		}
		if resp, err = protocol.OpenEnvelope(req, envelope); err != nil {
			return nil, err
		}
	}
	if controller.IsRefusal(resp) {
		return nil, fmt.Errorf("broker: node %d: %w", v.ID, kerr.NotController)
	}
	return resp, nil
}

// forwarded is an API that any broker takes and the active controller answers.
func forwarded[R kmsg.Request](b *Broker, minVersion, maxVersion int16) protocol.API {
	return forwardedAfter(b, minVersion, maxVersion, func(R) {})
}

// forwardedAfter is forwarded for requests to which the broker that takes them
// adds something first.
func forwardedAfter[R kmsg.Request](b *Broker, minVersion, maxVersion int16, prepare func(R)) protocol.API {
	a := api(minVersion, maxVersion, func(_ *protocol.Call, req R) kmsg.Response {
		prepare(req)
		return b.answerOfController(req)
	})
	b.forwarding.kinds[a.Key] = true
	return a
}

// isForwarded reports whether a request of this kind is one that clients send
// to any broker and that only the active controller can answer.
func (b *Broker) isForwarded(key int16) bool { return b.forwarding.kinds[key] }

// answerOfController is the controller's answer to a client's request, or one
// that says why there is none.
func (b *Broker) answerOfController(req kmsg.Request) kmsg.Response {
	timeout := maxForwardTime
	if r, ok := req.(interface{ Timeout() int32 }); ok && r.Timeout() > 0 {
		timeout = min(timeout, time.Duration(r.Timeout())*time.Millisecond)
	}
	resp, err := b.toController(req, timeout)
	if err != nil {
		return controller.Refuse(req, kerr.RequestTimedOut, "The controller did not answer, and the request may still take effect: "+err.Error())
	}
	return resp
}

// answeredHere is an API that only the active controller answers, and that the
// brokers ask of it themselves.
func answeredHere[R kmsg.Request](b *Broker, minVersion, maxVersion int16) protocol.API {
	return api(minVersion, maxVersion, func(_ *protocol.Call, req R) kmsg.Response { return b.controller.Handle(req) })
}
