package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/broker/compression"
)

// Config is what every part of a Client shares. The zero value of each field
// but Bootstrap means the default given with it. Names in parentheses are
// Kafka's.
type Config struct {
	// Bootstrap is the "host:port" addresses to find the cluster through
	// (bootstrap.servers). At least one.
	Bootstrap []string

	// ClientID is sent with each request (client.id). Default "weir".
	ClientID string

	// RequestTimeout bounds the wait for one response; when it passes, the
	// connection is closed and every request on it fails
	// (request.timeout.ms). Default 30 s.
	RequestTimeout time.Duration

	// DialTimeout bounds opening one connection
	// (socket.connection.setup.timeout.ms). Default 10 s.
	DialTimeout time.Duration

	// RetryBackoff is the pause before a second attempt; it doubles with each
	// further one up to RetryBackoffMax (retry.backoff.ms,
	// retry.backoff.max.ms). Defaults 100 ms and 1 s.
	RetryBackoff    time.Duration
	RetryBackoffMax time.Duration

	// MetadataMaxAge is how long metadata is believed when nothing
	// contradicts it (metadata.max.age.ms). Default 5 min.
	MetadataMaxAge time.Duration

	// MaxResponseBytes bounds one response; a larger one closes the
	// connection. Default 100 MiB.
	MaxResponseBytes int32
}

// Acks says how many replicas must have a record before its produce request
// is answered.
type Acks int16

// The three settings of acks.
const (
	AcksAll    Acks = -1
	AcksNone   Acks = 0
	AcksLeader Acks = 1
)

// String is the Kafka property value.
func (a Acks) String() string {
	switch a {
	case AcksAll:
		return "all"
	case AcksNone:
		return "0"
	case AcksLeader:
		return "1"
	}
	return "invalid"
}

// ParseAcks reads the Kafka property value: all, -1, 0 or 1.
func ParseAcks(s string) (Acks, error) {
	switch s {
	case "all", "-1":
		return AcksAll, nil
	case "0":
		return AcksNone, nil
	case "1":
		return AcksLeader, nil
	}
	return 0, fmt.Errorf("acks: %q is none of all, 0, 1", s)
}

// Unset, given as a duration that has a default other than zero, means zero:
// "no linger at all" rather than "the default linger".
const Unset time.Duration = -1

// ProducerConfig is the settings of one Producer. Zero fields mean the
// default. Names in parentheses are Kafka's.
type ProducerConfig struct {
	// Acks is how many replicas must have a record (acks). The zero value is
	// AcksNone, so set it; DefaultProducerConfig has AcksAll.
	Acks Acks

	// Idempotent asks for exactly one copy of each record, in order, per
	// partition and producer id (enable.idempotence). It needs AcksAll and
	// MaxInFlight of at most 5.
	Idempotent bool

	// TransactionalID makes the producer transactional: everything is sent within
	// transactions, and whoever calls InitTransactions with the same id fences
	// it (transactional.id, KIP-98). It needs Idempotent.
	TransactionalID string

	// TransactionTimeout is how long a transaction may be open before its
	// coordinator aborts it (transaction.timeout.ms). Default 60 s.
	TransactionTimeout time.Duration

	// ExplicitTransactions has the producer do transactions as clients do that are
	// older than KIP-890, whatever the cluster has to offer: partitions are added by
	// request, and the epoch stays from one transaction to the next.
	ExplicitTransactions bool

	// Linger is how long a batch waits for company before it is sent
	// (linger.ms). Default 0.
	Linger time.Duration

	// BatchBytes is the size at which a batch is closed (batch.size).
	// Default 16,384. A record larger than that gets a batch of its own.
	BatchBytes int32

	// Compression is how batches are compressed (compression.type). BatchBytes
	// and BufferBytes count records as they are before.
	Compression compression.Codec

	// BufferBytes bounds the memory of records not yet answered; Produce
	// blocks while it is exhausted (buffer.memory). Default 32 MiB.
	BufferBytes int64

	// MaxBlock bounds the blocking of Produce: for buffer memory and for the
	// first metadata of a topic (max.block.ms). Default 60 s.
	MaxBlock time.Duration

	// MaxRequestBytes bounds the batches put into one request
	// (max.request.size). Default 1 MiB.
	MaxRequestBytes int32

	// MaxInFlight bounds unanswered produce requests per broker
	// (max.in.flight.requests.per.connection). Default 5.
	MaxInFlight int

	// Retries bounds the attempts after the first (retries). Zero means no
	// bound but DeliveryTimeout; NoRetries means none.
	Retries int

	// DeliveryTimeout bounds the time from Produce to the start of the last
	// attempt (delivery.timeout.ms): a record's Result arrives at the latest
	// one RequestTimeout after it. Default 2 min.
	DeliveryTimeout time.Duration

	// ResendUnderNewEpoch says what becomes of a batch that may have been
	// appended when its sequence numbers are worth nothing any more, because a
	// broker refused them or an earlier batch was given up. If it is set, the
	// batch is sent again under a new producer epoch, as Kafka's Java client
	// does (TransactionManager.bumpIdempotentProducerEpoch, KIP-360): the record
	// may then stand in the log twice. If not, the batch is given up, its
	// outcome unknown.
	ResendUnderNewEpoch bool

	// Partitioner places records whose Partition is PartitionAny. Default
	// PartitionByKey.
	Partitioner Partitioner
}

// NoRetries is the Retries of a producer that makes one attempt only.
const NoRetries = -1

// DefaultProducerConfig is Kafka's defaults: acks=all, idempotent.
func DefaultProducerConfig() ProducerConfig {
	return ProducerConfig{Acks: AcksAll, Idempotent: true}
}

// Reset says where to start reading when there is no position, or the
// position is no longer in the log (auto.offset.reset).
type Reset int8

// The three policies. ResetNone reports the condition from Poll and waits for
// a Seek.
const (
	ResetNone Reset = iota
	ResetEarliest
	ResetLatest
)

// ConsumerConfig is the settings of one Consumer. Zero fields mean the
// default. Names in parentheses are Kafka's.
type ConsumerConfig struct {
	// OffsetReset is what to do without a usable position
	// (auto.offset.reset).
	OffsetReset Reset

	// ReadCommitted hides records of open and aborted transactions
	// (isolation.level=read_committed).
	ReadCommitted bool

	// MinBytes and MaxWait: a broker holds a fetch until it has MinBytes or
	// MaxWait has passed (fetch.min.bytes, fetch.max.wait.ms). Defaults 1 and
	// 500 ms.
	MinBytes int32
	MaxWait  time.Duration

	// MaxBytes bounds one fetch response (fetch.max.bytes). Default 50 MiB.
	MaxBytes int32

	// PartitionMaxBytes bounds one partition's part of it
	// (max.partition.fetch.bytes). Default 1 MiB.
	PartitionMaxBytes int32

	// FetchSessions has brokers remember what is fetched (KIP-227), as Kafka's
	// Java client always does; it has no setting for it.
	FetchSessions bool

	// Rack is where the consumer is (client.rack): a leader that has a replica to
	// read from in that rack sends it there (KIP-392).
	Rack string

	// MaxPollRecords bounds the records one Poll returns (max.poll.records).
	// Default 500.
	MaxPollRecords int

	// Group is the consumer group to commit offsets in and, with Subscribe,
	// to be a member of (group.id). Empty: no group.
	Group string

	// ConsumerProtocol makes it a member of a group under the consumer protocol
	// (group.protocol=consumer, KIP-848): the coordinator divides the partitions,
	// and says how often it wants heartbeats and how long a session lasts.
	ConsumerProtocol bool

	// InstanceID makes this a static member (group.instance.id, KIP-345).
	InstanceID string

	// SessionTimeout, HeartbeatInterval and RebalanceTimeout rule the group
	// membership (session.timeout.ms, heartbeat.interval.ms,
	// max.poll.interval.ms). Defaults 45 s, 3 s, 5 min.
	SessionTimeout    time.Duration
	HeartbeatInterval time.Duration
	RebalanceTimeout  time.Duration

	// Silent leaves the group at Close without a word, as a process that dies
	// (internal.leave.group.on.close=false): others get its partitions when its
	// session has timed out.
	Silent bool

	// OnAssigned and OnRevoked are told of changes to the group assignment,
	// by the task that runs the membership. They may commit offsets but must
	// not Poll. OnRevoked runs before the group goes on; lost is true when the
	// member had already been expelled, so that commits would be refused. Under the
	// consumer protocol OnAssigned is told of all that the member has from then on, and
	// again once the coordinator knows that and in each later member epoch; OnRevoked of
	// what it is to give up.
	OnAssigned func(parts []TopicPartition)
	OnRevoked  func(parts []TopicPartition, lost bool)
}

func orDuration(d, def time.Duration) time.Duration {
	if d == Unset {
		return 0
	}
	if d == 0 {
		return def
	}
	return d
}

func or[T int | int32 | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (cfg Config) withDefaults() (Config, error) {
	if len(cfg.Bootstrap) == 0 {
		return cfg, errors.New("client: Bootstrap is empty: give at least one host:port")
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "weir"
	}
	cfg.RequestTimeout = orDuration(cfg.RequestTimeout, 30*time.Second)
	cfg.DialTimeout = orDuration(cfg.DialTimeout, 10*time.Second)
	cfg.RetryBackoff = orDuration(cfg.RetryBackoff, 100*time.Millisecond)
	cfg.RetryBackoffMax = max(orDuration(cfg.RetryBackoffMax, time.Second), cfg.RetryBackoff, time.Millisecond)
	cfg.MetadataMaxAge = orDuration(cfg.MetadataMaxAge, 5*time.Minute)
	cfg.MaxResponseBytes = or(cfg.MaxResponseBytes, 100<<20)
	if cfg.RequestTimeout <= 0 || cfg.DialTimeout <= 0 || cfg.MetadataMaxAge <= 0 {
		return cfg, errors.New("client: RequestTimeout, DialTimeout and MetadataMaxAge must be positive")
	}
	return cfg, nil
}

func (cfg ProducerConfig) withDefaults() (ProducerConfig, error) {
	cfg.Linger = orDuration(cfg.Linger, 0)
	cfg.BatchBytes = or(cfg.BatchBytes, 16384)
	cfg.BufferBytes = or(cfg.BufferBytes, 32<<20)
	cfg.MaxBlock = orDuration(cfg.MaxBlock, time.Minute)
	cfg.MaxRequestBytes = or(cfg.MaxRequestBytes, 1<<20)
	cfg.MaxInFlight = or(cfg.MaxInFlight, 5)
	cfg.DeliveryTimeout = orDuration(cfg.DeliveryTimeout, 2*time.Minute)
	cfg.TransactionTimeout = orDuration(cfg.TransactionTimeout, time.Minute)
	switch {
	case cfg.Acks != AcksAll && cfg.Acks != AcksNone && cfg.Acks != AcksLeader:
		return cfg, fmt.Errorf("client: acks %d is none of -1 (all), 0, 1", int16(cfg.Acks))
	case cfg.TransactionalID != "" && !cfg.Idempotent:
		return cfg, errors.New("client: transactional.id needs enable.idempotence")
	case cfg.TransactionTimeout <= 0:
		return cfg, fmt.Errorf("client: transaction.timeout.ms must be positive, not %s", cfg.TransactionTimeout)
	case cfg.Idempotent && cfg.Acks != AcksAll:
		return cfg, fmt.Errorf("client: enable.idempotence needs acks=all, not acks=%s", cfg.Acks)
	case cfg.Idempotent && cfg.MaxInFlight > 5:
		return cfg, fmt.Errorf("client: enable.idempotence needs max.in.flight.requests.per.connection of at most 5, not %d: brokers remember five batches", cfg.MaxInFlight)
	case cfg.Idempotent && cfg.Retries < 0:
		return cfg, errors.New("client: enable.idempotence needs retries of at least 1: a lost batch would block the partition's sequence")
	case cfg.Compression < compression.None || cfg.Compression > compression.Zstd:
		return cfg, fmt.Errorf("client: there is no compression codec %d", int8(cfg.Compression))
	case cfg.MaxInFlight < 0 || cfg.BatchBytes < 0 || cfg.BufferBytes < 0 || cfg.MaxRequestBytes < 0 || cfg.Linger < 0:
		return cfg, errors.New("client: sizes, counts and linger.ms of a producer must not be negative")
	}
	return cfg, nil
}

func (cfg ConsumerConfig) withDefaults() (ConsumerConfig, error) {
	cfg.MinBytes = or(cfg.MinBytes, 1)
	cfg.MaxWait = orDuration(cfg.MaxWait, 500*time.Millisecond)
	cfg.MaxBytes = or(cfg.MaxBytes, 50<<20)
	cfg.PartitionMaxBytes = or(cfg.PartitionMaxBytes, 1<<20)
	cfg.MaxPollRecords = or(cfg.MaxPollRecords, 500)
	cfg.SessionTimeout = orDuration(cfg.SessionTimeout, 45*time.Second)
	cfg.HeartbeatInterval = orDuration(cfg.HeartbeatInterval, 3*time.Second)
	cfg.RebalanceTimeout = orDuration(cfg.RebalanceTimeout, 5*time.Minute)
	if cfg.MaxPollRecords < 0 || cfg.MaxBytes < 0 || cfg.PartitionMaxBytes < 0 {
		return cfg, errors.New("client: sizes and counts of a consumer must not be negative")
	}
	if cfg.HeartbeatInterval >= cfg.SessionTimeout {
		return cfg, fmt.Errorf("client: heartbeat.interval.ms (%s) must be shorter than session.timeout.ms (%s)", cfg.HeartbeatInterval, cfg.SessionTimeout)
	}
	return cfg, nil
}
