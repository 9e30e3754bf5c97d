package openmessaging

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/scenario"
)

// keys is how many keys the benchmark's distributors have.
const keys = 10_000

// withoutMeaning are settings of drivers that mean nothing to a simulated client,
// and why.
var withoutMeaning = map[string]string{
	"bootstrap.servers":  "the clients are told of the simulated brokers",
	"auto.offset.reset":  "consumers are there before the first record",
	"enable.auto.commit": "consumers share partitions out without a group, and commit nothing",
	"client.id":          "clients have names of their own",

	"default.api.timeout.ms": "simulated clients have no calls that it bounds",
}

// notName is what the name of a scenario cannot have.
var notName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// Scenario is a workload under a driver on the brokers of base, whose load and
// topics are left out. A minute of the file is simulated as minute. The notes say
// what was read with another meaning.
func Scenario(base *scenario.Scenario, w *Workload, d *Driver, minute time.Duration) (s *scenario.Scenario, notes []string, err error) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	warmUp := int64(1)
	if w.WarmupDurationMinutes != nil {
		warmUp = *w.WarmupDurationMinutes
	}
	if minute != time.Minute {
		note("a minute of the file is simulated as %v", minute)
	}
	name := w.Name
	if name == "" {
		name = "openmessaging"
	}
	s = &scenario.Scenario{
		Name: strings.Trim(notName.ReplaceAllString(name, "-"), "-"), Question: "What the OpenMessaging workload " + name + " measures under the driver " + d.Name,
		Seed: base.Seed, Cluster: base.Cluster, Recovery: base.Recovery,
		Topic: scenario.Topic{Name: "test-topic", Partitions: scenario.Exactly(w.Topics * w.PartitionsPerTopic), ReplicationFactor: scenario.Exactly(d.ReplicationFactor)},
	}
	if w.Topics > 1 {
		note("%d topics of %d partitions are simulated as one of %d", w.Topics, w.PartitionsPerTopic, w.Topics*w.PartitionsPerTopic)
	}
	if w.PayloadFile != "" || w.UseRandomizedPayloads {
		note("payloads are made, of %d bytes; nothing is read from %s", w.MessageSize, orNothing(path.Base(w.PayloadFile)))
	}
	take := func(text string) scenario.Properties {
		p, e := properties(text)
		if err == nil {
			err = e
		}
		for name := range withoutMeaning {
			delete(p, name)
		}
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(withoutMeaning)) {
		for _, text := range []string{d.CommonConfig, d.ProducerConfig, d.ConsumerConfig} {
			if p, _ := properties(text); p[name] != "" {
				note("%s means nothing here: %s", name, withoutMeaning[name])
				break
			}
		}
	}
	s.Topic.Configs = take(d.TopicConfig)
	producers := scenario.Producers{
		Count: scenario.Exactly(w.Topics * w.ProducersPerTopic), RecordSize: scenario.Exactly(w.MessageSize),
		Partitioner: scenario.PartitionerSticky, Properties: take(d.ProducerConfig),
	}
	if w.ProducerRate == 0 {
		producers.Arrivals = scenario.ArrivalsSaturate
		note("producerRate 0: producers send as fast as their buffers let them, where the benchmark looks for the rate that consumers keep up with")
	} else {
		producers.Arrivals, producers.Rate = scenario.ArrivalsConstant, scenario.Exactly(w.ProducerRate)
	}
	history := scenario.HistoryBatches
	if w.KeyDistributor != noKey {
		history = scenario.HistoryRecords
		note("keyDistributor: records have %d keys in turn and go to partitions in turn, not by the hash of their keys", keys)
		producers.Keys, producers.Partitioner = scenario.Exactly(keys), scenario.PartitionerRoundRobin
	}
	s.Load = scenario.Load{
		Duration: scenario.ExactSpan(time.Duration(warmUp+w.TestDurationMinutes) * minute), WarmUp: time.Duration(warmUp) * minute,
		History: history, Properties: take(d.CommonConfig),
		Programs: []scenario.Program{{Producers: &producers}},
	}
	for range w.SubscriptionsPerTopic {
		if n := min(w.Topics*w.ConsumersPerSubscription, w.Topics*w.PartitionsPerTopic); n > 0 {
			s.Load.Programs = append(s.Load.Programs, scenario.Program{Consumers: &scenario.Consumers{Count: scenario.Exactly(n), Properties: take(d.ConsumerConfig)}})
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return s, notes, s.Validate(d.file)
}

func orNothing(file string) string {
	if file == "." || file == "" {
		return "any file"
	}
	return file
}
