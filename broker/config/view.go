package config

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Broker is a typed view of the settings of a broker. As part of a broker's
// configuration it is what the broker starts with; filled from [Layers] it is
// what counts at one moment. The comments name the settings.
type Broker struct {
	AutoCreateTopics         bool  // auto.create.topics.enable
	DefaultPartitions        int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor
	MinInsyncReplicas        int32 // min.insync.replicas, the default for topics without their own

	OffsetsPartitions          int32         // offsets.topic.num.partitions
	OffsetsReplicationFactor   int16         // offsets.topic.replication.factor
	OffsetsSegmentBytes        int32         // offsets.topic.segment.bytes
	OffsetsRetention           time.Duration // offsets.retention.minutes
	OffsetsRetentionCheck      time.Duration // offsets.retention.check.interval.ms
	OffsetsCommitTimeout       time.Duration // offsets.commit.timeout.ms
	OffsetMetadataMax          int32         // offset.metadata.max.bytes
	GroupInitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	GroupMinSession            time.Duration // group.min.session.timeout.ms
	GroupMaxSession            time.Duration // group.max.session.timeout.ms
	GroupMaxSize               int32         // group.max.size

	GroupConsumerSession    time.Duration // group.consumer.session.timeout.ms
	GroupConsumerHeartbeat  time.Duration // group.consumer.heartbeat.interval.ms
	GroupConsumerAssignment time.Duration // group.consumer.assignment.interval.ms
	GroupConsumerMaxSize    int32         // group.consumer.max.size
	GroupConsumerAssignors  string        // group.consumer.assignors

	GroupShareSession       time.Duration // group.share.session.timeout.ms
	GroupShareHeartbeat     time.Duration // group.share.heartbeat.interval.ms
	GroupShareAssignment    time.Duration // group.share.assignment.interval.ms
	GroupShareMaxSize       int32         // group.share.max.size
	GroupShareRecordLocks   int32         // group.share.partition.max.record.locks
	GroupShareLockDuration  time.Duration // group.share.record.lock.duration.ms
	GroupShareDeliveryLimit int32         // group.share.delivery.count.limit
	GroupShareSessions      int           // group.share.max.share.sessions

	ShareStatePartitions        int32         // share.coordinator.state.topic.num.partitions
	ShareStateReplicationFactor int16         // share.coordinator.state.topic.replication.factor
	ShareStateMinISR            int32         // share.coordinator.state.topic.min.isr
	ShareStateSegmentBytes      int32         // share.coordinator.state.topic.segment.bytes
	ShareStateUpdates           int32         // share.coordinator.snapshot.update.records.per.snapshot
	ShareStateWriteTimeout      time.Duration // share.coordinator.write.timeout.ms
	ShareStatePruneInterval     time.Duration // share.coordinator.state.topic.prune.interval.ms
	ShareStateColdInterval      time.Duration // share.coordinator.cold.partition.snapshot.interval.ms

	TransactionsPartitions        int32         // transaction.state.log.num.partitions
	TransactionsReplicationFactor int16         // transaction.state.log.replication.factor
	TransactionsMinISR            int32         // transaction.state.log.min.isr
	TransactionsSegmentBytes      int32         // transaction.state.log.segment.bytes
	TransactionMaxTimeout         time.Duration // transaction.max.timeout.ms
	TransactionAbortInterval      time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	TransactionalIDExpiration     time.Duration // transactional.id.expiration.ms
	TransactionExpireInterval     time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	TransactionVerification       bool          // transaction.partition.verification.enable
	AddPartitionsRetry            time.Duration // add.partitions.to.txn.retry.backoff.ms
	AddPartitionsRetryMax         time.Duration // add.partitions.to.txn.retry.backoff.max.ms

	MaxRequestBytes     int32         // socket.request.max.bytes
	QueuedMaxBytes      int64         // queued.max.request.bytes
	MaxConnections      int           // max.connections; further ones wait to be accepted
	MaxConnectionsPerIP int           // max.connections.per.ip; further ones are closed at once
	PipelinedRequests   int           // weir.pipelined.requests
	ConnectionsMaxIdle  time.Duration // connections.max.idle.ms

	ReplicaLagTimeMax      time.Duration // replica.lag.time.max.ms
	ReplicaFetchers        int           // num.replica.fetchers
	ReplicaFetchBytes      int32         // replica.fetch.max.bytes
	ReplicaFetchWaitMax    time.Duration // replica.fetch.wait.max.ms
	ReplicaFetchBackoff    time.Duration // replica.fetch.backoff.ms
	ReplicaSocketTimeout   time.Duration // replica.socket.timeout.ms
	ReplicaSelector        string        // replica.selector.class; empty for the leader
	AlterLogDirsRate       int64         // replica.alter.log.dirs.io.max.bytes.per.second, in bytes a second; math.MaxInt64 is no limit
	LeaderThrottledRate    int64         // leader.replication.throttled.rate, in bytes a second; math.MaxInt64 is no limit
	FollowerThrottledRate  int64         // follower.replication.throttled.rate, the same
	CheckpointInterval     time.Duration // replica.high.watermark.checkpoint.interval.ms
	RetentionCheckInterval time.Duration // log.retention.check.interval.ms

	CleanerEnabled        bool          // log.cleaner.enable
	CleanerThreads        int           // log.cleaner.threads
	CleanerBackoff        time.Duration // log.cleaner.backoff.ms
	CleanerBufferBytes    int64         // log.cleaner.dedupe.buffer.size
	CleanerLoadFactor     Ratio         // log.cleaner.io.buffer.load.factor
	CleanerBytesPerSecond Rate          // log.cleaner.io.max.bytes.per.second
	CleanerCoordinated    bool          // weir.log.cleaner.coordinated.removal.enable

	BrokerSession            time.Duration // broker.session.timeout.ms
	BrokerHeartbeat          time.Duration // broker.heartbeat.interval.ms
	BalanceLeaders           bool          // auto.leader.rebalance.enable
	BalanceInterval          time.Duration // leader.imbalance.check.interval.seconds
	ElectionTimeout          time.Duration // controller.quorum.election.timeout.ms
	QuorumFetchTimeout       time.Duration // controller.quorum.fetch.timeout.ms
	QuorumRequestTimeout     time.Duration // controller.quorum.request.timeout.ms
	QuorumRetryBackoff       time.Duration // controller.quorum.retry.backoff.ms
	MetadataSnapshotBytes    int64         // metadata.log.max.record.bytes.between.snapshots
	MetadataSnapshotInterval time.Duration // metadata.log.max.snapshot.interval.ms; 0 for no limit
	ReplicaFetchAnswerBytes  int32         // replica.fetch.response.max.bytes
	FetchMaxBytes            int32         // fetch.max.bytes
	FetchSessionSlots        int           // max.incremental.fetch.session.cache.slots

	given map[string]string // as given to Set; never changed, only replaced
}

// DefaultBroker has the default of every setting.
func DefaultBroker() Broker { return Layers{}.BrokerView() }

// Set gives the broker a setting by its Kafka name. It reports, in one
// sentence, why the setting cannot have the value.
func (b *Broker) Set(name, value string) error {
	if err := CheckStatic(name, value); err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	given := maps.Clone(b.given)
	if given == nil {
		given = map[string]string{}
	}
	given[name] = value
	b.given = given
	if s := BrokerSetting(name); s.field != nil {
		s.store(b, value)
	}
	return nil
}

// Check reports the first setting that has a value it cannot have.
func (b Broker) Check() error {
	for _, s := range brokers {
		if s.field == nil || s.Null && s.text(&b) == "" {
			continue
		}
		if err := s.check(s.text(&b)); err != nil {
			return err
		}
		if s.AtRunTime && !s.same(s.text(&b), s.Default) {
			return CheckStatic(s.Name, s.text(&b))
		}
	}
	return nil
}

// Values are the settings that differ from their defaults or were given to
// Set, by name: the layer of what the broker starts with.
func (b Broker) Values() map[string]string {
	values := map[string]string{}
	maps.Copy(values, b.given)
	for _, s := range brokers {
		if s.field == nil {
			continue
		}
		text := s.text(&b)
		if given, ok := b.given[s.Name]; ok && s.same(given, text) {
			continue
		}
		if s.same(text, s.Default) {
			delete(values, s.Name)
			continue
		}
		values[s.Name] = text
	}
	return values
}

// BrokerView is the typed view of the broker settings that count.
func (l Layers) BrokerView() Broker {
	b := Broker{given: l.AtStart}
	for _, s := range brokers {
		if s.field != nil {
			s.store(&b, l.value(s).Text)
		}
	}
	return b
}

// Ratio is a number from 0 to 1, in millionths: what decides is a whole number, on
// every machine the same one.
type Ratio int64

const million = 1_000_000

// Rate is bytes in a second; math.MaxInt64 is no limit.
type Rate int64

const unlimited Rate = math.MaxInt64

// decimal is a decimal fraction as a whole number of units, rounded down; the
// largest number that there is for what is larger.
func decimal(text string, unit int64) int64 {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return math.MaxInt64
	}
	r.Mul(r, new(big.Rat).SetInt64(unit))
	if q := new(big.Int).Quo(r.Num(), r.Denom()); q.IsInt64() {
		return q.Int64()
	}
	return math.MaxInt64
}

// forever stands for all longer times in typed views: long enough, and it can
// be added to an instant.
const forever = 100 * 365 * 24 * time.Hour

// store writes a value into the setting's field.
func (s *Setting) store(b *Broker, text string) {
	n, _ := strconv.ParseInt(text, 10, 64)
	switch p := s.field(b).(type) {
	case *Ratio:
		*p = Ratio(decimal(text, million))
	case *Rate:
		*p = Rate(decimal(text, 1))
	case *bool:
		*p = strings.EqualFold(text, "true")
	case *string:
		*p = text
	case *int:
		*p = int(n)
	case *int16:
		*p = int16(n)
	case *int32:
		*p = int32(n)
	case *int64:
		*p = n
	case *time.Duration:
		unit := s.unit()
		switch {
		case n > int64(forever/unit):
			*p = forever
		case n < 0:
			*p = -unit // no limit, in settings that have this
		default:
			*p = time.Duration(n) * unit
		}
	default:
		panic(fmt.Sprintf("config: %s is kept in a %T, which view.go does not know", s.Name, p))
	}
}

// text reads the setting's field.
func (s *Setting) text(b *Broker) string {
	switch p := s.field(b).(type) {
	case *Ratio:
		return strings.TrimSuffix(strings.TrimRight(big.NewRat(int64(*p), million).FloatString(6), "0"), ".")
	case *Rate:
		if *p == unlimited {
			return s.Default
		}
		return strconv.FormatInt(int64(*p), 10)
	case *bool:
		return strconv.FormatBool(*p)
	case *string:
		return *p
	case *int:
		return strconv.Itoa(*p)
	case *int16:
		return strconv.Itoa(int(*p))
	case *int32:
		return strconv.Itoa(int(*p))
	case *int64:
		return strconv.FormatInt(*p, 10)
	case *time.Duration:
		switch unit := s.unit(); {
		case *p >= forever:
			return neverText
		default:
			return strconv.FormatInt(int64(*p/unit), 10)
		}
	}
	return ""
}

// unit is that of a setting that is a time, as its name says.
func (s *Setting) unit() time.Duration {
	for _, u := range [...]struct {
		suffix string
		unit   time.Duration
	}{{".ms", time.Millisecond}, {".millis", time.Millisecond}, {".seconds", time.Second}, {".minutes", time.Minute}, {".hours", time.Hour}} {
		if strings.HasSuffix(s.Name, u.suffix) {
			return u.unit
		}
	}
	panic("config: the name of " + s.Name + " says no unit of time")
}

// Topic is a typed view of the settings of a topic. The comments name them.
type Topic struct {
	Delete, Compact          bool   // cleanup.policy
	CompressionType          string // compression.type
	FlushMessages            int64  // flush.messages; math.MaxInt64 leaves flushing to the operating system
	FlushMillis              int64  // flush.ms; math.MaxInt64 leaves flushing to the operating system
	IndexIntervalBytes       int64  // index.interval.bytes
	MaxMessageBytes          int32  // max.message.bytes
	TimestampAfterMaxMillis  int64  // message.timestamp.after.max.ms
	TimestampBeforeMaxMillis int64  // message.timestamp.before.max.ms
	LogAppendTime            bool   // message.timestamp.type
	MinInsyncReplicas        int32  // min.insync.replicas
	RetentionBytes           int64  // retention.bytes; negative keeps everything
	RetentionMillis          int64  // retention.ms; negative keeps everything
	SegmentBytes             int64  // internal.segment.bytes if set, or segment.bytes
	SegmentMillis            int64  // segment.ms
	SegmentJitterMillis      int64  // segment.jitter.ms
	MinCleanableDirtyPPM     int64  // min.cleanable.dirty.ratio, in millionths
	MinCompactionLagMillis   int64  // min.compaction.lag.ms
	MaxCompactionLagMillis   int64  // max.compaction.lag.ms
	DeleteRetentionMillis    int64  // delete.retention.ms
	UncleanLeaderElection    bool   // unclean.leader.election.enable

	LeaderThrottled   ThrottledReplicas // leader.replication.throttled.replicas
	FollowerThrottled ThrottledReplicas // follower.replication.throttled.replicas

	ProducerIDExpirationMillis int64 // producer.id.expiration.ms, which only brokers have
}

// TopicView is the typed view of the topic settings that count.
func (l Layers) TopicView() Topic {
	number := func(name string) int64 { return l.Topic(name).Int() }
	t := Topic{
		CompressionType:          l.Topic("compression.type").Text,
		FlushMessages:            number("flush.messages"),
		FlushMillis:              number("flush.ms"),
		IndexIntervalBytes:       number("index.interval.bytes"),
		MaxMessageBytes:          int32(number(MaxMessageBytes)),
		TimestampAfterMaxMillis:  number("message.timestamp.after.max.ms"),
		TimestampBeforeMaxMillis: number("message.timestamp.before.max.ms"),
		LogAppendTime:            l.Topic("message.timestamp.type").Text == "LogAppendTime",
		MinInsyncReplicas:        int32(number(MinInsyncReplicas)),
		RetentionBytes:           number("retention.bytes"),
		RetentionMillis:          number("retention.ms"),
		SegmentBytes:             number("segment.bytes"),
		SegmentMillis:            number("segment.ms"),
		SegmentJitterMillis:      number("segment.jitter.ms"),
		MinCleanableDirtyPPM:     int64(decimal(l.Topic("min.cleanable.dirty.ratio").Text, million)),
		MinCompactionLagMillis:   number("min.compaction.lag.ms"),
		MaxCompactionLagMillis:   number("max.compaction.lag.ms"),
		DeleteRetentionMillis:    number("delete.retention.ms"),
		UncleanLeaderElection:    l.Topic(UncleanLeaderElection).Bool(),
		LeaderThrottled:          ThrottledReplicas(l.Topic(LeaderThrottled).Text),
		FollowerThrottled:        ThrottledReplicas(l.Topic(FollowerThrottled).Text),

		ProducerIDExpirationMillis: l.Broker("producer.id.expiration.ms").Int(),
	}
	for _, policy := range Words(l.Topic(CleanupPolicy).Text) {
		switch policy {
		case "delete":
			t.Delete = true
		case "compact":
			t.Compact = true
		}
	}
	if v := l.Topic("internal.segment.bytes"); !v.Null {
		t.SegmentBytes = v.Int()
	}
	return t
}
