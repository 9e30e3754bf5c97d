package workloads

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// programConfig is what the scenario's clients do. Keys of settings are
// Kafka's; a setting that is not given has Kafka's default.
func programConfig(s *scenario.Scenario, bootstrap []string) (program.Config, error) {
	l := s.Load
	producer, err := producerConfig(l.Producers.Properties)
	if err != nil {
		return program.Config{}, err
	}
	cfg := program.Config{
		Client: client.Config{
			Bootstrap:       bootstrap,
			ClientID:        "weir",
			RequestTimeout:  l.Properties.Millis("request.timeout.ms", 0),
			DialTimeout:     l.Properties.Millis("socket.connection.setup.timeout.ms", 0),
			RetryBackoff:    l.Properties.Millis("retry.backoff.ms", 0),
			RetryBackoffMax: l.Properties.Millis("retry.backoff.max.ms", 0),
			MetadataMaxAge:  l.Properties.Millis("metadata.max.age.ms", 0),
		},
		Topic:              s.Topic.Name,
		Partitions:         int32(s.Topic.Partitions.Value()),
		ReplicationFactor:  int16(s.Topic.ReplicationFactor),
		Producers:          l.Producers.Count,
		RatePerSecond:      l.Producers.Rate.Value(),
		RecordBytes:        int(l.Producers.RecordSize.Value()),
		Producer:           producer,
		Consumers:          l.Consumers.Count,
		Group:              l.Consumers.Group,
		LogAppendTime:      s.Topic.Configs.Text("message.timestamp.type", "CreateTime") == "LogAppendTime",
		Consumer:           consumerConfig(l.Consumers.Properties),
		ListOffsetsEvery:   time.Second,
		Registers:          l.Committers.Count,
		RegisterPartitions: int32(min(4, s.Topic.Partitions.Value())),
		RegisterEvery:      l.Committers.Every.Value(),
		Arrivals:           arrivals[l.Producers.Arrivals],
		RampFrom:           l.Producers.RampFrom.Value(),
		Sticky:             l.Producers.Partitioner == scenario.PartitionerSticky,
		History:            target.Recording(s),
		Duration:           l.Duration.Value(),
		Drain:              drainPatience,
	}
	for _, name := range s.Topic.Configs.Names() {
		cfg.TopicConfigs = append(cfg.TopicConfigs, client.TopicConfig{Name: name, Value: s.Topic.Configs[name]})
	}
	return cfg, nil
}

// arrivals are by their names in scenarios.
var arrivals = map[string]program.Arrivals{
	"":                        program.ArrivalsConstant,
	scenario.ArrivalsConstant: program.ArrivalsConstant,
	scenario.ArrivalsPoisson:  program.ArrivalsPoisson,
	scenario.ArrivalsRamp:     program.ArrivalsRamp,
	scenario.ArrivalsSaturate: program.ArrivalsSaturate,
}

func producerConfig(p scenario.Properties) (client.ProducerConfig, error) {
	c := client.DefaultProducerConfig()
	acks, err := client.ParseAcks(p.Text("acks", "all"))
	if err != nil {
		return c, fmt.Errorf("scenario: load.producers.properties: %w", err)
	}
	c.Acks = acks
	c.Idempotent = p.Bool("enable.idempotence", acks == client.AcksAll)
	c.Linger = zeroable(p, "linger.ms", c.Linger)
	c.BatchBytes = int32(p.Int("batch.size", int64(c.BatchBytes)))
	c.BufferBytes = p.Int("buffer.memory", c.BufferBytes)
	c.MaxBlock = zeroable(p, "max.block.ms", c.MaxBlock)
	c.MaxRequestBytes = int32(p.Int("max.request.size", int64(c.MaxRequestBytes)))
	c.MaxInFlight = int(p.Int("max.in.flight.requests.per.connection", int64(c.MaxInFlight)))
	c.ResendUnderNewEpoch = p.Bool("weir.resend.under.new.epoch", false)
	c.DeliveryTimeout = p.Millis("delivery.timeout.ms", c.DeliveryTimeout)
	if retries, ok := p["retries"]; ok {
		if c.Retries = int(p.Int("retries", 0)); retries == "0" {
			c.Retries = client.NoRetries
		}
	}
	return c, nil
}

func consumerConfig(p scenario.Properties) client.ConsumerConfig {
	return client.ConsumerConfig{
		OffsetReset:       client.ResetEarliest,
		ReadCommitted:     p.Text("isolation.level", "read_uncommitted") == "read_committed",
		MinBytes:          int32(p.Int("fetch.min.bytes", 0)),
		MaxWait:           zeroable(p, "fetch.max.wait.ms", 0),
		MaxBytes:          int32(p.Int("fetch.max.bytes", 0)),
		PartitionMaxBytes: int32(p.Int("max.partition.fetch.bytes", 0)),
		MaxPollRecords:    int(p.Int("max.poll.records", 0)),
	}
}

// zeroable is a property in milliseconds where the client takes a zero for
// its default and Unset for zero.
func zeroable(p scenario.Properties, name string, def time.Duration) time.Duration {
	d := p.Millis(name, def)
	if _, given := p[name]; given && d == 0 {
		return client.Unset
	}
	return d
}
