package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// assignReplicasToDirsAPI is AssignReplicasToDirs (key 73): a broker tells the
// controller in which of its log directories replicas are (KIP-858).
func (b *Broker) assignReplicasToDirsAPI() protocol.API {
	return answeredHere[*kmsg.AssignReplicasToDirsRequest](b, 0, 0)
}
