package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// createTopicsAPI is CreateTopics (key 19). Any broker takes it and passes it
// to the controller; the answer comes once the topics are committed.
//
//	v2 throttle time
//	v4 partition count and replication factor may be left to the broker (-1)
//	v5 flexible; configuration of the new topic in the answer
//	v7 topic ids in the answer
func (b *Broker) createTopicsAPI() protocol.API { return api(2, 7, b.createTopics) }

func (b *Broker) createTopics(_ *protocol.Call, req *kmsg.CreateTopicsRequest) kmsg.Response {
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.ReplicaAssignment) > 0 {
			continue
		}
		if t.NumPartitions == -1 {
			t.NumPartitions = b.cfg.DefaultPartitions
		}
		if t.ReplicationFactor == -1 {
			t.ReplicationFactor = b.cfg.DefaultReplicationFactor
		}
	}
	return b.createTopicsNow(req)
}

// createTopicsNow has the controller create topics and returns its answer, or
// one that says why there was none.
func (b *Broker) createTopicsNow(req *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsResponse {
	resp, err := b.forward(req, req.TimeoutMillis)
	if err == nil {
		if r := resp.(*kmsg.CreateTopicsResponse); len(r.Topics) == len(req.Topics) {
			return r
		}
	}
	failed := kmsg.NewPtrCreateTopicsResponse()
	for i := range req.Topics {
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = req.Topics[i].Topic, kerr.RequestTimedOut.Code, forwardFailed(err)
		failed.Topics = append(failed.Topics, t)
	}
	return failed
}

// forward passes an administrative request on to the active controller.
func (b *Broker) forward(req kmsg.Request, timeoutMillis int32) (kmsg.Response, error) {
	timeout := time.Duration(timeoutMillis) * time.Millisecond
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	return b.toController(req, timeout)
}

func forwardFailed(err error) *string {
	text := "the controller did not answer; the request may still take effect"
	if err != nil {
		text += ": " + err.Error()
	}
	return &text
}
