package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeClusterAPI is DescribeCluster (key 60): cluster id, controller and
// live brokers (KIP-700). Asked at a controller's listener it tells of the
// controllers instead.
//
//	v0 first
//	v1 endpoint type: 1 brokers, 2 controllers (KIP-919)
//	v2 fenced brokers too, if asked for (KIP-1073)
func (b *Broker) describeClusterAPI() protocol.API { return api(0, 2, b.describeCluster) }

func (b *Broker) describeCluster(call *protocol.Call, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.ClusterID = b.controller.ClusterID()
	resp.EndpointType = 1
	if call.Listener == protocol.ControllerListener {
		resp.EndpointType = 2
	}
	if asked := req.EndpointType; req.Version >= 1 && asked != resp.EndpointType {
		err := kerr.MismatchedEndpointType
		if asked != 1 && asked != 2 {
			err = kerr.UnsupportedEndpointType
		}
		text := fmt.Sprintf("The request asks for endpoints of type %d, and this listener tells of those of type %d.", asked, resp.EndpointType)
		resp.ErrorCode, resp.ErrorMessage = err.Code, &text
		return resp
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeCluster, protocol.ClusterResource)
	}
	resp.ControllerID = b.controllerForClients(b.controller.Image())
	if resp.EndpointType == 2 {
		resp.ControllerID, _ = b.controller.Leader()
		for _, v := range b.cfg.Voters {
			node := kmsg.NewDescribeClusterResponseBroker()
			node.NodeID, node.Host, node.Port = v.ID, v.Host, v.Port
			resp.Brokers = append(resp.Brokers, node)
		}
		return resp
	}
	for _, broker := range b.controller.Image().Brokers() {
		if broker.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		node := kmsg.NewDescribeClusterResponseBroker()
		node.NodeID, node.Host, node.Port, node.Rack = broker.ID, broker.Host, broker.Port, rackPtr(broker.Rack)
		node.IsFenced = broker.Fenced
		resp.Brokers = append(resp.Brokers, node)
	}
	return resp
}
