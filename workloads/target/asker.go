package target

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/scenario"
)

// AskEvery is how often real brokers are asked about their partitions.
const AskEvery = 100 * time.Millisecond

const askTimeout = time.Second

// Asker learns the state of a cluster as any client does, by asking brokers.
type Asker struct {
	s      *scenario.Scenario
	client *client.Client

	mu     sync.Mutex
	asked  time.Duration // when the partitions were asked for last
	states []linearizability.PartitionState
	judged map[metadata.TopicID]linearizability.Topic // topics that are judged, as far as they were seen
}

// NewAsker makes an asker of the brokers at the addresses.
func NewAsker(e env.Env, s *scenario.Scenario, bootstrap []string) (*Asker, error) {
	c, err := client.New(e, client.Config{Bootstrap: bootstrap, ClientID: "weir-director", RequestTimeout: askTimeout, DialTimeout: askTimeout})
	return &Asker{s: s, client: c, asked: -time.Hour, judged: map[metadata.TopicID]linearizability.Topic{}}, err
}

// Close ends its connections.
func (a *Asker) Close() { a.client.Close() }

// Judged is the judged topic with an id, false if none was seen.
func (a *Asker) Judged(id metadata.TopicID) (linearizability.Topic, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.judged[id]
	return t, ok
}

// Partitions is as Cluster's: it asks a broker, unless that was just done.
func (a *Asker) Partitions(e env.Env) []linearizability.PartitionState {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Now() < a.asked+AskEvery/2 {
		return a.states
	}
	var states []linearizability.PartitionState
	for _, judged := range JudgedTopics(a.s) {
		topic, err := a.client.Admin().DescribeTopic(judged.Name, askTimeout)
		if err != nil {
			break
		}
		a.judged[topic.ID] = judged
		for _, p := range topic.Partitions {
			states = append(states, a.newest(linearizability.PartitionState{
				Topic: topic.Name, Partition: p.Partition, Time: e.Now(), Replicas: p.Replicas,
				Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR,
			}))
		}
	}
	a.asked = e.Now()
	if len(states) >= len(a.states) {
		a.states = states
	}
	return a.states
}

// newest is the newer of what is known of a partition and what a broker has
// said now. Metadata carries no partition epoch; changes seen are counted
// instead. A broker that is behind is not believed.
func (a *Asker) newest(s linearizability.PartitionState) linearizability.PartitionState {
	for _, before := range a.states {
		if before.Topic != s.Topic || before.Partition != s.Partition {
			continue
		}
		s.PartitionEpoch = before.PartitionEpoch + 1
		if s.LeaderEpoch > before.LeaderEpoch || s.LeaderEpoch == before.LeaderEpoch && (s.Leader != before.Leader || !slices.Equal(s.ISR, before.ISR)) {
			return s
		}
		return before
	}
	return s
}

// Controller is the node id of the active controller, false if none is known.
func (a *Asker) Controller() (int32, bool) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	resp, err := a.client.Request(-1, req, askTimeout)
	if err != nil {
		return 0, false
	}
	topics := resp.(*kmsg.DescribeQuorumResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, false
	}
	return topics[0].Partitions[0].LeaderID, true
}

// Brokers is how many brokers are registered.
func (a *Asker) Brokers() (int, error) {
	resp, err := a.client.Request(-1, kmsg.NewPtrMetadataRequest(), askTimeout)
	if err != nil {
		return 0, err
	}
	return len(resp.(*kmsg.MetadataResponse).Brokers), nil
}

// Unready says why fewer than n brokers serve, "" if they do.
func (a *Asker) Unready(n int) string {
	registered, err := a.Brokers()
	if err != nil {
		return "no broker answers: " + err.Error()
	}
	if registered < n {
		return fmt.Sprintf("only %d of %d brokers are registered", registered, n)
	}
	return ""
}

// Unsettled says which partition under load is not led, or not by leader and
// all of its followers, "" if none.
func (a *Asker) Unsettled() string {
	for _, t := range a.s.TopicsUnderLoad() {
		topic, err := a.client.Admin().DescribeTopic(t.Name, askTimeout)
		if err != nil {
			return err.Error()
		}
		for _, p := range topic.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("%s-%d has leader %d and ISR %v, its replicas are %v", topic.Name, p.Partition, p.Leader, p.ISR, p.Replicas)
			}
		}
	}
	return ""
}

// Exists says whether the cluster has a topic.
func (a *Asker) Exists(topic string) (bool, error) {
	resp, err := a.client.Request(-1, kmsg.NewPtrMetadataRequest(), askTimeout)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(resp.(*kmsg.MetadataResponse).Topics, func(t kmsg.MetadataResponseTopic) bool {
		return t.Topic != nil && *t.Topic == topic
	}), nil
}

// Offsets says how many partitions and replicas the topic of committed offsets
// has. A cluster makes it when it is first asked for a group's coordinator.
func (a *Asker) Offsets() (partitions, replicas int, err error) {
	if _, _, err := a.client.FetchOffsets("weir-director", nil, askTimeout); err != nil {
		return 0, 0, err
	}
	topic, err := a.client.Admin().DescribeTopic(linearizability.OffsetsTopic, askTimeout)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range topic.Partitions {
		replicas = max(replicas, len(p.Replicas))
	}
	return len(topic.Partitions), replicas, nil
}
