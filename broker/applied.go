package broker

import (
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// applyMetadata makes this broker follow a new image of the cluster.
//
// Only what its replicas follow counts as applied: that is what heartbeats tell
// the controller, which unfences a broker by it and answers the creators of
// topics by it, and what clients are shown. So nobody is sent by this broker's
// metadata to a leader of which it has heard but which it is not yet itself,
// and a topic whose creation was answered can be written at once, through
// whichever broker.
func (b *Broker) applyMetadata(image *metadata.Image, delta metadata.Delta) {
	b.joinCluster(image.ClusterID())
	if delta.BrokerConfigs {
		b.reconfigure(image)
	}
	b.countPartitions(image)
	b.giveUpFenced(image, delta)
	if !b.replicas.Apply(image, delta) {
		return
	}
	if len(delta.DeletedTopics) > 0 {
		b.groups.TopicsDeleted(delta.DeletedTopics)
		b.shareState.TopicsDeleted(delta.DeletedTopics)
	}
	before := b.applied.Swap(image)
	if before == nil || len(delta.Brokers) > 0 || hasNewPartitions(before, delta) {
		b.pulse.beat()
	}
}

// hasNewPartitions reports whether partitions were created since before.
func hasNewPartitions(before *metadata.Image, delta metadata.Delta) bool {
	for _, tp := range delta.Partitions {
		if before.Partition(tp) == nil {
			return true
		}
	}
	return false
}

// shownImage is the cluster as clients are shown it. A broker that has just
// started has applied nothing; what it knows from its own log is then better
// than nothing, as its clients would take nothing for a cluster without topics.
func (b *Broker) shownImage() *metadata.Image {
	if image := b.applied.Load(); image != nil {
		return image
	}
	return b.controller.Image()
}

// pulse makes the task that sends heartbeats send one at once.
type pulse struct {
	mu  env.Mutex
	due env.Cond
	now bool
}

func newPulse(e env.Env) pulse {
	mu := e.NewMutex()
	return pulse{mu: mu, due: e.NewCond(mu)}
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = true
	p.due.Broadcast()
}

// wait returns when a heartbeat is due: after d, or sooner if one was asked for.
func (p *pulse) wait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.now {
		p.due.WaitTimeout(d)
	}
	p.now = false
}
