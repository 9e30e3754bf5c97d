package openmessaging

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/scenario"
)

// workload is a file with the keys and the layout of the benchmark's own.
func workload(name string, topics, partitions, size, subscriptions, consumers, producers, rate int, more string) string {
	return fmt.Sprintf(`
name: %s

topics: %d
partitionsPerTopic: %d
messageSize: %d
payloadFile: "payload/payload-%d.data"
subscriptionsPerTopic: %d
consumerPerSubscription: %d
producersPerTopic: %d
producerRate: %d
consumerBacklogSizeGB: 0
testDurationMinutes: 15
%s`, name, topics, partitions, size, size, subscriptions, consumers, producers, rate, more)
}

// files are workloads as those of the benchmark's repository: their names, and
// what is in them by these names.
var files = map[string]string{
	"1-topic-1-partition-100b":              workload("1 topic / 1 partition / 100b", 1, 1, 100, 1, 1, 1, 50000, ""),
	"1-topic-1-partition-1kb":               workload("1 topic / 1 partition / 1Kb", 1, 1, 1024, 1, 1, 1, 50000, ""),
	"1-topic-16-partitions-1kb":             workload("1 topic / 16 partition / 1Kb", 1, 16, 1024, 1, 1, 1, 50000, ""),
	"1-topic-6-partition-100b":              workload("1 topic / 6 partition / 100b", 1, 6, 100, 1, 1, 1, 50000, ""),
	"1-topic-3-partition-100b-3producers":   workload("1 producer / 1 consumers on 1 topic", 1, 3, 100, 1, 1, 3, 50000, ""),
	"1-topic-100-partitions-1kb-4p-4c-200k": workload("1 topic / 100 partitions / 1Kb / 4p 4c", 1, 100, 1024, 1, 4, 4, 200000, "warmupDurationMinutes: 5\n"),
	"100-topics-1-partitions-1kb":           workload("100 topics / 1 partition / 1Kb", 100, 1, 1024, 1, 1, 1, 50000, ""),
	"10-topic-3-partitions-100b-1p-2c-1k":   workload("10 topic / 3 partition / 100b", 10, 3, 100, 1, 2, 1, 1000, "keyDistributor: \"KEY_ROUND_ROBIN\"\n"),
	"max-rate-1-topic-16-partitions-1kb":    workload("max-rate 1-topic-16-partitions-1kb", 1, 16, 1024, 1, 1, 1, 0, ""),
	"1-topic-1-partition-1kb-with-key":      workload("1-topic-1-partition-1kb-with-key", 1, 1, 1024, 2, 1, 1, 100, "keyDistributor: RANDOM_NANO\nuseRandomizedPayloads: true\nrandomBytesRatio: 0.5\nrandomizedPayloadPoolSize: 1000\n"),
}

const kafka = `
name: Kafka
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver

# Kafka client-specific configuration
replicationFactor: 3
topicConfig: |
  min.insync.replicas=2
commonConfig: |
  bootstrap.servers=localhost:9092
producerConfig: |
  acks=all
  linger.ms=1
  batch.size=131072
consumerConfig: |
  auto.offset.reset=earliest
  enable.auto.commit=false
  max.partition.fetch.bytes=10485760
`

func base(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("base.yaml", []byte("name: base\ntopic: {name: t, partitions: 1, replication.factor: 1}\nload: {duration: 1s, producers: {count: 1, rate: 1, record-size: 100}}\n"))
	require.NoError(t, err)
	return s
}

// Ten workload files become scenarios without a change to them.
func TestWorkloadFilesRunUnchanged(t *testing.T) {
	d, err := ReadDriver("kafka.yaml", []byte(kafka))
	require.NoError(t, err)
	require.Len(t, files, 10)
	for name, text := range files {
		w, err := ReadWorkload(name+".yaml", []byte(text))
		require.NoError(t, err)
		s, notes, err := Scenario(base(t), w, d, time.Second)
		require.NoError(t, err, name)
		require.NotEmpty(t, notes)
		yaml, err := s.YAML()
		require.NoError(t, err)
		_, err = scenario.Parse(name, yaml)
		require.NoError(t, err, name)
		of := scenario.Of[*scenario.Producers](s.Load)
		require.Len(t, of, 1)
		require.Equal(t, w.Topics*w.PartitionsPerTopic, s.Topic.Partitions.Value())
		require.Equal(t, w.Topics*w.ProducersPerTopic, of[0].Count.Value())
		require.Equal(t, w.ProducerRate, of[0].Rate.Value())
		require.Equal(t, "all", of[0].Properties.Text("acks", ""))
		require.Equal(t, "2", s.Topic.Configs.Text("min.insync.replicas", ""))
		require.Len(t, scenario.Of[*scenario.Consumers](s.Load), int(w.SubscriptionsPerTopic))
	}
}

// The result file has the fields that the benchmark's chart scripts read.
func TestResultFile(t *testing.T) {
	w, err := ReadWorkload("w.yaml", []byte(files["10-topic-3-partitions-100b-1p-2c-1k"]))
	require.NoError(t, err)
	d, err := ReadDriver("kafka.yaml", []byte(kafka))
	require.NoError(t, err)
	s, notes, err := Scenario(base(t), w, d, 200*time.Millisecond)
	require.NoError(t, err)
	require.Contains(t, notes, "10 topics of 3 partitions are simulated as one of 30")
	m, err := measure.Run(context.Background(), s, measure.Target{Kind: measure.Sim, Detailed: true})
	require.NoError(t, err)
	r := NewResult(w, d, m)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(b, &all))
	for _, field := range testResult() {
		require.Contains(t, all, field)
	}
	require.EqualValues(t, 2, all["consumersPerTopic"])
	rates := all["publishRate"].([]any)
	require.Len(t, rates, 2, "whole seconds of 15 minutes of 200 ms, behind one of warm-up")
	for _, v := range rates {
		require.InDelta(t, 1000, v, 20)
	}
	of := all["aggregatedPublishLatencyQuantiles"].(map[string]any)
	require.Equal(t, of["50.0"], all["aggregatedPublishLatency50pct"])
	require.LessOrEqual(t, of["50.0"].(float64), of["99.9"].(float64))
	for _, list := range []string{"publishLatency99pct", "publishDelayLatency99pct", "endToEndLatencyAvg"} {
		require.Len(t, all[list], 2, list)
	}
	for i, v := range all["publishLatencyMax"].([]any) {
		require.LessOrEqual(t, v.(float64), all["aggregatedPublishLatencyMax"].(float64)*1.001, "of the same latency, second %d", i)
	}
	require.Equal(t, all["aggregatedPublishDelayLatency99pct"], math.Trunc(all["aggregatedPublishDelayLatency99pct"].(float64)), "whole microseconds")
	require.Equal(t, "w-Kafka-2026-11-28-06-00-00.json", r.FileName(time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)))
}

// testResult are the names of the fields of the benchmark's class TestResult.
func testResult() []string {
	all := []string{"workload", "driver", "messageSize", "topics", "partitions", "producersPerTopic", "consumersPerTopic",
		"publishRate", "publishErrorRate", "consumeRate", "backlog",
		"aggregatedPublishLatencyQuantiles", "aggregatedPublishDelayLatencyQuantiles", "aggregatedEndToEndLatencyQuantiles"}
	for _, kind := range []string{"PublishLatency", "PublishDelayLatency", "EndToEndLatency"} {
		for _, end := range []string{"Avg", "50pct", "75pct", "95pct", "99pct", "999pct", "9999pct", "Max"} {
			all = append(all, strings.ToLower(kind[:1])+kind[1:]+end, "aggregated"+kind+end)
		}
	}
	return all
}

// Without consumers there is nothing end to end, and the fields are there.
func TestResultFileOfProducersAlone(t *testing.T) {
	w, err := ReadWorkload("w.yaml", []byte(workload("alone", 1, 1, 100, 0, 0, 1, 1000, "")))
	require.NoError(t, err)
	d, err := ReadDriver("kafka.yaml", []byte(kafka))
	require.NoError(t, err)
	s, _, err := Scenario(base(t), w, d, 100*time.Millisecond)
	require.NoError(t, err)
	m, err := measure.Run(context.Background(), s, measure.Target{Kind: measure.Sim, Detailed: true})
	require.NoError(t, err)
	b, err := json.Marshal(NewResult(w, d, m))
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(b, &all))
	for _, field := range testResult() {
		require.Contains(t, all, field)
	}
	require.Empty(t, all["aggregatedEndToEndLatencyQuantiles"])
	require.Zero(t, all["aggregatedEndToEndLatency99pct"])
}

// A mistake names the file and the key, and says what to do.
func TestMistakesInFilesAreNamed(t *testing.T) {
	good := files["1-topic-1-partition-100b"]
	for _, c := range []struct{ old, now, want string }{
		{"messageSize: 100", "mesageSize: 100", `w.yaml:6: unknown key "mesageSize" (did you mean "messageSize"?)`},
		{"topics: 1", "topics: 0", "w.yaml: topics: 0 is not from 1 to 10000"},
		{"testDurationMinutes: 15", "testDurationMinutes: 15\nwarmupDurationMinutes: 9000000000000000000", "w.yaml: warmupDurationMinutes: 9000000000000000000 is not from 0 to 100000"},
		{"producersPerTopic: 1", "producersPerTopic: 9223372036854775807", "w.yaml: producersPerTopic: 9223372036854775807 is not from 1 to 10000"},
		{"topics: 1", "topics: 5000", ""},
		{"topics: 1\npartitionsPerTopic: 1\nmessageSize: 100\npayloadFile: \"payload/payload-100.data\"\nsubscriptionsPerTopic: 1\nconsumerPerSubscription: 1\nproducersPerTopic: 1",
			"topics: 5000\npartitionsPerTopic: 1\nmessageSize: 100\nproducersPerTopic: 4", "w.yaml: producersPerTopic: 20000 producers in all; at most 10000 are simulated"},
		{"partitionsPerTopic: 1", "partitionsPerTopic: 20000", "w.yaml: partitionsPerTopic: 20000 is not from 1 to 10000"},
		{"consumerBacklogSizeGB: 0", "consumerBacklogSizeGB: 10", "w.yaml: consumerBacklogSizeGB: a backlog of 10 GB is not built up"},
		{"testDurationMinutes: 15", "testDurationMinutes: 15\nkeyDistributor: MOST", `w.yaml: keyDistributor: "MOST" is not NO_KEY`},
		{"producerRate: 50000", "producerRate: 0\nkeyDistributor: RANDOM_NANO", "w.yaml: keyDistributor: producers without a rate"},
	} {
		require.Contains(t, good, c.old)
		_, err := ReadWorkload("w.yaml", []byte(strings.Replace(good, c.old, c.now, 1)))
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.want)
	}
	for _, c := range []struct{ old, now, want string }{
		{"KafkaBenchmarkDriver", "PulsarBenchmarkDriver", "only io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver can be run"},
		{"replicationFactor: 3", "replicationFactor: 3\nproducersPerConnection: 2", `d.yaml:7: unknown key "producersPerConnection"`},
		{"  linger.ms=1", "  linger.ms 1", "d.yaml: producerConfig: linger.ms 1 is no setting; write name=value"},
	} {
		require.Contains(t, kafka, c.old)
		_, err := ReadDriver("d.yaml", []byte(strings.Replace(kafka, c.old, c.now, 1)))
		require.ErrorContains(t, err, c.want)
	}
	w, err := ReadWorkload("w.yaml", []byte(good))
	require.NoError(t, err)
	d, err := ReadDriver("d.yaml", []byte(strings.Replace(kafka, "linger.ms", "lingre.ms", 1)))
	require.NoError(t, err)
	_, _, err = Scenario(base(t), w, d, time.Second)
	require.ErrorContains(t, err, `d.yaml: load.programs[0].producers.properties.lingre.ms: unknown property (did you mean "linger.ms"?)`)
}

func TestQuantilesRise(t *testing.T) { require.True(t, slices.IsSorted(quantiles())) }
