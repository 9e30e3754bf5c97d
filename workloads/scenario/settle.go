package scenario

import (
	"slices"
	"strconv"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/faults/drawn"
)

// What is drawn must fit together. Each value is drawn by itself, so that a
// value more re-phases none, and what does not fit is then cut to fit: these
// are the rules. docs/scenarios.md states them for users. They touch only what
// was left to the seed, or depends on it.

// settle makes the drawn scenario fit together; was is what it was drawn from.
func (s *Scenario) settle(was *Scenario) {
	c := &s.Cluster
	if !slices.Contains(ebs(), c.Storage) && was.Cluster.Storage != c.Storage {
		c.Volume = Volume{}
	}
	if !was.Cluster.Brokers.Exact() {
		c.Racks = cut(c.Racks, c.Brokers)
	}
	c.Properties = c.Properties.inOrder(was.Cluster.Properties, brokerOrder, brokerDefault)
	s.Topic.settle(&was.Topic, s, was)
	for i := range s.Topics {
		s.Topics[i].settle(was.topic(s.Topics[i].Name), s, was)
	}
}

// topic is the topic of that name among Topics.
func (s *Scenario) topic(name string) *Topic {
	i := slices.IndexFunc(s.Topics, func(t Topic) bool { return t.Name == name })
	return &s.Topics[i]
}

// cut is n, or most if that is less.
func cut(n, most Number) Number {
	if n.Value() > most.Value() {
		return most
	}
	return n
}

// settle cuts the replication factor to the number of brokers, and
// min.insync.replicas to the replication factor.
func (t *Topic) settle(was *Topic, s, whole *Scenario) {
	free := !was.ReplicationFactor.Exact() || !whole.Cluster.Brokers.Exact()
	if free {
		t.ReplicationFactor = cut(t.ReplicationFactor, s.Cluster.Brokers)
	}
	most := t.ReplicationFactor.Value()
	if free = free || was.Configs.drawn(config.MinInsyncReplicas); free && t.Configs.Int(config.MinInsyncReplicas, 0) > most {
		t.Configs[config.MinInsyncReplicas] = strconv.FormatInt(most, 10)
	}
}

// order says that a setting, times a factor, is at most another.
type order struct {
	lesser  string
	times   int64
	greater string
}

// brokerOrder are the settings of brokers that depend on each other, each
// after those that it depends on.
var brokerOrder = []order{
	{"broker.heartbeat.interval.ms", 3, "broker.session.timeout.ms"},
	{"replica.fetch.wait.max.ms", 1, "replica.lag.time.max.ms"},
	{"replica.fetch.wait.max.ms", 1, "replica.socket.timeout.ms"},
	{"group.consumer.heartbeat.interval.ms", 3, "group.consumer.session.timeout.ms"},
	{"group.min.session.timeout.ms", 1, "group.max.session.timeout.ms"},
}

// brokerDefault is the default of a broker's setting.
func brokerDefault(name string) int64 {
	v, err := strconv.ParseInt(config.BrokerSetting(name).Default, 10, 64)
	if err != nil {
		panic("scenario: " + name + " is not ordered: it has no number as its default")
	}
	return v
}

// clientOrder are the settings of all clients that depend on each other.
var clientOrder = []order{{"retry.backoff.ms", 1, "retry.backoff.max.ms"}}

// clientDefaults are Kafka's, of the settings in clientOrder.
var clientDefaults = map[string]int64{"retry.backoff.ms": 100, "retry.backoff.max.ms": 1000}

// consumerOrder are the settings of consumers that depend on each other.
var consumerOrder = []order{
	{"heartbeat.interval.ms", 3, "session.timeout.ms"},
	{"fetch.min.bytes", 1, "fetch.max.bytes"},
}

// consumerDefaults are Kafka's, of the settings in consumerOrder.
var consumerDefaults = map[string]int64{
	"heartbeat.interval.ms": 3000, "session.timeout.ms": 45_000, "fetch.min.bytes": 1, "fetch.max.bytes": 50 << 20,
}

// inOrder cuts the lesser setting of each order to what the greater one allows,
// if one of them was drawn.
func (p Properties) inOrder(was Properties, orders []order, def func(string) int64) Properties {
	for _, o := range orders {
		if !was.drawn(o.lesser) && !was.drawn(o.greater) {
			continue
		}
		if most := p.Int(o.greater, def(o.greater)) / o.times; p.Int(o.lesser, def(o.lesser)) > most {
			p[o.lesser] = strconv.FormatInt(max(1, most), 10)
		}
	}
	return p
}

// settle makes the settings of clients fit together.
func (l *Load) settle(was *Load) {
	l.Properties = l.Properties.inOrder(was.Properties, clientOrder, func(name string) int64 { return clientDefaults[name] })
}

// lengthen makes delivery.timeout.ms of producers at least linger.ms and
// request.timeout.ms together, as Kafka demands, if one of the three was drawn.
func (p *Producers) lengthen(was *Producers, l, wasL Properties) {
	p.Properties = lengthenDelivery(p.Properties, was.Properties, l, wasL)
}

// settle takes away what does not go with what was drawn.
func (p *Producers) settle(was *Producers) {
	all := slices.Contains([]string{"all", "-1"}, p.Properties.Text("acks", "all"))
	possible := all && p.Properties.Int("max.in.flight.requests.per.connection", 5) <= 5 && p.Properties.Int("retries", 1) > 0
	if was.Properties.drawn("enable.idempotence") && !possible {
		p.Properties["enable.idempotence"] = "false"
	}
	if was.Arrivals != p.Arrivals && p.Arrivals == ArrivalsSaturate {
		p.Rate = Number{}
	}
	if was.Arrivals != p.Arrivals && p.Arrivals != ArrivalsRamp {
		p.RampFrom = Number{}
	}
}

// ebs are the storages that are volumes.
func ebs() []string {
	return slices.DeleteFunc(Storages(), func(s string) bool { return s == InstanceStore || s == MachineStorage })
}

// largest is the scenario with the most of everything that may be drawn, for
// checks of what could never be.
func (s *Scenario) largest() *Scenario {
	l := *s
	l.Cluster.Brokers = drawn.Exactly(s.Cluster.Brokers.Max)
	l.Cluster.Racks = drawn.Exactly(s.Cluster.Racks.Max)
	l.Cluster.LogDirs = drawn.Exactly(s.Cluster.LogDirs.Max)
	l.Topic = s.Topic.largest()
	l.Topics = slices.Clone(s.Topics)
	for i := range l.Topics {
		l.Topics[i] = l.Topics[i].largest()
	}
	return &l
}

func (t Topic) largest() Topic {
	t.Partitions = drawn.Exactly(t.Partitions.Max)
	t.ReplicationFactor = drawn.Exactly(t.ReplicationFactor.Max)
	if _, given := t.Configs[config.MinInsyncReplicas]; given {
		most := t.Configs.most(config.MinInsyncReplicas, 1)
		t.Configs = Properties{config.MinInsyncReplicas: strconv.FormatInt(most, 10)}
	}
	return t
}
