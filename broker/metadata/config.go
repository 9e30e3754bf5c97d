package metadata

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names of the topic configurations that Weir acts on.
const (
	ConfigMinInsyncReplicas     = "min.insync.replicas"
	ConfigUncleanLeaderElection = "unclean.leader.election.enable"
	ConfigRetentionMillis       = "retention.ms"
	ConfigRetentionBytes        = "retention.bytes"
	ConfigSegmentBytes          = "segment.bytes"
	ConfigSegmentMillis         = "segment.ms"
	ConfigFlushMessages         = "flush.messages"
	ConfigMaxMessageBytes       = "max.message.bytes"
	ConfigIndexIntervalBytes    = "index.interval.bytes"
	ConfigTimestampType         = "message.timestamp.type"
	ConfigCleanupPolicy         = "cleanup.policy"
	ConfigCompressionType       = "compression.type"
)

// topicConfigs are Kafka's topic configurations with their value checks.
var topicConfigs = map[string]func(string) error{
	ConfigMinInsyncReplicas:     between(1, 1<<31-1),
	ConfigUncleanLeaderElection: oneOf("true", "false"),
	ConfigRetentionMillis:       between(-1, 1<<63-1),
	ConfigRetentionBytes:        between(-1, 1<<63-1),
	ConfigSegmentBytes:          between(14, 1<<31-1),
	ConfigSegmentMillis:         between(1, 1<<63-1),
	ConfigFlushMessages:         between(1, 1<<63-1),
	ConfigMaxMessageBytes:       between(0, 1<<31-1),
	ConfigIndexIntervalBytes:    between(0, 1<<31-1),
	ConfigTimestampType:         oneOf("CreateTime", "LogAppendTime"),
	ConfigCleanupPolicy:         listOf("delete", "compact"),
	ConfigCompressionType:       oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),

	// Known so that tools written for Kafka can set them; without effect here.
	"compression.gzip.level":                  anything,
	"compression.lz4.level":                   anything,
	"compression.zstd.level":                  anything,
	"delete.retention.ms":                     between(0, 1<<63-1),
	"file.delete.delay.ms":                    between(0, 1<<63-1),
	"flush.ms":                                between(0, 1<<63-1),
	"follower.replication.throttled.replicas": anything,
	"leader.replication.throttled.replicas":   anything,
	"local.retention.bytes":                   between(-2, 1<<63-1),
	"local.retention.ms":                      between(-2, 1<<63-1),
	"max.compaction.lag.ms":                   between(1, 1<<63-1),
	"message.timestamp.after.max.ms":          between(0, 1<<63-1),
	"message.timestamp.before.max.ms":         between(0, 1<<63-1),
	"min.cleanable.dirty.ratio":               anything,
	"min.compaction.lag.ms":                   between(0, 1<<63-1),
	"preallocate":                             oneOf("true", "false"),
	"remote.storage.enable":                   oneOf("false"),
	"segment.index.bytes":                     between(4, 1<<31-1),
	"segment.jitter.ms":                       between(0, 1<<63-1),
}

// CheckTopicConfig reports, in one sentence, why a topic configuration cannot
// be set, nil if it can.
func CheckTopicConfig(name, value string) error {
	check, known := topicConfigs[name]
	if !known {
		return fmt.Errorf("Unknown topic config name: %s", name) //nolint:staticcheck // Kafka's own words, which clients show
	}
	if err := check(value); err != nil {
		return fmt.Errorf("Invalid value %s for configuration %s: %w", value, name, err) //nolint:staticcheck // as above
	}
	return nil
}

// IsTopicConfigList reports whether the configuration is a list, to which
// values can be appended and from which they can be subtracted (KIP-339).
func IsTopicConfigList(name string) bool {
	return name == ConfigCleanupPolicy || strings.HasSuffix(name, ".throttled.replicas")
}

func anything(string) error { return nil }

func between(low, high int64) func(string) error {
	return func(value string) error {
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("not a whole number")
		}
		if v < low || v > high {
			return fmt.Errorf("must be from %d to %d", low, high)
		}
		return nil
	}
}

func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(words, value) {
			return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
		}
		return nil
	}
}

func listOf(words ...string) func(string) error {
	return func(value string) error {
		for _, v := range strings.Split(value, ",") {
			if !slices.Contains(words, strings.TrimSpace(v)) {
				return fmt.Errorf("must be a list of %s", strings.Join(words, ", "))
			}
		}
		return nil
	}
}
