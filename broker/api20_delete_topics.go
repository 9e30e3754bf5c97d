package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// deleteTopicsAPI is DeleteTopics (key 20), passed on to the controller.
//
//	v1 throttle time
//	v4 flexible
//	v5 error message
//	v6 topics may be named by id (KIP-516)
func (b *Broker) deleteTopicsAPI() protocol.API { return api(1, 6, b.deleteTopics) }

func (b *Broker) deleteTopics(_ *protocol.Call, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp, err := b.forward(req, req.TimeoutMillis)
	if err == nil {
		return resp
	}
	failed := kmsg.NewPtrDeleteTopicsResponse()
	for i := range req.TopicNames {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = &req.TopicNames[i], kerr.RequestTimedOut.Code, forwardFailed(err)
		failed.Topics = append(failed.Topics, t)
	}
	for i := range req.Topics {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		t.ErrorCode, t.ErrorMessage = kerr.RequestTimedOut.Code, forwardFailed(err)
		failed.Topics = append(failed.Topics, t)
	}
	return failed
}
