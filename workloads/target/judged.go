package target

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/scenario"
)

// BrokerConfig is the configuration of one broker of the scenario's cluster.
// addrs are the brokers' "host:port", in order.
func BrokerConfig(s *scenario.Scenario, index int, voters []broker.Voter, addr string) (broker.Config, error) {
	p := s.Cluster.Properties
	c := broker.DefaultConfig()
	c.NodeID = int32(index + 1)
	c.Listen = addr
	c.Voters = voters
	c.Rack = s.RackOf(index)
	if dirs, metadata := s.LogDirs(); len(dirs) > 0 {
		c.Dirs, c.MetadataDir = dirs, metadata
	}
	for _, name := range p.Names() {
		if err := c.Set(name, p[name]); err != nil {
			return c, fmt.Errorf("scenario: cluster.properties: %w", err)
		}
	}
	c.OffsetsReplicationFactor = min(int16(s.Cluster.Brokers.Value()), c.OffsetsReplicationFactor)
	c.TransactionsReplicationFactor = min(int16(s.Cluster.Brokers.Value()), c.TransactionsReplicationFactor)
	return c, nil
}

// Recording is how much of what clients do a scenario wants in the history.
func Recording(s *scenario.Scenario) linearizability.Recording {
	return linearizability.Recording{Mode: linearizability.RecordingMode(s.Load.History), Every: s.Load.SampleEvery}
}

// judgedTopic is what the judge must know of a topic under load.
func judgedTopic(s *scenario.Scenario, t scenario.Topic) linearizability.Topic {
	return linearizability.Topic{
		Name:              t.Name,
		Partitions:        int32(t.Partitions.Value()),
		ReplicationFactor: int32(t.ReplicationFactor.Value()),
		MinISR:            int32(s.MinISR(t)),
		UncleanElection:   t.Configs.Bool("unclean.leader.election.enable", false),
		FlushMessages:     t.Configs.Int("flush.messages", s.Cluster.Properties.Int("log.flush.interval.messages", 0)),
		ELR:               true,
		Compacted:         strings.Contains(t.Configs.Text("cleanup.policy", "delete"), "compact"),
		Keys:              s.KeysOf(t.Name),
		DeleteRetention:   t.Configs.Millis("delete.retention.ms", 24*time.Hour),
		Deletes:           strings.Contains(t.Configs.Text("cleanup.policy", "delete"), "delete") && (t.Configs.Int("retention.ms", -1) >= 0 || t.Configs.Int("retention.bytes", -1) >= 0),
	}
}

// JudgedTopics are the topics that the judge looks at: those under load and,
// if groups commit offsets or clients do transactions, where those are kept.
func JudgedTopics(s *scenario.Scenario) []linearizability.Topic {
	var topics []linearizability.Topic
	for _, t := range s.TopicsUnderLoad() {
		topics = append(topics, judgedTopic(s, t))
	}
	c, err := BrokerConfig(s, 0, nil, "")
	if err != nil {
		return topics // no broker starts with it
	}
	if s.UsesTransactions() {
		topics = append(topics, linearizability.Topic{
			Name: linearizability.TransactionTopic, Partitions: c.TransactionsPartitions, Internal: true, ELR: true, Compacted: true,
			ReplicationFactor: int32(c.TransactionsReplicationFactor), MinISR: min(c.TransactionsMinISR, int32(c.TransactionsReplicationFactor)),
			FlushMessages: s.Cluster.Properties.Int("log.flush.interval.messages", 0),
		})
	}
	if s.UsesShares() {
		topics = append(topics, linearizability.Topic{
			Name: linearizability.ShareStateTopic, Partitions: c.ShareStatePartitions, Internal: true, ELR: true, Deletes: true,
			ReplicationFactor: int32(c.ShareStateReplicationFactor), MinISR: min(c.ShareStateMinISR, int32(c.ShareStateReplicationFactor)),
			FlushMessages: s.Cluster.Properties.Int("log.flush.interval.messages", 0),
		})
	}
	if s.UsesGroups() {
		topics = append(topics, linearizability.Topic{
			Name: linearizability.OffsetsTopic, Partitions: c.OffsetsPartitions, Internal: true, ELR: true, Compacted: true,
			ReplicationFactor: int32(c.OffsetsReplicationFactor), MinISR: c.MinInsyncReplicas,
			FlushMessages: s.Cluster.Properties.Int("log.flush.interval.messages", 0),
		})
	}
	return topics
}
