package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// alterConfigsAPI is AlterConfigs (key 33): all settings that topics and
// brokers have of their own, in one go; what is not named is unset. It is
// deprecated in favour of IncrementalAlterConfigs (KIP-339), and passed on to
// the controller like it.
//
//	v2 flexible
func (b *Broker) alterConfigsAPI() protocol.API { return forwarded[*kmsg.AlterConfigsRequest](b, 0, 2) }
