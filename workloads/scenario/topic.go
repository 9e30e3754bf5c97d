package scenario

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// Topic is a topic under load, created before the load starts.
type Topic struct {
	Name              string     `yaml:"name"`
	Partitions        Number     `yaml:"partitions"`
	ReplicationFactor Number     `yaml:"replication.factor"`
	Configs           Properties `yaml:"configs,omitempty"`
}

// TopicsUnderLoad are the topics that clients work on, in the order of the
// file.
func (s *Scenario) TopicsUnderLoad() []Topic {
	if len(s.Topics) > 0 {
		return s.Topics
	}
	return []Topic{s.Topic}
}

// TopicOf is the topic under load of that name: the only one if no name is
// given.
func (s *Scenario) TopicOf(name string) (Topic, bool) {
	topics := s.TopicsUnderLoad()
	if name == "" && len(topics) == 1 {
		return topics[0], true
	}
	for _, t := range topics {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}

// KeysOf is how many keys a topic's producers write, 0 if each record has its own.
func (s *Scenario) KeysOf(topic string) (keys int64) {
	for _, p := range Of[*Producers](s.Load) {
		if t, ok := s.TopicOf(p.Topic); ok && t.Name == topic {
			keys = max(keys, p.Keys.Value())
		}
	}
	return keys
}

// MinISR is the effective min.insync.replicas of a topic: brokers silently cap
// it at the replication factor.
func (s *Scenario) MinISR(t Topic) int {
	own := t.Configs.Int("min.insync.replicas", s.Cluster.Properties.Int("min.insync.replicas", 1))
	return int(max(1, min(own, t.ReplicationFactor.Value())))
}

func (t Topic) draw(seed uint64, path string) Topic {
	t.Partitions = t.Partitions.Draw(stream(seed, path+".partitions"))
	t.ReplicationFactor = t.ReplicationFactor.Draw(stream(seed, path+".replication.factor"))
	t.Configs = t.Configs.draw(seed, path+".configs")
	return t
}

// always reports whether every seed has the topic: one of a list that is drawn
// to have no partitions is left out.
func (t Topic) always() bool { return t.Partitions.Min > 0 }

func (s *Scenario) checkTopics() (string, error) {
	if len(s.Topics) == 0 {
		return s.checkTopic(s.Topic, "topic")
	}
	if !reflect.ValueOf(s.Topic).IsZero() {
		return "topics", fmt.Errorf("give either topic: or topics:, not both")
	}
	if !slices.ContainsFunc(s.Topics, Topic.always) {
		return "topics", fmt.Errorf("every topic may be drawn away; let one have at least one partition")
	}
	seen := map[string]bool{}
	for i, t := range s.Topics {
		path := fmt.Sprintf("topics[%d]", i)
		if path, err := s.checkTopic(t, path); err != nil {
			return path, err
		}
		if seen[t.Name] {
			return path + ".name", fmt.Errorf("there is a topic %q already; name another", t.Name)
		}
		seen[t.Name] = true
	}
	return "", nil
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (s *Scenario) checkTopic(t Topic, path string) (string, error) {
	switch {
	case !topicName.MatchString(t.Name) || t.Name == "." || t.Name == "..":
		return path + ".name", fmt.Errorf("%q is not a topic name; use 1 to 249 letters, digits, dots, dashes and underscores", t.Name)
	case t.Partitions.Max < 1 || t.Partitions.Max > 10_000 || t.Partitions.Min < 1 && len(s.Topics) == 0:
		return path + ".partitions", fmt.Errorf("a topic has 1 to 10000 partitions")
	case t.ReplicationFactor.Min < 1 || t.ReplicationFactor.Exact() && t.ReplicationFactor.Min > s.Cluster.Brokers.Max:
		return path + ".replication.factor", fmt.Errorf("%d replicas need as many brokers, but the cluster has %d; use 1 to %d, or raise cluster.brokers",
			t.ReplicationFactor.Min, s.Cluster.Brokers.Max, s.Cluster.Brokers.Max)
	}
	if name, err := t.Configs.checkTopic(); err != nil {
		return path + ".configs." + name, err
	}
	return "", nil
}
