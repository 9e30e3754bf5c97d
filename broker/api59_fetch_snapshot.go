package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// fetchSnapshotAPI is FetchSnapshot (key 59): a follower of the metadata quorum
// that is behind the beginning of the leader's log fetches a snapshot of what
// came before, a part at a time (KIP-630).
//
//	v1 directory ids (KIP-853)
func (b *Broker) fetchSnapshotAPI() protocol.API {
	return answeredHere[*kmsg.FetchSnapshotRequest](b, 0, 1)
}
