package sim

import (
	"fmt"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
)

// listen has a broker tell what it does to the logs of the topics under load,
// beside the events that it would tell anybody, and of the high watermarks of
// where groups keep their offsets.
func (c *Cluster) listen(b *server) {
	happened := func(event faults.Event, tp metadata.TopicPartition) {
		if c.waited[event] && c.underLoad(tp.Topic) {
			c.tell.Happened(faults.Occurrence{Event: event, Of: fmt.Sprintf("%s-%d", tp.Topic, tp.Partition), Broker: b.index})
		}
	}
	b.cfg.OnHighWatermark = func(tp metadata.TopicPartition, epoch int32, offset int64) {
		if _, judged := c.judges(tp.Topic); judged {
			c.tell.HighWatermark(linearizability.HighWatermark{
				Topic: tp.Topic, Partition: tp.Partition, Time: c.k.Now(), Broker: int32(b.index + 1), LeaderEpoch: epoch, Offset: offset,
			})
		}
		happened(faults.Commit, tp)
	}
	b.cfg.OnRoll = func(tp metadata.TopicPartition, _ int64) { happened(faults.Roll, tp) }
	b.cfg.OnFirstAppend = func(tp metadata.TopicPartition, _ int32, _ int64) { happened(faults.FirstAppend, tp) }
}

// waitedFor are the events that faults of the plan wait for.
func waitedFor(plan faults.Plan) map[faults.Event]bool {
	events := map[faults.Event]bool{}
	for _, f := range plan {
		events[f.After.Event] = true
	}
	return events
}

// Tells implements target.Cluster.
func (c *Cluster) Tells(faults.Event) bool { return true }

// Soon implements target.Cluster: in a callback of the kernel, between the
// steps of tasks.
func (c *Cluster) Soon(fn func()) { c.k.After(0, "soon", fn) }
