package workloads

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// workload is what the scenario's clients do. Keys of settings are Kafka's; a
// setting that is not given has Kafka's default.
func workload(s *scenario.Scenario, bootstrap []string) (program.Config, error) {
	l := s.Load
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
		History:  target.Recording(s),
		Duration: l.Duration.Value(),
		Drain:    drainPatience,
	}
	for _, t := range s.TopicsUnderLoad() {
		topic := program.Topic{
			Name: t.Name, Partitions: int32(t.Partitions.Value()), ReplicationFactor: int16(t.ReplicationFactor.Value()),
			LogAppendTime: t.Configs.Text("message.timestamp.type", "CreateTime") == "LogAppendTime",
		}
		for _, name := range t.Configs.Names() {
			topic.Configs = append(topic.Configs, client.TopicConfig{Name: name, Value: t.Configs[name]})
		}
		cfg.Topics = append(cfg.Topics, topic)
	}
	committers := 0
	for _, c := range l.Clients() {
		topic, ok := s.TopicOf(c.On())
		if !ok {
			return cfg, fmt.Errorf("scenario: there is no topic %q for clients to work on", c.On())
		}
		switch c := c.(type) {
		case *scenario.Producers:
			settings, err := producerConfig(c.Properties)
			if err != nil {
				return cfg, err
			}
			cfg.Programs = append(cfg.Programs, &program.Produce{
				Topic: topic.Name, Producers: c.Clients(), RatePerSecond: c.Rate.Value(), RecordBytes: int(c.RecordSize.Value()),
				Producer: settings, Arrivals: arrivals[c.Arrivals], RampFrom: c.RampFrom.Value(),
				Sticky: c.Partitioner == scenario.PartitionerSticky, Keys: c.Keys.Value(),
			})
		case *scenario.Consumers:
			cfg.Programs = append(cfg.Programs, &program.Consume{
				Topic: topic.Name, Consumers: c.Clients(), Group: c.Group, Consumer: consumerConfig(c.Properties), ListOffsetsEvery: time.Second,
			})
		case *scenario.Members:
			cfg.Programs = append(cfg.Programs, &program.Members{
				Consume: program.Consume{Topic: topic.Name, Consumers: c.Clients(), Group: c.Group, Consumer: consumerConfig(c.Properties)},
				Stay:    program.Bounds{Min: c.Stay.Min, Max: c.Stay.Max}, Away: program.Bounds{Min: c.Away.Min, Max: c.Away.Max},
				Static: c.Static.Set(), Mixed: c.Mixed.Set(), EchoOneIn: c.EchoOneIn.Value(),
			})
		case *scenario.Administrators:
			cfg.Programs = append(cfg.Programs, &program.Administer{Topic: topic.Name, Administrators: c.Clients(), Every: c.Every.Value()})
		case *scenario.Balancers:
			cfg.Programs = append(cfg.Programs, &program.Balance{Topic: topic.Name, Balancers: c.Clients(), Every: c.Every.Value(), Fewest: s.MinISR(topic), Throttle: c.Throttle.Value(), Directories: c.Directories && s.Cluster.LogDirs.Value() > 1})
		case *scenario.Seekers:
			cfg.Programs = append(cfg.Programs, &program.Seek{
				Consume: program.Consume{Topic: topic.Name, Consumers: c.Clients(), Consumer: consumerConfig(c.Properties)}, Slow: c.Slow.Value(),
			})
		case *scenario.Transfers:
			producer, err := producerConfig(c.Properties)
			if err != nil {
				return cfg, err
			}
			cfg.Programs = append(cfg.Programs, &program.Transfer{
				Topic: topic.Name, Transfers: c.Clients(), Transacting: transacting(&c.Transactions, producer), Moves: int(c.Moves.Value()),
			})
		case *scenario.Pipelines:
			producer, err := producerConfig(c.Properties)
			if err != nil {
				return cfg, err
			}
			cfg.Programs = append(cfg.Programs, &program.Pipeline{
				Consume:     program.Consume{Topic: topic.Name, Consumers: c.Clients(), Group: c.Group, Consumer: consumerConfig(c.Properties)},
				Transacting: transacting(&c.Transactions, producer), To: c.To,
			})
		case *scenario.Sharers:
			cfg.Programs = append(cfg.Programs, &program.Share{
				Topic: topic.Name, Sharers: c.Clients(), Group: c.Group,
				Stay: program.Bounds{Min: c.Stay.Min, Max: c.Stay.Max}, Away: program.Bounds{Min: c.Away.Min, Max: c.Away.Max},
				ReleaseOneIn: c.ReleaseOneIn.Value(), RejectOneIn: c.RejectOneIn.Value(), KeepOneIn: c.KeepOneIn.Value(),
			})
		case *scenario.Committers:
			cfg.Programs = append(cfg.Programs, &program.Register{
				Topic: topic.Name, Registers: c.Clients(), Group: scenario.CommittersGroup(committers),
				Partitions: int32(min(4, topic.Partitions.Value())), Every: c.Every.Value(),
			})
			committers++
		default:
			return cfg, fmt.Errorf("scenario: no program does what %T says", c)
		}
	}
	return cfg, nil
}

func transacting(t *scenario.Transacting, producer client.ProducerConfig) program.Transacting {
	return program.Transacting{
		Producer: producer, IDs: int(t.IDs.Value()),
		Every: program.Bounds{Min: t.Every.Min, Max: t.Every.Max}, Pause: program.Bounds{Min: t.Pause.Min, Max: t.Pause.Max},
		AbortOneIn: t.AbortOneIn.Value(), DieOneIn: t.DieOneIn.Value(), PauseOneIn: t.PauseOneIn.Value(),
	}
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
	c.Compression, _ = compression.Parse(p.Text("compression.type", "none")) // the scenario was checked
	c.ResendUnderNewEpoch = p.Bool("weir.resend.under.new.epoch", false)
	c.DeliveryTimeout = p.Millis("delivery.timeout.ms", c.DeliveryTimeout)
	c.ExplicitTransactions = p.Bool("weir.explicit.transactions", false)
	c.TransactionTimeout = p.Millis("transaction.timeout.ms", 0)
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
		ConsumerProtocol:  p.Text("group.protocol", "classic") == "consumer",
		ReadCommitted:     p.Text("isolation.level", "read_uncommitted") == "read_committed",
		MinBytes:          int32(p.Int("fetch.min.bytes", 0)),
		MaxWait:           zeroable(p, "fetch.max.wait.ms", 0),
		MaxBytes:          int32(p.Int("fetch.max.bytes", 0)),
		PartitionMaxBytes: int32(p.Int("max.partition.fetch.bytes", 0)),
		MaxPollRecords:    int(p.Int("max.poll.records", 0)),
		Rack:              p.Text("client.rack", ""),
		FetchSessions:     p.Bool("weir.fetch.sessions", false),
		SessionTimeout:    p.Millis("session.timeout.ms", 0),
		HeartbeatInterval: p.Millis("heartbeat.interval.ms", 0),
		RebalanceTimeout:  p.Millis("max.poll.interval.ms", 0),
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
