package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// electLeadersAPI is ElectLeaders (key 43): give partitions back to their
// preferred leaders, or elect any replica that lives (KIP-183, KIP-460).
// Passed on to the controller.
//
//	v1 election type: 0 preferred, 1 unclean
//	v2 flexible
func (b *Broker) electLeadersAPI() protocol.API { return forwarded[*kmsg.ElectLeadersRequest](b, 0, 2) }
