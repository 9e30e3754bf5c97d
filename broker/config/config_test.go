package config

import (
	"bufio"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kafka reads a table of testdata: rows of columns.
func kafka(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	rows := map[string][]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			columns := strings.Split(line, "\t")
			rows[columns[0]] = columns
		}
	}
	require.NoError(t, lines.Err())
	return rows
}

func defaultText(s *Setting) string {
	switch {
	case s.Null:
		return "null"
	case s.Default == "":
		return "-"
	}
	return s.Default
}

func TestTopicSettingsAreThoseOfKafka(t *testing.T) {
	rows := kafka(t, "kafka-topic-settings.tsv")
	require.Len(t, TopicSettings(), len(rows))
	for _, s := range TopicSettings() {
		require.Contains(t, rows, s.Name)
		var synonyms []string
		for _, syn := range s.Synonyms {
			synonyms = append(synonyms, syn.Name)
		}
		joined := strings.Join(synonyms, " ")
		if joined == "" {
			joined = "-"
		}
		require.Equal(t, rows[s.Name], []string{s.Name, strings.ToUpper(typeName(s.Type)), defaultText(s), joined})
	}
}

// weirs are the broker settings that differ from Kafka's on purpose: why.
var weirs = map[string]string{
	"listeners":                                    "Weir listens on loopback unless told otherwise",
	"log.dirs":                                     "the root of the broker's file system",
	"node.id":                                      "Kafka has no default",
	"controller.quorum.retry.backoff.ms":           "quicker",
	"replica.fetch.backoff.ms":                     "quicker",
	"offsets.topic.num.partitions":                 "8 partitions are enough for the clusters that Weir is made for",
	"transaction.state.log.num.partitions":         "8 partitions are enough for the clusters that Weir is made for",
	"share.coordinator.state.topic.num.partitions": "8 partitions are enough for the clusters that Weir is made for",
	"num.replica.fetchers":                         "read-only here",
	"queued.max.request.bytes":                     "what strangers send never costs more than a stated bound",
}

func TestBrokerSettingsAreThoseOfKafka(t *testing.T) {
	rows := kafka(t, "kafka-broker-settings.tsv")
	for _, s := range BrokerSettings() {
		if strings.HasPrefix(s.Name, "weir.") {
			continue // Kafka has no such setting, and says so in its name
		}
		if s.AtRunTime {
			// KafkaConfig has none of them: they are DynamicConfig's, longs for all
			// brokers or one with the default of a quota that is none.
			require.NotContains(t, rows, s.Name)
			require.Equal(t, []string{"LONG", neverText, "cluster-wide"}, []string{strings.ToUpper(typeName(s.Type)), s.Default, s.Update.String()})
			continue
		}
		require.Contains(t, rows, s.Name, "no such setting in Kafka")
		want := rows[s.Name]
		got := []string{s.Name, strings.ToUpper(typeName(s.Type)), defaultText(s), s.Update.String()}
		if _, differs := weirs[s.Name]; differs {
			require.NotEqual(t, want, got, "the difference is gone")
			continue
		}
		require.Equal(t, want, got)
	}
}

func TestSettingsAreSortedByName(t *testing.T) {
	for _, list := range [][]*Setting{TopicSettings(), BrokerSettings(), GroupSettings()} {
		require.True(t, slices.IsSortedFunc(list, byName))
		for _, s := range list {
			require.Same(t, s, find(list, s.Name))
		}
	}
}

func TestEverySettingIsDocumentedAndAcceptsItsDefault(t *testing.T) {
	for _, s := range slices.Concat(TopicSettings(), BrokerSettings(), GroupSettings()) {
		require.NotEmpty(t, s.Doc, s.Name)
		require.NotEmpty(t, s.AppliedBy, s.Name)
		if !s.Null {
			require.NoError(t, s.check(s.Default), s.Name)
		}
	}
}

func TestPrecedenceIsTopicBrokerClusterStartDefault(t *testing.T) {
	l := Layers{
		OnTopic:   map[string]string{"retention.ms": "1"},
		OnBroker:  map[string]string{"log.retention.ms": "2"},
		OnCluster: map[string]string{"log.retention.ms": "3"},
		AtStart:   map[string]string{"log.retention.ms": "4", "log.retention.minutes": "5", "log.retention.hours": "6"},
	}
	for _, step := range []struct {
		want   string
		source Source
		drop   func()
	}{
		{"1", FromTopic, func() { l.OnTopic = nil }},
		{"2", FromBroker, func() { l.OnBroker = nil }},
		{"3", FromCluster, func() { l.OnCluster = nil }},
		{"4", FromStart, func() { delete(l.AtStart, "log.retention.ms") }},
		{"300000", FromStart, func() { delete(l.AtStart, "log.retention.minutes") }},
		{"21600000", FromStart, func() { l.AtStart = nil }},
		{"604800000", FromDefault, func() {}},
	} {
		require.Equal(t, Value{Text: step.want, Source: step.source}, l.Topic("retention.ms"))
		step.drop()
	}
	require.Equal(t, Value{Null: true, Source: FromDefault}, l.Topic("internal.segment.bytes"))
}

func TestHoursWithoutLimitStayWithoutLimit(t *testing.T) {
	l := Layers{AtStart: map[string]string{"log.retention.hours": "-1"}}
	require.Equal(t, int64(-1), l.TopicView().RetentionMillis)
	l = Layers{AtStart: map[string]string{"log.roll.hours": "9223372036854775807"}}
	require.Equal(t, int64(math.MaxInt64), l.TopicView().SegmentMillis)
}

func TestTheLongestTimeCanBeAddedToAnInstant(t *testing.T) {
	b := DefaultBroker()
	require.NoError(t, b.Set("replica.lag.time.max.ms", "9223372036854775807"))
	require.Equal(t, forever, b.ReplicaLagTimeMax)
	require.Positive(t, b.ReplicaLagTimeMax+forever)
	require.Equal(t, "9223372036854775807", b.Values()["replica.lag.time.max.ms"])
}

func TestOriginsNameEveryPlaceThatHasAValue(t *testing.T) {
	l := Layers{
		OnTopic:   map[string]string{"min.insync.replicas": "3"},
		OnCluster: map[string]string{"min.insync.replicas": "2", "log.retention.ms": "7"},
		AtStart:   map[string]string{"log.retention.minutes": "9"},
	}
	require.Equal(t, []Origin{{"min.insync.replicas", "3", FromTopic}, {"min.insync.replicas", "2", FromCluster}, {"min.insync.replicas", "1", FromDefault}},
		l.Origins(TopicSetting("min.insync.replicas")))
	require.Equal(t, []Origin{{"log.retention.ms", "7", FromCluster}, {"log.retention.minutes", "9", FromStart}, {"log.retention.hours", "168", FromDefault}},
		l.Origins(TopicSetting("retention.ms")))
	require.Empty(t, l.Origins(TopicSetting("leader.replication.throttled.replicas")), "a default of no broker setting has no place")
}

// A value is said to come from where it was set, and an unset one is no
// override.
func TestDescriptionsNameTheSource(t *testing.T) {
	l := Layers{OnTopic: map[string]string{"retention.bytes": " 5 "}, OnCluster: map[string]string{"message.max.bytes": "7"}, AtStart: map[string]string{"node.id": "1"}}
	sources := map[string]Value{}
	for _, d := range l.DescribeTopic() {
		require.False(t, d.ReadOnly)
		require.False(t, d.Value.Null, d.Name)
		if d.Value.Source != FromDefault {
			sources[d.Name] = d.Value
		}
	}
	require.Len(t, l.DescribeTopic(), 33, "internal.segment.bytes is described only where it is set")
	require.Equal(t, map[string]Value{"retention.bytes": {Text: "5", Source: FromTopic}, "max.message.bytes": {Text: "7", Source: FromCluster}}, sources)

	values := map[string]Description{}
	for _, d := range l.DescribeBroker() {
		values[d.Name] = d
	}
	require.Len(t, values, len(BrokerSettings())-3, "rates of throttled replication are described only where they are set")
	require.Equal(t, Value{Text: "1", Source: FromStart}, values["node.id"].Value)
	require.True(t, values["node.id"].ReadOnly)
	require.Equal(t, Value{Null: true, Source: FromDefault}, values["broker.rack"].Value)
	require.Equal(t, Value{Null: true, Source: FromDefault}, values["log.retention.ms"].Value)
	require.False(t, values["log.retention.ms"].ReadOnly)
	cluster := l.DescribeCluster()
	require.Len(t, cluster, 1)
	require.Equal(t, "message.max.bytes", cluster[0].Name)
}

func TestWhatABrokerStartsWith(t *testing.T) {
	b := DefaultBroker()
	require.Empty(t, b.Values())
	b.MinInsyncReplicas = 2
	b.BrokerSession = 3 * time.Second
	require.NoError(t, b.Set("log.retention.hours", " 1 "))
	require.NoError(t, b.Set("num.partitions", "1"))
	require.NoError(t, b.Set("group.initial.rebalance.delay.ms", "0"))
	require.Equal(t, time.Duration(0), b.GroupInitialRebalanceDelay)
	require.Equal(t, map[string]string{"min.insync.replicas": "2", "broker.session.timeout.ms": "3000",
		"log.retention.hours": "1", "num.partitions": "1", "group.initial.rebalance.delay.ms": "0"}, b.Values())

	other := b
	require.NoError(t, other.Set("num.partitions", "9"))
	require.Equal(t, int32(1), b.DefaultPartitions)
	require.Equal(t, "1", b.Values()["num.partitions"], "copies share nothing that changes")

	view := Layers{AtStart: b.Values(), OnCluster: map[string]string{"min.insync.replicas": "3"}}.BrokerView()
	require.Equal(t, int32(3), view.MinInsyncReplicas)
	require.Equal(t, 3*time.Second, view.BrokerSession)
}

func TestWhatIsNotInTheRegistryIsRefusedByName(t *testing.T) {
	for name, says := range map[string]string{
		"retention.mss":  `Unknown topic config name: retention.mss (did you mean "retention.ms"?)`,
		"made.up":        "Unknown topic config name: made.up",
		"num.partitions": "Unknown topic config name: num.partitions",
		"remote.foo":     "Unknown topic config name: remote.foo; in Kafka it needs tiered storage, which this broker does not have: remove it",
	} {
		require.EqualError(t, CheckTopic(name, "1"), says)
	}
	for name, says := range map[string]string{
		"num.partition":              `unknown broker setting num.partition (did you mean "num.partitions"?)`,
		"ssl.keystore.key":           "unknown broker setting ssl.keystore.key; in Kafka it needs TLS, which this broker does not have: remove it",
		"process.roles":              "unknown broker setting process.roles; here every node is a broker, and a controller if controller.quorum.voters names it: remove it",
		"log.cleaner.io.buffer.size": "unknown broker setting log.cleaner.io.buffer.size; here a cleaner reads and writes in pieces of 256 KiB: remove it",
	} {
		b := DefaultBroker()
		require.EqualError(t, b.Set(name, "1"), says)
		require.EqualError(t, CheckUpdate(name, true), says)
	}
}

// TestKafkasOwnPropertiesAreRefusedWithAReason goes through the settings of
// Kafka's config/server.properties: whoever starts with that file is told of
// each what to do.
func TestKafkasOwnPropertiesAreRefusedWithAReason(t *testing.T) {
	for _, name := range []string{
		"process.roles", "node.id", "controller.quorum.bootstrap.servers", "listeners", "inter.broker.listener.name", "advertised.listeners",
		"controller.listener.names", "listener.security.protocol.map", "num.network.threads", "num.io.threads", "socket.send.buffer.bytes",
		"socket.receive.buffer.bytes", "socket.request.max.bytes", "log.dirs", "num.partitions", "num.recovery.threads.per.data.dir",
		"offsets.topic.replication.factor", "share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr",
		"transaction.state.log.replication.factor", "transaction.state.log.min.isr", "log.flush.interval.messages", "log.flush.interval.ms",
		"log.retention.hours", "log.retention.bytes", "log.segment.bytes", "log.retention.check.interval.ms",
	} {
		if BrokerSetting(name) == nil {
			require.ErrorContains(t, CheckStatic(name, ""), ": remove it")
		}
	}
	for name := range otherwise {
		require.Nil(t, BrokerSetting(name), name)
	}
}

func TestSettingsWithoutTheirCapabilityTakeOnlyTheirDefault(t *testing.T) {
	other := map[Type]string{Boolean: "true", Int: "5", Short: "5", Long: "5", Double: "0.1", String: "gzip", List: "0:1"}
	n := 0
	for _, s := range TopicSettings() {
		if s.Needs == "" {
			continue
		}
		n++
		require.NoError(t, CheckTopic(s.Name, s.Default), s.Name)
		err := CheckTopic(s.Name, other[s.Type])
		require.ErrorContains(t, err, s.Name+" needs "+s.Needs)
		for _, syn := range s.Synonyms {
			require.ErrorContains(t, CheckStatic(syn.Name, other[s.Type]), syn.Name+" needs "+s.Needs)
		}
	}
	require.Positive(t, n)
}

func TestValuesAreRefusedInKafkasWords(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"cleanup.policy", "shred", "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"},
		{"retention.ms", "x", "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"segment.bytes", "1000", "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"},
		{"unclean.leader.election.enable", "yes", "Invalid value yes for configuration unclean.leader.election.enable: Expected value to be either true or false"},
		{"compression.type", "brotli", "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"min.cleanable.dirty.ratio", "x", "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"cleanup.policy", "delete,shred", "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"},
		{"min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "-0.5", "Invalid value -0.5 for configuration min.cleanable.dirty.ratio: Value must be at least 0"},
		{"max.message.bytes", "3000000000", "Invalid value 3000000000 for configuration max.message.bytes: Not a number of type INT"},
	} {
		require.EqualError(t, CheckTopic(c.name, c.value), c.says)
	}
	for _, c := range []struct{ name, value string }{
		{"cleanup.policy", ""}, {"cleanup.policy", " delete , compact "}, {"cleanup.policy", "delete,delete"}, {"retention.bytes", "-7"},
		{"unclean.leader.election.enable", "TRUE"}, {"retention.ms", " 5000 "}, {"internal.segment.bytes", "1000"},
	} {
		require.NoError(t, CheckTopic(c.name, c.value))
	}
}

// What is set at run time only is refused where a broker starts, and taken after.
func TestSettingsOfRunTimeOnly(t *testing.T) {
	const rate = "leader.replication.throttled.rate"
	b := DefaultBroker()
	require.EqualError(t, b.Set(rate, "5"), rate+" is set at run time only, as by kafka-configs --alter: remove it")
	require.NoError(t, b.Check())
	b.LeaderThrottledRate = 5
	require.ErrorContains(t, b.Check(), rate+" is set at run time only")
	require.NoError(t, CheckUpdate(rate, true))
	require.NoError(t, CheckUpdate(rate, false))
	require.NoError(t, CheckBroker(rate, "0"))
	require.EqualError(t, CheckBroker(rate, "-1"), "Invalid value -1 for configuration "+rate+": Value must be at least 0")
	l := Layers{OnCluster: map[string]string{rate: "7"}}
	require.EqualValues(t, 7, l.BrokerView().LeaderThrottledRate)
	require.EqualValues(t, math.MaxInt64, l.BrokerView().FollowerThrottledRate)
	require.Equal(t, "broker, cluster-wide, at run time only", BrokerSetting(rate).Scope())
	require.True(t, slices.ContainsFunc(l.DescribeBroker(), func(d Description) bool { return d.Name == rate && d.Value.Text == "7" }))
}

func TestThrottledReplicas(t *testing.T) {
	for _, c := range []struct {
		value string
		has   [][2]int32
		not   [][2]int32
	}{
		{"", nil, [][2]int32{{0, 0}, {0, 1}}},
		{"*", [][2]int32{{0, 0}, {7, 3}}, nil},
		{"0:1, 2:3,", [][2]int32{{0, 1}, {2, 3}}, [][2]int32{{0, 3}, {2, 1}, {1, 0}}},
		{"10:21", [][2]int32{{10, 21}}, [][2]int32{{1, 2}, {10, 2}, {0, 1}}},
	} {
		require.NoError(t, CheckTopic(LeaderThrottled, c.value), c.value)
		for _, r := range c.has {
			require.True(t, ThrottledReplicas(c.value).Has(r[0], r[1]), "%s %v", c.value, r)
		}
		for _, r := range c.not {
			require.False(t, ThrottledReplicas(c.value).Has(r[0], r[1]), "%s %v", c.value, r)
		}
	}
	for _, value := range []string{"0", "0:", ":1", "0:1:2", "-1:2", "a:b", "*,0:1", "0:1;2:3", "0:99999999999", "**"} {
		require.ErrorContains(t, CheckTopic(FollowerThrottled, value), "must be the literal '*' or a list of replicas in the following format", value)
	}
	require.EqualError(t, CheckTopic(LeaderThrottled, "0:1,x"), "Invalid value [0:1, x] for configuration leader.replication.throttled.replicas: "+
		"leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...")
}

// A group has its own value, else that of its broker, where it may be set in all the
// ways of brokers.
func TestGroupSettingsFallBackToTheBrokers(t *testing.T) {
	const name, base = "consumer.session.timeout.ms", "group.consumer.session.timeout.ms"
	l := Layers{AtStart: map[string]string{base: "50000"}}
	require.Equal(t, BrokerSetting(base).Default, Layers{}.Group(name).Text)
	require.Equal(t, Value{Text: "50000", Source: FromStart}, l.Group(name))
	l.OnGroup = map[string]string{name: "46000"}
	require.Equal(t, 46*time.Second, l.GroupMillis(name))
	require.Equal(t, []Origin{{name, "46000", FromGroup}, {base, "50000", FromStart}, {base, BrokerSetting(base).Default, FromDefault}}, l.Origins(GroupSetting(name)))
	require.Len(t, l.DescribeGroup(), len(GroupSettings()))
	require.NoError(t, CheckGroup(name, "46000"))
	require.EqualError(t, CheckGroup(name, "1"), "Invalid value 1 for configuration consumer.session.timeout.ms: Value must be at least 45000")
	require.EqualError(t, CheckGroup("consumer.session.timeout.m", "1"), `Unknown group config name: consumer.session.timeout.m (did you mean "consumer.session.timeout.ms"?)`)
	require.Equal(t, "group", GroupSetting(name).Scope())
}
