package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// electLeadersAPI is ElectLeaders (key 43): give partitions back to their
// preferred leaders, or elect any replica that lives (KIP-183, KIP-460).
// Passed on to the controller.
//
//	v1 election type: 0 preferred, 1 unclean
//	v2 flexible
func (b *Broker) electLeadersAPI() protocol.API { return api(0, 2, b.electLeaders) }

func (b *Broker) electLeaders(_ *protocol.Call, req *kmsg.ElectLeadersRequest) kmsg.Response {
	resp, err := b.forward(req, req.TimeoutMillis)
	if err == nil {
		return resp
	}
	failed := kmsg.NewPtrElectLeadersResponse()
	failed.ErrorCode = kerr.RequestTimedOut.Code
	return failed
}
