package broker

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// listConfigResourcesAPI is ListConfigResources (key 74): what has settings, by kind
// and name. Here topics, brokers and groups do, as DescribeConfigs has them; loggers and
// metrics of clients (KIP-714) do not.
//
//	v0 subscriptions to metrics of clients (as ListClientMetricsResources, KIP-1000)
//	v1 kinds; none listed asks for all (KIP-1142)
func (b *Broker) listConfigResourcesAPI() protocol.API { return api(0, 1, b.listConfigResources) }

// configResources are the kinds of resource that may have settings in Kafka.
var configResources = []kmsg.ConfigResourceType{
	kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger,
	kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig,
}

func (b *Broker) listConfigResources(_ *protocol.Call, req *kmsg.ListConfigResourcesRequest) kmsg.Response {
	resp := kmsg.NewPtrListConfigResourcesResponse()
	if req.Version == 0 {
		return resp
	}
	asked := func(kind kmsg.ConfigResourceType) bool {
		return len(req.ResourceTypes) == 0 || slices.Contains(req.ResourceTypes, int8(kind))
	}
	for _, kind := range req.ResourceTypes {
		if !slices.Contains(configResources, kmsg.ConfigResourceType(kind)) {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
	}
	add := func(kind kmsg.ConfigResourceType, name string) {
		if asked(kind) {
			resp.ConfigResources = append(resp.ConfigResources, kmsg.ListConfigResourcesResponseConfigResource{Type: int8(kind), Name: name})
		}
	}
	image := b.shownImage()
	for _, t := range image.Topics() {
		add(kmsg.ConfigResourceTypeTopic, t.Name)
	}
	for _, broker := range image.Brokers() {
		if !broker.Fenced {
			add(kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(broker.ID)))
		}
	}
	for _, group := range image.ConfiguredGroups() {
		add(kmsg.ConfigResourceTypeGroupConfig, group)
	}
	return resp
}
