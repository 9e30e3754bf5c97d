package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// deleteTopicsAPI is DeleteTopics (key 20), passed on to the controller.
//
//	v1 throttle time
//	v4 flexible
//	v5 error message
//	v6 topics may be named by id (KIP-516)
func (b *Broker) deleteTopicsAPI() protocol.API { return forwarded[*kmsg.DeleteTopicsRequest](b, 1, 6) }
