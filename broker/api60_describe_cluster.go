package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// describeClusterAPI is DescribeCluster (key 60): cluster id, controller and
// live brokers (KIP-700).
//
//	v0 first
//	v1 endpoint type: brokers or controllers (KIP-919), which are the same here
func (b *Broker) describeClusterAPI() protocol.API { return api(0, 1, b.describeCluster) }

func (b *Broker) describeCluster(call *protocol.Call, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.ClusterID = b.controller.ClusterID()
	resp.EndpointType = req.EndpointType
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeCluster, protocol.ClusterResource)
	}
	resp.ControllerID, _ = b.controller.Leader()
	for _, broker := range b.controller.Image().Brokers() {
		if broker.Fenced {
			continue
		}
		node := kmsg.NewDescribeClusterResponseBroker()
		node.NodeID, node.Host, node.Port, node.Rack = broker.ID, broker.Host, broker.Port, rackPtr(broker.Rack)
		resp.Brokers = append(resp.Brokers, node)
	}
	return resp
}
