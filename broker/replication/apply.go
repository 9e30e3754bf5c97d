package replication

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/planted"
)

// Apply makes the replicas follow a newly committed metadata image: it opens
// and removes logs and changes roles. Call it from one task, in order.
//
// Images older than this broker's registration are passed over: they speak of
// an earlier life of the broker, whose log may have had another end, and in
// whose name nobody may lead any more.
//
// Once it returns true, this broker answers for every partition as the image
// has it. It returns false for an image that was passed over, or if the manager
// was stopped meanwhile.
func (m *Manager) Apply(image *metadata.Image, delta metadata.Delta) bool {
	// Every broker learns of metadata at a time of its own.
	if d := m.lab.Late("replication/apply-late", 500*time.Millisecond); d > 0 {
		m.stopping.Wait(d)
	}
	m.applying.Lock()
	changes, ok := m.apply(image, delta)
	m.applying.Unlock()
	for _, c := range changes {
		for _, l := range m.listeners {
			l(c.tp, c.epoch, c.leader)
		}
	}
	return ok
}

func (m *Manager) apply(image *metadata.Image, delta metadata.Delta) ([]leadershipChange, bool) {
	if m.stopping.IsSet() {
		return nil, false
	}
	if !m.caughtUp {
		self := image.Broker(m.cfg.BrokerID)
		if self == nil || self.Epoch != m.deps.BrokerEpoch() && !planted.Is("earlier-registration") {
			return nil, false
		}
		m.caughtUp = true
		delta = image.Full()
		m.lookAround(image)
	}
	m.removeGone(image, delta)
	m.reconnect(image, delta)
	touched := m.touched(image, delta)
	m.openMissing(image, touched)
	if m.stopping.IsSet() {
		return nil, false
	}
	for _, tp := range touched {
		// Each partition changes for itself: some may lead already while others
		// do not know yet that they follow.
		if d := m.lab.Late("replication/update-late", 100*time.Millisecond); d > 0 && m.stopping.Wait(d) {
			return nil, false
		}
		m.update(image, image.Partition(tp))
	}
	changes := m.changes
	m.changes = nil
	return changes, true
}

// touched lists the partitions that may have to change, sorted.
func (m *Manager) touched(image *metadata.Image, delta metadata.Delta) []metadata.TopicPartition {
	if len(delta.Brokers) > 0 || delta.BrokerConfigs {
		return image.Full().Partitions
	}
	if len(delta.TopicConfigs) == 0 {
		return delta.Partitions
	}
	tps := slices.Clone(delta.Partitions)
	for _, name := range delta.TopicConfigs {
		for _, p := range image.Topic(name).Partitions {
			tps = append(tps, p.TP())
		}
	}
	slices.SortFunc(tps, metadata.TopicPartition.Compare)
	return slices.Compact(tps)
}

// update brings one partition in line with the image.
func (m *Manager) update(image *metadata.Image, part *metadata.Partition) {
	if part == nil || !part.HasReplica(m.cfg.BrokerID) {
		return
	}
	self := image.Broker(m.cfg.BrokerID)
	if part.Leader == m.cfg.BrokerID && (self == nil || self.Fenced) && !planted.Is("leads-while-fenced") {
		return // until the controller has moved the leadership, or unfenced this broker
	}
	topic := m.topicConfig(image, part.Topic)
	p := m.partition(part.TP())
	if p == nil {
		return // its log could not be opened
	}
	a := Assignment{
		Leader: part.Leader, LeaderEpoch: part.LeaderEpoch, PartitionEpoch: part.PartitionEpoch,
		Replicas: part.Replicas, Adding: part.AddingReplicas, ISR: part.ISR, MinISR: int32(part.EffectiveMinISR()),
	}
	for _, id := range part.Replicas {
		if b := image.Broker(id); b != nil {
			a.Brokers = append(a.Brokers, Broker{ID: id, Epoch: b.Epoch, Active: b.Serves(part), Rack: b.Rack})
		}
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	p.log.SetConfig(logConfig(topic))
	p.cleaned.compacts, p.cleaned.uncleanable = topic.Compact, nil
	p.cleaned.deleteRetention = time.Duration(min(topic.DeleteRetentionMillis, int64(longestRetention/time.Millisecond))) * time.Millisecond
	p.throttled = throttledReplica{
		leader:   topic.LeaderThrottled.Has(part.Partition, m.cfg.BrokerID),
		follower: topic.FollowerThrottled.Has(part.Partition, m.cfg.BrokerID),
	}
	if topic.Compact && m.deps.Cleaner != nil {
		m.cleaner.begin()
	}
	p.assigned = part.Directory(m.cfg.BrokerID)
	p.settleDirectory()
	p.out = p.state.Metadata(m.e.Now(), &a, p.out)
	p.carryOut()
}

// reconnect drops connections to brokers that have registered anew: an answer
// that an earlier life of a broker owes never comes.
func (m *Manager) reconnect(image *metadata.Image, delta metadata.Delta) {
	for _, id := range delta.Brokers {
		b := image.Broker(id)
		if b == nil {
			continue
		}
		for _, f := range m.fetchers[id] {
			if f != nil && m.lifes[id] != b.Epoch && !planted.Is("keep-old-connections") {
				f.reconnect()
			}
		}
		m.lifes[id] = b.Epoch
	}
}

// fetcher is the task that copies a partition from a broker, started when
// first needed. It is called from Apply.
func (m *Manager) fetcher(source int32, tp metadata.TopicPartition) *fetcher {
	of := m.fetchers[source]
	if of == nil {
		of = make([]*fetcher, m.cfg.ReplicaFetchers)
		m.fetchers[source] = of
	}
	i := fetcherOf(tp, len(of))
	if of[i] == nil {
		of[i] = newFetcher(m, source)
	}
	return of[i]
}

// fetcherOf is which of n fetchers copies a partition, as Kafka's
// AbstractFetcherManager.getFetcherId has it: partitions of one topic go round.
func fetcherOf(tp metadata.TopicPartition, n int) int {
	var hash int32
	for _, c := range utf16.Encode([]rune(tp.Topic)) {
		hash = 31*hash + int32(c)
	}
	// Kafka takes the absolute value by clearing the sign.
	return int(((31*hash + tp.Partition) & math.MaxInt32) % int32(n))
}

// shownTopicBytes is how much of its topic's name the directory of a log shows.
// With a partition number and a topic id it leaves room under NAME_MAX, 255
// bytes on every common file system, for a suffix.
const shownTopicBytes = 200

// logDirName is the directory of a replica's log. The topic's id and the partition
// name it, so that a topic that was deleted and created again never finds the
// old records. The topic's name is there for people, as far as it fits: the
// longest that Kafka allows, 249 bytes, would not.
func logDirName(tp metadata.TopicPartition, id metadata.TopicID) string {
	tp.Topic = tp.Topic[:min(len(tp.Topic), shownTopicBytes)]
	return tp.String() + "." + id.String()
}

// ParseLogDir reads what of the name of a log's directory identifies the log.
// The name shows the topic's too, cut short if it is long.
func ParseLogDir(name string) (id metadata.TopicID, partition int32, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	dash := strings.LastIndexByte(name[:max(dot, 0)], '-')
	if dash < 0 || id.UnmarshalText([]byte(name[dot+1:])) != nil {
		return id, 0, false
	}
	n, err := strconv.ParseInt(name[dash+1:dot], 10, 32)
	return id, int32(n), err == nil && n >= 0
}

// topicConfig is what a topic's settings are at this image.
func (m *Manager) topicConfig(image *metadata.Image, topic string) config.Topic {
	return m.cfg.Settings.Layers(image, topic).TopicView()
}

// logConfig gives a topic's log settings.
func logConfig(t config.Topic) storage.Config {
	if t.Compact {
		// What is not sealed is not compacted (KIP-354).
		t.SegmentMillis = min(t.SegmentMillis, t.MaxCompactionLagMillis)
	}
	return storage.Config{
		SegmentBytes:  t.SegmentBytes,
		SegmentMillis: t.SegmentMillis,

		SegmentJitterMillis: t.SegmentJitterMillis,
		IndexIntervalBytes:  max(t.IndexIntervalBytes, 1), // 0 is the default there, and here every batch
		FlushMessages:       t.FlushMessages,
		FlushAfter:          flushAfter(t),
		CleanupPolicy:       cleanupPolicy(t),
		RetentionBytes:      t.RetentionBytes,
		RetentionMillis:     t.RetentionMillis,

		MinCleanableDirtyPPM:   t.MinCleanableDirtyPPM,
		MinCompactionLagMillis: t.MinCompactionLagMillis,
		MaxCompactionLagMillis: t.MaxCompactionLagMillis,
		DeleteRetentionMillis:  t.DeleteRetentionMillis,

		MaxMessageBytes: max(t.MaxMessageBytes, 1), // 0 is the default there, and here nothing
		LogAppendTime:   t.LogAppendTime,
		CompressionType: compressionType(t),
		Timestamps: storage.TimestampLimits{Limited: true,
			BeforeMaxMillis: t.TimestampBeforeMaxMillis, AfterMaxMillis: t.TimestampAfterMaxMillis},

		ProducerIDExpiration: time.Duration(t.ProducerIDExpirationMillis) * time.Millisecond,
	}
}

// flushAfter is flush.ms, whose 0 is the default there, and here at once.
func flushAfter(t config.Topic) time.Duration {
	if t.FlushMillis > math.MaxInt64/int64(time.Millisecond) {
		return 0
	}
	return max(time.Duration(t.FlushMillis)*time.Millisecond, 1)
}

func compressionType(t config.Topic) storage.CompressionType {
	kind, _ := storage.ParseCompressionType(t.CompressionType) // the registry takes no other value
	return kind
}

func cleanupPolicy(t config.Topic) (p storage.CleanupPolicy) {
	if t.Delete {
		p |= storage.CleanupDelete
	}
	if t.Compact {
		p |= storage.CleanupCompact
	}
	return p
}

func idList(ids []int32) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(id)))
	}
	return b.String()
}
