package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// createTopicsAPI is CreateTopics (key 19). Any broker takes it and passes it
// to the controller; the answer comes once the topics are committed.
//
//	v2 throttle time
//	v4 partition count and replication factor may be left to the broker (-1)
//	v5 flexible; configuration of the new topic in the answer
//	v7 topic ids in the answer
func (b *Broker) createTopicsAPI() protocol.API { return forwardedAfter(b, 2, 7, b.fillInDefaults) }

// fillInDefaults puts this broker's defaults where the client left the choice
// to it.
func (b *Broker) fillInDefaults(req *kmsg.CreateTopicsRequest) {
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.ReplicaAssignment) > 0 {
			continue
		}
		if t.NumPartitions == -1 {
			t.NumPartitions = b.cfg.DefaultPartitions
		}
		if t.ReplicationFactor == -1 {
			t.ReplicationFactor = b.cfg.DefaultReplicationFactor
		}
	}
}
