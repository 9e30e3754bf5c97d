package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/protocol"
)

// envelopeAPI is Envelope (key 58): another broker brings the request of one of
// its clients to the controller (KIP-590). Only what clients may ask of any
// broker comes in one.
//
//	v0 first
func (b *Broker) envelopeAPI() protocol.API { return api(0, 0, b.envelope) }

func (b *Broker) envelope(_ *protocol.Call, req *kmsg.EnvelopeRequest) kmsg.Response {
	resp := kmsg.NewPtrEnvelopeResponse()
	inner, correlation, err := protocol.OpenRequest(b.peers.versions, req, b.isForwarded)
	if err != nil {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	answer := b.controller.HandleWithin(inner, maxForwardTime)
	if answer == nil || controller.IsRefusal(answer) {
		resp.ErrorCode = kerr.NotController.Code
		return resp
	}
	answer.SetVersion(inner.GetVersion())
	resp.ResponseData = protocol.AppendResponse(nil, correlation, answer)[4:]
	return resp
}
