package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// incrementalAlterConfigsAPI is IncrementalAlterConfigs (key 44): set or unset
// single settings of topics and brokers (KIP-339), passed on to the controller.
//
//	v1 flexible
func (b *Broker) incrementalAlterConfigsAPI() protocol.API {
	return api(0, 1, b.incrementalAlterConfigs)
}

func (b *Broker) incrementalAlterConfigs(_ *protocol.Call, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp, err := b.forward(req, 0)
	if err == nil {
		return resp
	}
	failed := kmsg.NewPtrIncrementalAlterConfigsResponse()
	for i := range req.Resources {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = req.Resources[i].ResourceType, req.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = kerr.RequestTimedOut.Code, forwardFailed(err)
		failed.Resources = append(failed.Resources, r)
	}
	return failed
}
