package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// createPartitionsAPI is CreatePartitions (key 37): add partitions to topics
// (KIP-195), passed on to the controller.
//
//	v2 flexible
//	v3 no change of format
func (b *Broker) createPartitionsAPI() protocol.API { return api(0, 3, b.createPartitions) }

func (b *Broker) createPartitions(_ *protocol.Call, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp, err := b.forward(req, req.TimeoutMillis)
	if err == nil {
		return resp
	}
	failed := kmsg.NewPtrCreatePartitionsResponse()
	for i := range req.Topics {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = req.Topics[i].Topic, kerr.RequestTimedOut.Code, forwardFailed(err)
		failed.Topics = append(failed.Topics, t)
	}
	return failed
}
