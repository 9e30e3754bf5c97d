package broker

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// describeConfigsAPI is DescribeConfigs (key 32): the settings of topics and
// of this broker, with where each value comes from.
//
//	v1 source and synonyms of a value (KIP-226); synonyms are left empty
//	v3 type and documentation (KIP-569); documentation is left empty
//	v4 flexible
func (b *Broker) describeConfigsAPI() protocol.API { return api(1, 4, b.describeConfigs) }

// setting is one value with its origin.
type setting struct {
	name, value string
	source      kmsg.ConfigSource
	kind        kmsg.ConfigType
	readOnly    bool
}

func (b *Broker) describeConfigs(_ *protocol.Call, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		var settings []setting
		switch {
		case asked.ResourceType == kmsg.ConfigResourceTypeTopic:
			if b.controller.Image().Topic(asked.ResourceName) == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			settings = b.topicSettings(asked.ResourceName)
		case asked.ResourceType == kmsg.ConfigResourceTypeBroker && (asked.ResourceName == "" || asked.ResourceName == strconv.Itoa(int(b.cfg.NodeID))):
			settings = b.brokerSettings()
		default:
			out.ErrorCode = kerr.InvalidRequest.Code
			out.ErrorMessage = kmsg.StringPtr("ask the broker itself for its settings; other resources than topics and brokers have none here")
		}
		for _, s := range settings {
			if out.ErrorCode == 0 && (asked.ConfigNames == nil || slices.Contains(asked.ConfigNames, s.name)) {
				out.Configs = append(out.Configs, s.describe())
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (s setting) describe() kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.Source, c.ConfigType, c.ReadOnly = s.name, kmsg.StringPtr(s.value), s.source, s.kind, s.readOnly
	c.IsDefault = s.source != kmsg.ConfigSourceDynamicTopicConfig
	return c
}

// topicDefaults are the topic settings this broker acts on, with the values
// that topics without their own get.
func (b *Broker) topicDefaults() []setting {
	number := func(name string, value int64, kind kmsg.ConfigType) setting {
		return setting{name: name, value: strconv.FormatInt(value, 10), source: kmsg.ConfigSourceStaticBrokerConfig, kind: kind}
	}
	return []setting{
		{name: "cleanup.policy", value: "delete", source: kmsg.ConfigSourceDefaultConfig, kind: kmsg.ConfigTypeList},
		number("flush.messages", flushMessagesAsKafka(b.cfg.FlushMessages), kmsg.ConfigTypeLong),
		number("index.interval.bytes", b.cfg.IndexIntervalBytes, kmsg.ConfigTypeInt),
		number("max.message.bytes", int64(b.cfg.MaxMessageBytes), kmsg.ConfigTypeInt),
		{name: "message.timestamp.type", value: "CreateTime", source: kmsg.ConfigSourceDefaultConfig, kind: kmsg.ConfigTypeString},
		number("min.insync.replicas", int64(b.cfg.MinInsyncReplicas), kmsg.ConfigTypeInt),
		number("retention.bytes", b.cfg.RetentionBytes, kmsg.ConfigTypeLong),
		number("retention.ms", retentionMillis(b.cfg.RetentionTime), kmsg.ConfigTypeLong),
		number("segment.bytes", b.cfg.SegmentBytes, kmsg.ConfigTypeInt),
		{name: "unclean.leader.election.enable", value: "false", source: kmsg.ConfigSourceDefaultConfig, kind: kmsg.ConfigTypeBoolean},
	}
}

// flushMessagesAsKafka writes "never" the way Kafka does.
func flushMessagesAsKafka(n int64) int64 {
	if n <= 0 {
		return 1<<63 - 1
	}
	return n
}

func (b *Broker) topicSettings(topic string) []setting {
	t := b.controller.Image().Topic(topic)
	if t == nil {
		return nil
	}
	settings := b.topicDefaults()
	for _, name := range env.SortedKeys(t.Configs) {
		own := setting{name: name, value: t.Configs[name], source: kmsg.ConfigSourceDynamicTopicConfig, kind: kmsg.ConfigTypeString}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
		if i < 0 {
			settings = append(settings, own)
			continue
		}
		own.kind = settings[i].kind
		settings[i] = own
	}
	return settings
}

func (b *Broker) brokerSettings() []setting {
	text := func(name, value string) setting {
		return setting{name: name, value: value, source: kmsg.ConfigSourceStaticBrokerConfig, kind: kmsg.ConfigTypeString, readOnly: true}
	}
	return []setting{
		text("advertised.listeners", b.cfg.advertised()),
		text("auto.create.topics.enable", strconv.FormatBool(b.cfg.AutoCreateTopics)),
		text("broker.rack", b.cfg.Rack),
		text("default.replication.factor", strconv.Itoa(int(b.cfg.DefaultReplicationFactor))),
		text("listeners", b.cfg.Listen),
		text("log.dirs", b.cfg.Dir),
		text("min.insync.replicas", strconv.Itoa(int(b.cfg.MinInsyncReplicas))),
		text("node.id", strconv.Itoa(int(b.cfg.NodeID))),
		text("num.partitions", strconv.Itoa(int(b.cfg.DefaultPartitions))),
		text("offsets.topic.num.partitions", strconv.Itoa(int(b.cfg.OffsetsPartitions))),
		text("offsets.topic.replication.factor", strconv.Itoa(int(b.cfg.OffsetsReplicationFactor))),
	}
}
