package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// readShareGroupStateSummaryAPI is ReadShareGroupStateSummary (key 87): a group coordinator asks
// how far a share group is in partitions (KIP-932).
//
//	v1 how many records are done (KIP-1226)
func (b *Broker) readShareGroupStateSummaryAPI() protocol.API {
	return shareStateAPI(b, kmsg.ReadShareGroupStateSummary, 1)
}
