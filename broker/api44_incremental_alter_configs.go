package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// incrementalAlterConfigsAPI is IncrementalAlterConfigs (key 44): set or unset
// single settings of topics, groups and brokers (KIP-339), passed on to the controller.
//
//	v1 flexible
func (b *Broker) incrementalAlterConfigsAPI() protocol.API {
	return forwarded[*kmsg.IncrementalAlterConfigsRequest](b, 0, 1)
}
