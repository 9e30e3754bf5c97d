package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/target"
)

// How often the simulated brokers are looked at from outside: for changes of
// the metadata, and for a picture of everything, to check the invariants.
// Elections and truncations have a picture of their own.
const (
	imageEvery   = 2 * time.Millisecond
	pictureEvery = 20 * time.Millisecond
	idleLook     = 100 * time.Millisecond // where only the director asks
)

// stepDownPeriods is after how many controller.quorum.fetch.timeout.ms a controller
// without a majority must have stepped down. It does so after one and a half, if
// its disk lets it.
const stepDownPeriods = 3

// watch looks at the inner state of simulated brokers while they run. It
// lives in callbacks of the kernel, where no task is in the middle of a step.
type watch struct {
	c       *Cluster
	watcher *linearizability.Watcher
	brief   bool // only for what the director asks
	pending bool // a picture for an event is due already
	looks   int
	// pictured is when the latest picture was taken.
	pictured time.Duration
	used     map[metadata.TopicPartition]bool // partitions of internal topics that have held something

	latest []*broker.View // of the latest picture
	image  *metadata.Image
	down   string // a broker that was not well then

	// Memory for the next picture.
	views    []broker.View
	replicas []linearizability.ReplicaView
}

func newWatch(c *Cluster, brief bool) *watch {
	return &watch{c: c, brief: brief, watcher: linearizability.NewWatcher(c.judged), used: map[metadata.TopicPartition]bool{}}
}

// start begins to look, forever.
func (w *watch) start() { w.again(imageEvery) }

func (w *watch) again(after time.Duration) { w.c.k.Schedule(w.c.k.Now()+after, w, lookKey) }

// lookKey is what a look is in the trace.
var lookKey = env.HashString("look")

// TraceName implements kernel.TraceNamer.
func (w *watch) TraceName() string { return "look" }

// HandleEvent implements kernel.Handler: it is time to look.
func (w *watch) HandleEvent(uint64) {
	w.looks++
	w.findImage()
	if w.brief {
		w.picture()
		w.again(idleLook)
		return
	}
	switch {
	case w.looks%int(pictureEvery/imageEvery) == 0:
		w.picture()
	case w.c.probe != nil:
		w.c.probe.see(w.c)
	}
	w.again(imageEvery)
}

// onEvent takes a picture right after the events that invariants are most
// often broken by, and tells of each leader that begins.
func (w *watch) onEvent(node string, at time.Duration, name string, attrs []env.Attr) {
	if w.brief {
		return
	}
	switch name {
	case "leader":
		w.began(node, at, attrs)
	case "truncate", "follower", "isr":
	default:
		return
	}
	if !w.pending {
		w.pending = true
		w.c.k.After(0, "picture", func() {
			w.pending = false
			w.findImage()
			w.picture()
		})
	}
}

// began tells the watcher of a leader that begins its epoch.
func (w *watch) began(node string, at time.Duration, attrs []env.Attr) {
	s := linearizability.EpochStart{Time: at, Leader: linearizability.None}
	for i, b := range w.c.brokers {
		if b.name == node {
			s.Leader = int32(i + 1)
		}
	}
	for _, a := range attrs {
		switch a.Key {
		case "topic":
			s.Topic = a.Text
		case "partition":
			s.Partition = int32(a.Int)
		case "epoch":
			s.LeaderEpoch = int32(a.Int)
		case "end":
			s.StartOffset = a.Int
		}
	}
	if _, judged := w.c.judges(s.Topic); judged {
		w.watcher.Began(s)
	}
}

// lookInside sets latest to the brokers' inner states, nil for those that do not
// run or whose state is being changed by a task that waits.
func (w *watch) lookInside() {
	if w.latest == nil {
		w.latest, w.views = make([]*broker.View, len(w.c.brokers)), make([]broker.View, len(w.c.brokers))
	}
	for i, b := range w.c.brokers {
		w.latest[i] = nil
		if b.b == nil {
			continue
		}
		v := &w.views[i]
		if w.c.k.Inspect(func() { b.b.Look(v) }) {
			w.latest[i] = v
		}
	}
}

// findImage looks for metadata committed since the last look.
func (w *watch) findImage() {
	c := w.c
	newest := c.image
	c.leader = -1
	leaderEpoch := int32(-1)
	var leader controller.View
	for _, b := range c.brokers {
		if b.b == nil || b.node.Paused() {
			continue
		}
		w.c.k.Inspect(func() {
			image, quorum := b.b.Metadata()
			if newest == nil || image.Offset() > newest.Offset() {
				newest = image
			}
			if quorum.Leader && quorum.Epoch > leaderEpoch {
				c.leader, leaderEpoch, leader = b.index, quorum.Epoch, quorum
			}
		})
	}
	if c.leader >= 0 && !w.brief {
		v := w.voter(c.leader, leader)
		v.Log = w.readable(leader.Log)
		w.watcher.ObserveController(c.k.Now(), &v)
	}
	if newest == c.image {
		return
	}
	c.image = newest
	c.states = w.statesOf(newest)
	for _, s := range c.states {
		w.watcher.AddPartitionState(s)
	}
}

// statesOf is the state of each partition of the topics that are judged.
func (w *watch) statesOf(image *metadata.Image) []linearizability.PartitionState {
	before := map[linearizability.TopicPartition]linearizability.PartitionState{}
	for _, s := range w.c.states {
		before[linearizability.TopicPartition{Topic: s.Topic, Partition: s.Partition}] = s
	}
	var states []linearizability.PartitionState
	for _, topic := range w.c.judged {
		t := image.Topic(topic.Name)
		if t == nil {
			continue
		}
		for _, p := range t.Partitions {
			s, ok := before[linearizability.TopicPartition{Topic: t.Name, Partition: p.Partition}]
			if !ok || s.PartitionEpoch != p.PartitionEpoch || s.LeaderEpoch != p.LeaderEpoch {
				s = linearizability.PartitionState{
					Topic: t.Name, Partition: p.Partition, Time: w.c.k.Now(), Replicas: p.Replicas, Leader: p.Leader,
					LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: p.ISR, ELR: p.ELR, MinISR: int32(p.EffectiveMinISR()), Adding: p.AddingReplicas,
				}
			}
			states = append(states, s) // with the time of the change
		}
	}
	return states
}

// picture shows the watcher everything, and keeps what tells whether the cluster
// is settled.
func (w *watch) picture() {
	c := w.c
	if c.probe != nil {
		c.probe.see(c)
	}
	w.lookInside()
	v := linearizability.ClusterView{Time: c.k.Now(), Partitions: c.states, Replicas: w.replicas[:0],
		ProducerExpiration: c.s.ProducerExpiration(), Voters: len(c.brokers), StepDown: stepDownPeriods * c.brokers[0].cfg.QuorumFetchTimeout}
	for i, b := range c.brokers {
		running := b.node.Alive() && !b.node.Paused()
		known := c.image.Broker(int32(i + 1))
		one := linearizability.BrokerView{Broker: int32(i + 1), Running: running && w.latest[i] != nil,
			Fenced: known == nil || known.Fenced, Incarnation: b.node.Epoch()}
		if known != nil {
			one.Known = known.Epoch
		}
		if b.b != nil { // also of a broker that is busy: it takes part in the quorum
			var q controller.View
			c.k.Inspect(func() { _, q = b.b.Metadata() })
			voter := w.voter(i, q)
			voter.Log = w.readable(q.Log)
			v.Controllers = append(v.Controllers, voter)
		} else if running { // it starts, or shuts down
			v.Controllers = append(v.Controllers, linearizability.ControllerView{Node: int32(i + 1), Unseen: true})
		}
		if view := w.latest[i]; view != nil {
			b.seeLogs(view.Replicas)
			one.Epoch = view.BrokerEpoch
			one.Registered = registered(c.image, view)
			for _, r := range view.Replicas {
				if w.watched(r) {
					v.Replicas = append(v.Replicas, w.replica(int32(i+1), r))
				}
			}
		}
		v.Brokers = append(v.Brokers, one)
	}
	w.watcher.Observe(v)
	w.pictured = v.Time
	w.replicas = v.Replicas
	w.image, w.down = c.image, w.unwell()
}

// voter shows a node's place in the quorum, without its log.
func (w *watch) voter(index int, q controller.View) linearizability.ControllerView {
	b := w.c.brokers[index]
	v := linearizability.ControllerView{
		Node: int32(index + 1), Running: b.node.Alive() && !b.node.Paused(), Leader: q.Leader, Epoch: q.Epoch, VotedFor: q.VotedFor,
		LogStart: q.Log.StartOffset(), HighWatermark: q.HighWatermark, LogEnd: q.LogEnd,
	}
	v.Ran = b.node.Paused() && b.pausedAt > w.pictured
	for i, other := range w.c.brokers {
		if !w.c.net.Connected(b.name, other.name) {
			v.Cut = append(v.Cut, int32(i+1))
		}
	}
	return v
}

// watched says whether a replica is of a partition whose invariants are
// checked: one of a topic under load, or of an internal topic that has ever
// held anything.
func (w *watch) watched(r replication.ReplicaView) bool {
	topic, judged := w.c.judges(r.TP.Topic)
	switch {
	case !judged:
		return false
	case !topic.Internal:
		return true
	case r.LogEndOffset > 0 && !w.used[r.TP]:
		w.used[r.TP] = true
	}
	return w.used[r.TP]
}

func (w *watch) replica(id int32, r replication.ReplicaView) linearizability.ReplicaView {
	v := linearizability.ReplicaView{
		Topic: r.TP.Topic, Partition: r.TP.Partition, Broker: id, Leader: r.Role == replication.RoleLeader,
		LeaderEpoch: r.LeaderEpoch, LogStart: r.LogStartOffset, HighWatermark: r.HighWatermark, LogEnd: r.LogEndOffset,
		Stable: r.LastStableOffset, EpochStart: r.EpochStart, PartitionEpoch: r.PartitionEpoch, ISR: r.ISR, MaximalISR: r.MaximalISR,
	}
	for _, p := range r.Progress {
		v.Progress = append(v.Progress, linearizability.Progress{Broker: p.Broker, Epoch: p.BrokerEpoch, Registered: p.Registered, LogEnd: p.EndOffset})
	}
	v.Failed, v.Cleaned = r.StorageFailed, r.DirtyFrom
	if !r.StorageFailed {
		if v.Log = w.readable(r.Log); v.Log != nil {
			v.Gaps = r.Log.Gaps()
		}
	}
	return v
}

// readable is a view of log, nil if a task is in the middle of changing it.
func (w *watch) readable(log *storage.Log) linearizability.LogView {
	if log == nil || !w.c.k.Inspect(func() { log.LatestEpoch() }) {
		return nil
	}
	return logView{log}
}

// registered says whether a broker's process has a registration that the
// newest metadata knows and does not fence.
func registered(image *metadata.Image, v *broker.View) bool {
	b := image.Broker(v.NodeID)
	return b != nil && b.Epoch == v.BrokerEpoch && !b.Fenced
}

// unwell says which broker a healthy cluster would not have as it is.
func (w *watch) unwell() string {
	for i, b := range w.c.brokers {
		switch {
		case !b.node.Alive() || b.b == nil:
			return b.name + " does not run " + b.failure
		case w.latest[i] == nil:
			return b.name + " is busy"
		case !registered(w.c.image, w.latest[i]):
			return b.name + " is not registered with the controller or fenced"
		}
	}
	return ""
}

// unsettled says what a healthy cluster would not have had in the latest
// picture.
func (w *watch) unsettled() string {
	switch {
	case w.latest == nil:
		return "the brokers have not been looked at yet"
	case w.down != "":
		return w.down
	}
	type replicaOf struct {
		topic     string
		partition int32
	}
	ends := map[replicaOf][]replication.ReplicaView{}
	for _, v := range w.latest {
		for _, r := range v.Replicas {
			key := replicaOf{r.TP.Topic, r.TP.Partition}
			ends[key] = append(ends[key], r)
		}
	}
	for _, t := range w.image.Topics() {
		for _, p := range t.Partitions {
			name := fmt.Sprintf("%s-%d", t.Name, p.Partition)
			replicas := ends[replicaOf{t.Name, p.Partition}]
			switch {
			case p.Leader < 0:
				return name + " has no leader"
			case len(p.ISR) < len(p.Replicas):
				return fmt.Sprintf("the ISR of %s is %v, its replicas are %v", name, p.ISR, p.Replicas)
			case len(replicas) < len(p.Replicas):
				return fmt.Sprintf("only %d of %d replicas of %s are there", len(replicas), len(p.Replicas), name)
			}
			for _, r := range replicas {
				if r.LogEndOffset != replicas[0].LogEndOffset || r.HighWatermark != r.LogEndOffset {
					return fmt.Sprintf("the replicas of %s end at different offsets or have not committed all", name)
				}
			}
		}
	}
	return ""
}

// judges finds a topic that the judge looks at.
func (c *Cluster) judges(name string) (topic *linearizability.Topic, ok bool) {
	for i := range c.judged {
		if c.judged[i].Name == name {
			return &c.judged[i], true
		}
	}
	return nil, false
}

func (c *Cluster) underLoad(topic string) bool {
	t, ok := c.judges(topic)
	return ok && !t.Internal
}

// replicas reads the logs of all brokers, after the run.
func (c *Cluster) replicas() ([]linearizability.Scan, error) {
	var scans []linearizability.Scan
	for i, b := range c.brokers {
		if b.b == nil {
			continue
		}
		var views []replication.ReplicaView
		c.k.Inspect(func() { views = b.b.View().Replicas })
		for _, r := range views {
			topic, ok := c.judges(r.TP.Topic)
			if !ok {
				continue
			}
			var s linearizability.Scan
			var err error
			// Reading a damaged log locks what some task may hold at the end of the run.
			c.k.Inspect(func() {
				s, err = target.ScanLog(target.Recording(c.s), *topic, r.TP.Partition, int32(i+1), r.Role == replication.RoleLeader, r.HighWatermark, r.Log)
			})
			if err != nil {
				return nil, err
			}
			s.Time = c.k.Now()
			scans = append(scans, s)
		}
	}
	slices.SortStableFunc(scans, func(a, b linearizability.Scan) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), int(a.Partition-b.Partition))
	})
	return scans, nil
}
