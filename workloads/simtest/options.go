package simtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
)

// Option says how a test differs from the usual one.
type Option func(*options) error

type options struct {
	seeds    []scenario.Seed
	corpus   string
	out      string
	programs func() []program.Program
	change   []func(*scenario.Scenario)

	brokers    int64
	properties scenario.Properties
	topics     []scenario.Topic
}

// Seeds are those that plain go test tries, such as "1-10" or "0x2a,7". Without it
// the only one is the scenario's own.
func Seeds(list string) Option {
	return func(o *options) (err error) {
		o.seeds, err = parseSeeds(list)
		return err
	}
}

// Corpus is the directory of explicit plans that every go test runs first,
// instead of testdata/weir/<name of the test>.
func Corpus(dir string) Option {
	return func(o *options) error {
		o.corpus = dir
		return nil
	}
}

// Out is the directory for result directories of failing seeds, if -weir.out
// gives none.
func Out(dir string) Option {
	return func(o *options) error {
		o.out = dir
		return nil
	}
}

// Programs has programs run beside those of the scenario: [program.Custom] is the
// one whose clients do what the test says. make is called for every run.
func Programs(make func() []program.Program) Option {
	return func(o *options) error {
		o.programs = make
		return nil
	}
}

// Change alters the scenario of Run before its seed draws what it leaves open. Kept
// plans stay as they are.
func Change(change func(s *scenario.Scenario)) Option {
	return func(o *options) error {
		o.change = append(o.change, change)
		return nil
	}
}

// Set gives brokers a setting by its Kafka name.
func Set(name, value string) Option {
	return func(o *options) error {
		o.properties[name] = value
		return nil
	}
}

// Brokers says how many a [Cluster] has: 3 without it.
func Brokers(n int) Option {
	return func(o *options) error {
		o.brokers = int64(n)
		return nil
	}
}

// Topic has a topic made in a [Cluster] before its task starts, with three
// replicas, or as many as there are brokers if that is less, and with configs as
// "name=value".
func Topic(name string, partitions int, configs ...string) Option {
	return func(o *options) error {
		t := scenario.Topic{Name: name, Partitions: scenario.Exactly(int64(partitions)), Configs: scenario.Properties{}}
		for _, text := range configs {
			name, value, ok := strings.Cut(text, "=")
			if !ok {
				return fmt.Errorf("topic %s: write %q as name=value", t.Name, text)
			}
			t.Configs[name] = value
		}
		o.topics = append(o.topics, t)
		return nil
	}
}

func collect(opts []Option) (*options, error) {
	o := &options{brokers: 3, properties: scenario.Properties{}}
	for _, opt := range opts {
		if err := opt(o); err != nil {
			return nil, err
		}
	}
	for name, value := range o.properties {
		o.change = append(o.change, func(s *scenario.Scenario) {
			if s.Cluster.Properties == nil {
				s.Cluster.Properties = scenario.Properties{}
			}
			s.Cluster.Properties[name] = value
		})
	}
	return o, nil
}

// stage is the scenario of a Cluster, whose load is of no consequence.
func (o *options) stage() *scenario.Scenario {
	topics := o.topics
	if len(topics) == 0 {
		topics = []scenario.Topic{{Name: "orders", Partitions: scenario.Exactly(1)}}
	}
	for i := range topics {
		topics[i].ReplicationFactor = scenario.Exactly(min(3, o.brokers))
	}
	return &scenario.Scenario{
		Name: "cluster", Seed: 1,
		Cluster: scenario.Cluster{Brokers: scenario.Exactly(o.brokers), Storage: "gp3"},
		Topics:  topics,
		Load: scenario.Load{Duration: scenario.ExactSpan(time.Second), Producers: scenario.Producers{
			Topic: topics[0].Name, Count: scenario.Exactly(1), Rate: scenario.Exactly(1), RecordSize: scenario.Exactly(100),
		}},
		Recovery: time.Minute,
	}
}
