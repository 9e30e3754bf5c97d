package sim

import (
	"slices"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
)

// Probe looks closely at one partition while a simulation runs: how each of its
// replicas stands, at every change, and which requests and answers are about it.
// It looks when the watch looks, and from outside: the run takes the same course
// and has the same trace.
type Probe struct {
	Of linearizability.TopicPartition

	Replicas []story.Sighting
	Messages []story.Message

	last map[int32]int // index in Replicas, by broker
	view broker.View   // memory for the next look
	tap  *tap
}

// mostSightings bounds what is kept of a run at speed.
const mostSightings = 200_000

// begin has the probe look at a cluster.
func (p *Probe) begin(c *Cluster) {
	p.last = map[int32]int{}
	p.Replicas, p.Messages = nil, nil
	p.tap = newTap(p, c)
	c.net.Observe(p.tap)
}

// see takes down how the replicas stand, if something has changed.
func (p *Probe) see(c *Cluster) {
	for i, b := range c.brokers {
		id := int32(i + 1)
		s := story.Sighting{At: c.k.Now(), Broker: id}
		switch {
		case b.b == nil: // it does not run
		case !c.k.Inspect(func() { b.b.Look(&p.view) }):
			continue // it is busy
		default:
			at := slices.IndexFunc(p.view.Replicas, func(r replication.ReplicaView) bool {
				return r.TP.Topic == p.Of.Topic && r.TP.Partition == p.Of.Partition
			})
			if at < 0 || !p.stands(c, &s, p.view.Replicas[at]) {
				continue
			}
		}
		before, seen := p.last[id]
		if seen && p.Replicas[before].Same(&s) || !seen && !s.Up || len(p.Replicas) >= mostSightings {
			continue
		}
		p.last[id] = len(p.Replicas)
		p.Replicas = append(p.Replicas, s)
	}
}

// stands fills in how a replica stands. It says whether that could be seen.
func (p *Probe) stands(c *Cluster, s *story.Sighting, r replication.ReplicaView) bool {
	s.Up, s.Leader, s.LeaderEpoch = true, r.Role == replication.RoleLeader, r.LeaderEpoch
	s.Start, s.End, s.High, s.ISR = r.LogStartOffset, r.LogEndOffset, r.HighWatermark, slices.Clone(r.MaximalISR)
	if r.Log == nil {
		return true
	}
	return c.k.Inspect(func() {
		s.Synced = r.Log.SyncedOffset()
		for _, e := range r.Log.Epochs() {
			s.Epochs = append(s.Epochs, story.Span{Epoch: e.Epoch, From: e.StartOffset})
		}
	})
}
