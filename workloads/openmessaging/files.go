package openmessaging

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/workloads/scenario"
)

// Workload is a workload file. The keys are those of the benchmark's class
// Workload; 0 and empty are as left out.
type Workload struct {
	Name               string `yaml:"name"`
	Topics             int64  `yaml:"topics"`
	PartitionsPerTopic int64  `yaml:"partitionsPerTopic"`
	// KeyDistributor is one of NO_KEY, KEY_ROUND_ROBIN and RANDOM_NANO.
	KeyDistributor string `yaml:"keyDistributor"`
	MessageSize    int64  `yaml:"messageSize"` // bytes

	UseRandomizedPayloads    bool   `yaml:"useRandomizedPayloads"`
	RandomBytesRatio         string `yaml:"randomBytesRatio"`
	RandomizedPayloadPool    int64  `yaml:"randomizedPayloadPoolSize"`
	PayloadFile              string `yaml:"payloadFile"`
	SubscriptionsPerTopic    int64  `yaml:"subscriptionsPerTopic"`
	ProducersPerTopic        int64  `yaml:"producersPerTopic"`
	ConsumersPerSubscription int64  `yaml:"consumerPerSubscription"`

	ProducerRate          int64  `yaml:"producerRate"` // records a second of all producers; 0 is as many as can be
	ConsumerBacklogSizeGB int64  `yaml:"consumerBacklogSizeGB"`
	BacklogDrainRatio     string `yaml:"backlogDrainRatio"`
	TestDurationMinutes   int64  `yaml:"testDurationMinutes"`
	WarmupDurationMinutes *int64 `yaml:"warmupDurationMinutes"` // absent is 1

	file string
}

// Driver is a driver file of the benchmark's Kafka driver.
type Driver struct {
	Name              string `yaml:"name"`
	DriverClass       string `yaml:"driverClass"`
	ReplicationFactor int64  `yaml:"replicationFactor"`
	Reset             bool   `yaml:"reset"`
	ZooKeeperServers  string `yaml:"zookeeperServers"`
	// Settings as Java properties.
	TopicConfig    string `yaml:"topicConfig"`
	CommonConfig   string `yaml:"commonConfig"`
	ProducerConfig string `yaml:"producerConfig"`
	ConsumerConfig string `yaml:"consumerConfig"`

	file string
}

// kafkaDriver is the only driver that Weir can be.
const kafkaDriver = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver"

// Values of Workload.KeyDistributor.
const (
	noKey      = "NO_KEY"
	roundRobin = "KEY_ROUND_ROBIN"
	randomNano = "RANDOM_NANO"
)

// leastBytes and mostBytes bound a record's value: smaller ones cannot be told
// apart, larger ones are beyond max.request.size.
const leastBytes, mostBytes = 16, 1 << 20

// mostPartitions is how many a simulated topic may have, mostClients how many
// producers and consumers there may be, and mostMinutes how long a test may be.
const mostPartitions, mostClients, mostMinutes = 10_000, 10_000, 100_000

// ReadWorkload reads a workload file; file names it in errors.
func ReadWorkload(file string, text []byte) (*Workload, error) {
	w := &Workload{KeyDistributor: noKey, file: file}
	if err := scenario.DecodeStrictly(file, text, w); err != nil {
		return nil, err
	}
	fail := func(key, format string, args ...any) (*Workload, error) {
		return nil, &scenario.Error{File: file, Path: key, Text: fmt.Sprintf(format, args...)}
	}
	for _, k := range []struct {
		key         string
		value       int64
		least, most int64
	}{
		{"topics", w.Topics, 1, mostPartitions}, {"partitionsPerTopic", w.PartitionsPerTopic, 1, mostPartitions},
		{"messageSize", w.MessageSize, leastBytes, mostBytes}, {"subscriptionsPerTopic", w.SubscriptionsPerTopic, 0, 100},
		{"producersPerTopic", w.ProducersPerTopic, 1, mostClients}, {"consumerPerSubscription", w.ConsumersPerSubscription, 0, mostClients},
		{"producerRate", w.ProducerRate, 0, 100_000_000}, {"testDurationMinutes", w.TestDurationMinutes, 1, mostMinutes},
	} {
		if k.value < k.least || k.value > k.most {
			return fail(k.key, "%d is not from %d to %d", k.value, k.least, k.most)
		}
	}
	switch {
	case w.Topics*w.PartitionsPerTopic > mostPartitions:
		return fail("topics", "%d partitions in all; at most %d are simulated", w.Topics*w.PartitionsPerTopic, mostPartitions)
	case w.Topics*w.ProducersPerTopic > mostClients:
		return fail("producersPerTopic", "%d producers in all; at most %d are simulated", w.Topics*w.ProducersPerTopic, mostClients)
	case w.ConsumerBacklogSizeGB != 0:
		return fail("consumerBacklogSizeGB", "a backlog of %d GB is not built up; leave it out", w.ConsumerBacklogSizeGB)
	case !slices.Contains([]string{noKey, roundRobin, randomNano}, w.KeyDistributor):
		return fail("keyDistributor", "%q is not %s, %s or %s", w.KeyDistributor, noKey, roundRobin, randomNano)
	case w.WarmupDurationMinutes != nil && (*w.WarmupDurationMinutes < 0 || *w.WarmupDurationMinutes > mostMinutes):
		return fail("warmupDurationMinutes", "%d is not from 0 to %d", *w.WarmupDurationMinutes, mostMinutes)
	case w.KeyDistributor != noKey && w.ProducerRate == 0:
		return fail("keyDistributor", "producers without a rate are simulated without keys only; give producerRate")
	}
	return w, nil
}

// ReadDriver reads a driver file; file names it in errors.
func ReadDriver(file string, text []byte) (*Driver, error) {
	d := &Driver{file: file}
	if err := scenario.DecodeStrictly(file, text, d); err != nil {
		return nil, err
	}
	fail := func(key, format string, args ...any) (*Driver, error) {
		return nil, &scenario.Error{File: file, Path: key, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case d.DriverClass != kafkaDriver:
		return fail("driverClass", "%q is not Kafka's driver; only %s can be run", d.DriverClass, kafkaDriver)
	case d.ReplicationFactor < 1:
		return fail("replicationFactor", "%d is not positive", d.ReplicationFactor)
	}
	for _, c := range []struct{ key, text string }{{"topicConfig", d.TopicConfig}, {"commonConfig", d.CommonConfig}, {"producerConfig", d.ProducerConfig}, {"consumerConfig", d.ConsumerConfig}} {
		if _, err := properties(c.text); err != nil {
			return fail(c.key, "%v", err)
		}
	}
	return d, nil
}

// properties reads Java properties of one line each.
func properties(text string) (scenario.Properties, error) {
	p := scenario.Properties{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		i := strings.IndexAny(line, "=:")
		if i <= 0 {
			return nil, errors.New(line + " is no setting; write name=value")
		}
		p[strings.TrimSpace(line[:i])] = strings.TrimSpace(line[i+1:])
	}
	return p, nil
}
