package broker

import (
	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/metadata"
)

// newCoordinator makes the group coordinator, which follows the leadership of
// the partitions of __consumer_offsets.
func (b *Broker) newCoordinator() *group.Coordinator {
	c := group.NewCoordinator(b.e, group.ConfigOf(b.cfg.Broker), internalLog{b.replicas, metadata.ConsumerOffsetsTopic}, b.controller.Image)
	b.replicas.OnLeadership(func(tp metadata.TopicPartition, epoch int32, leader bool) {
		switch {
		case tp.Topic != metadata.ConsumerOffsetsTopic:
		case leader:
			c.Lead(tp.Partition, epoch)
		default:
			c.Resign(tp.Partition, epoch)
		}
	})
	return c
}
