package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// check finds the first value that cannot work. path is where it is.
func (s *Scenario) check() (path string, err error) {
	for _, part := range []func() (string, error){s.checkHead, s.checkCluster, s.checkTopic, s.checkLoad, s.checkFaults} {
		if path, err := part(); err != nil {
			return path, err
		}
	}
	return "", nil
}

func (s *Scenario) checkHead() (string, error) {
	if s.Name == "" || strings.ContainsAny(s.Name, "/\\ \t\n") || strings.HasPrefix(s.Name, ".") {
		return "name", fmt.Errorf("%q does not name a directory; use one word such as quickstart", s.Name)
	}
	if s.Recovery <= 0 {
		return "recovery", fmt.Errorf("%v leaves no time to recover; give 10s or more", s.Recovery)
	}
	return "", nil
}

func (s *Scenario) checkCluster() (string, error) {
	c := s.Cluster
	if c.Brokers < 1 || c.Brokers > 99 {
		return "cluster.brokers", fmt.Errorf("%d brokers are not possible; use 1 to 99", c.Brokers)
	}
	if !slices.Contains(Storages(), c.Storage) {
		return "cluster.storage", fmt.Errorf("%q is not known; use one of %s", c.Storage, strings.Join(Storages(), ", "))
	}
	if path, err := c.checkMachine(); err != nil {
		return path, err
	}
	if name, err := c.Properties.checkBroker(); err != nil {
		return "cluster.properties." + name, err
	}
	return "", nil
}

func (c *Cluster) checkMachine() (string, error) {
	v := c.Volume
	switch {
	case v != Volume{} && (c.Storage == InstanceStore || c.Storage == MachineStorage):
		return "cluster.volume", fmt.Errorf("only EBS volumes can be sized, and storage is %s; remove it", c.Storage)
	case v.SizeGiB < 0 || v.IOPS < 0 || v.ThroughputMiBps < 0:
		return "cluster.volume", fmt.Errorf("sizes and rates must not be negative")
	case v.CreditsPercent != nil && (*v.CreditsPercent < 0 || *v.CreditsPercent > 100):
		return "cluster.volume.credits-percent", fmt.Errorf("%d is not a percentage; use 0 to 100", *v.CreditsPercent)
	case c.Machine == "" && (c.Storage == MachineStorage || c.Together || c.Costs != ""):
		return "cluster.machine", fmt.Errorf("storage: machine, together: and costs: need a machine; name an instance type or the file of a machine profile")
	case c.DirtyPercent < 0 || c.DirtyPercent > 100:
		return "cluster.dirty-percent", fmt.Errorf("%d is not a percentage; use 0 to 100", c.DirtyPercent)
	}
	return "", nil
}

// checkWord finds a value that is neither absent nor one of known.
func checkWord(value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%q is not known; use one of %s", value, strings.Join(known, ", "))
}

func (s *Scenario) checkTopic() (string, error) {
	t := s.Topic
	switch {
	case !topicName.MatchString(t.Name) || t.Name == "." || t.Name == "..":
		return "topic.name", fmt.Errorf("%q is not a topic name; use 1 to 249 letters, digits, dots, dashes and underscores", t.Name)
	case t.Partitions.Min < 1 || t.Partitions.Max > 10_000:
		return "topic.partitions", fmt.Errorf("a topic has 1 to 10000 partitions")
	case t.ReplicationFactor < 1 || t.ReplicationFactor > s.Cluster.Brokers:
		return "topic.replication.factor", fmt.Errorf("%d replicas need as many brokers, but the cluster has %d; use 1 to %d, or raise cluster.brokers",
			t.ReplicationFactor, s.Cluster.Brokers, s.Cluster.Brokers)
	}
	if name, err := t.Configs.checkTopic(); err != nil {
		return "topic.configs." + name, err
	}
	return "", nil
}

func (s *Scenario) checkLoad() (string, error) {
	l := s.Load
	if l.Duration.Min <= 0 {
		return "load.duration", fmt.Errorf("the load needs a duration above zero, such as 40s")
	}
	p := l.Producers
	for _, word := range []struct {
		path, value string
		known       []string
	}{
		{"load.history", l.History, Histories()},
		{"load.producers.arrivals", p.Arrivals, Arrivals()},
		{"load.producers.partitioner", p.Partitioner, Partitioners()},
	} {
		if err := checkWord(word.value, word.known); err != nil {
			return word.path, err
		}
	}
	saturate := p.Arrivals == ArrivalsSaturate
	switch {
	case l.WarmUp < 0 || l.WarmUp >= l.Duration.Min:
		return "load.warm-up", fmt.Errorf("%v is not within the load of %v; shorten it", l.WarmUp, l.Duration.Min)
	case l.History == HistorySampled && l.SampleEvery < 1:
		return "load.sample-every", fmt.Errorf("a sampled history needs to know which share of the records to keep; give 100 to keep one in a hundred")
	case l.History != HistorySampled && l.SampleEvery != 0:
		return "load.sample-every", fmt.Errorf("only a sampled history leaves records out; set load.history: sampled or remove it")
	case saturate && !p.Rate.IsZero():
		return "load.producers.rate", fmt.Errorf("arrivals: saturate has no rate of its own; remove one of them")
	case p.Arrivals == ArrivalsRamp && p.RampFrom.Min < 1:
		return "load.producers.ramp-from", fmt.Errorf("a ramp starts at 1 record per second or more")
	case p.Arrivals != ArrivalsRamp && !p.RampFrom.IsZero():
		return "load.producers.ramp-from", fmt.Errorf("only arrivals: ramp has a start; remove it")
	case p.Count < 0 || p.Count > 10_000:
		return "load.producers.count", fmt.Errorf("%d producers are not possible; use 0 to 10000", p.Count)
	case p.Count > 0 && p.Rate.Min < 1 && !saturate:
		return "load.producers.rate", fmt.Errorf("producers need a rate of 1 record per second or more")
	case p.Count > 0 && (p.RecordSize.Min < minRecordSize || p.RecordSize.Max > maxRecordSize):
		return "load.producers.record-size", fmt.Errorf("records have %d to %d bytes; smaller ones could not be told apart by the judge", minRecordSize, maxRecordSize)
	case l.Consumers.Count < 0 || l.Consumers.Count > 10_000:
		return "load.consumers.count", fmt.Errorf("%d consumers are not possible; use 0 to 10000", l.Consumers.Count)
	case l.Committers.Count < 0 || l.Committers.Count > 1_000:
		return "load.committers.count", fmt.Errorf("%d committers are not possible; use 0 to 1000", l.Committers.Count)
	case l.Committers.Count > 0 && l.Committers.Every.Min <= 0:
		return "load.committers.every", fmt.Errorf("committers need a pause between operations, such as 200ms")
	case p.Count+l.Consumers.Count+l.Committers.Count == 0:
		return "load", fmt.Errorf("there are no clients; give producers, consumers or committers a count")
	}
	if name, err := l.Properties.check(clientProperties); err != nil {
		return "load.properties." + name, err
	}
	if name, err := p.Properties.check(producerProperties); err != nil {
		return "load.producers.properties." + name, err
	}
	if p.Properties.Bool("enable.idempotence", false) {
		if acks := p.Properties.Text("acks", "all"); acks != "all" && acks != "-1" {
			return "load.producers.properties.acks", fmt.Errorf("enable.idempotence needs acks=all, not acks=%s; change one of them", acks)
		}
		if n := p.Properties.Int("max.in.flight.requests.per.connection", 5); n > 5 {
			return "load.producers.properties.max.in.flight.requests.per.connection", fmt.Errorf("enable.idempotence needs at most 5, not %d: brokers remember five batches", n)
		}
	}
	if name, err := l.Consumers.Properties.check(consumerProperties); err != nil {
		return "load.consumers.properties." + name, err
	}
	return "", nil
}

// Bounds of a record's value in bytes: the least holds a value and a
// checksum, the most is Kafka's default limit less room for headers.
const (
	minRecordSize = 16
	maxRecordSize = 1 << 20
)

func (s *Scenario) checkFaults() (string, error) {
	if s.Faults.Draw != nil {
		if len(s.Faults.Plan) > 0 {
			return "faults", fmt.Errorf("give either plan: or draw:, not both")
		}
		if s.Faults.Draw.HealBy > s.Load.Duration.Max {
			return "faults.draw.heal-by", fmt.Errorf("%v is after the end of the load (%v); faults must be healed by then", s.Faults.Draw.HealBy, s.Load.Duration.Max)
		}
		if err := s.Faults.Draw.Validate(s.Topology()); err != nil {
			return "faults.draw", err
		}
	}
	t := s.Topology()
	for i, f := range s.Faults.Plan {
		at := fmt.Sprintf("faults.plan[%d]", i)
		if err := f.Validate(t); err != nil {
			return at, err
		}
		if f.At > s.Load.Duration.Max {
			return at + ".at", fmt.Errorf("%v is after the end of the load (%v); move it, or make the load longer", f.At, s.Load.Duration.Max)
		}
	}
	return "", nil
}
