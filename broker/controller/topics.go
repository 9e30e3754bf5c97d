package controller

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// maxPartitionsPerRequest bounds the work of one request.
const maxPartitionsPerRequest = 10000

// createTopics is CreateTopics (KIP-4, KIP-464, KIP-525, KIP-516). Each topic
// succeeds or fails by itself.
func (m *machine) createTopics(t *txn, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	named := countNames(req.Topics, func(rt *kmsg.CreateTopicsRequestTopic) string { return rt.Topic })
	budget := maxPartitionsPerRequest
	taken := metricNames{}
	for _, rt := range req.Topics {
		if named.answered(rt.Topic) {
			continue
		}
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic = rt.Topic
		out.NumPartitions, out.ReplicationFactor, out.Configs = -1, -1, []kmsg.CreateTopicsResponseTopicConfig{}
		var err *kerr.Error
		var text string
		if named[rt.Topic] != 1 {
			err, text = kerr.InvalidRequest, "Duplicate topic name."
		} else {
			err, text = m.createTopic(t, &rt, req.ValidateOnly, &budget, taken, &out)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.Code, message(text)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *machine) createTopic(t *txn, rt *kmsg.CreateTopicsRequestTopic, validateOnly bool, budget *int, taken metricNames, out *kmsg.CreateTopicsResponseTopic) (*kerr.Error, string) {
	if err := checkNewTopicName(rt.Topic); err != nil {
		return kerr.InvalidTopicException, err.Error()
	}
	if t.img().Topic(rt.Topic) != nil {
		return kerr.TopicAlreadyExists, fmt.Sprintf("Topic '%s' already exists.", rt.Topic)
	}
	if other, ok := taken.find(t.img(), rt.Topic); ok {
		return kerr.InvalidTopicException, fmt.Sprintf("Topic '%s' collides with existing topic: %s", rt.Topic, other)
	}
	configs := map[string]string{}
	for _, c := range rt.Configs {
		if c.Value == nil {
			return kerr.InvalidConfig, "Null value not supported for topic configs: " + c.Name
		}
		if err := config.CheckTopic(c.Name, *c.Value); err != nil {
			return kerr.InvalidConfig, err.Error()
		}
		configs[c.Name] = *c.Value
	}
	replicas, err, text := m.assign(t, rt, budget)
	if err != nil {
		return err, text
	}
	if err, text := checkActive(t.img(), replicas, 0); err != nil {
		return err, text
	}

	out.NumPartitions, out.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0]))
	layers := m.cfg.Settings.Layers(t.img(), "")
	layers.OnTopic = configs
	for _, d := range layers.DescribeTopic() {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.Source, c.ReadOnly = d.Name, kmsg.StringPtr(d.Value.Text), int8(d.Value.Source), d.ReadOnly
		out.Configs = append(out.Configs, c)
	}
	if validateOnly {
		return nil, ""
	}
	id := topicID(t.img().ClusterID(), rt.Topic, t.next())
	out.TopicID = id
	t.add(&metadata.TopicRecord{Name: rt.Topic, ID: id})
	for _, name := range env.SortedKeys(configs) {
		t.add(&metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: rt.Topic, Name: name, Value: kmsg.StringPtr(configs[name])})
	}
	m.addPartitions(t, id, 0, replicas)
	taken[metricName(rt.Topic)] = rt.Topic
	return nil, ""
}

// metricNames are the topics there are by what metrics call them, as far as a
// request had to know them: metrics cannot tell "a.b" from "a_b".
type metricNames map[string]string

func metricName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

// find is a topic that metrics would call the same.
func (n metricNames) find(img *metadata.Image, topic string) (other string, ok bool) {
	if len(n) == 0 {
		for _, t := range img.Topics() {
			n[metricName(t.Name)] = t.Name
		}
	}
	other, ok = n[metricName(topic)]
	return other, ok
}

// assign gives the replicas of every partition of a topic to be created. What the
// request has left of its budget is looked at first: placing costs time.
func (m *machine) assign(t *txn, rt *kmsg.CreateTopicsRequestTopic, budget *int) ([][]int32, *kerr.Error, string) {
	if len(rt.ReplicaAssignment) == 0 {
		partitions, rf := rt.NumPartitions, rt.ReplicationFactor
		if partitions == -1 {
			partitions = m.cfg.DefaultPartitions
		}
		if rf == -1 {
			rf = m.cfg.DefaultReplicationFactor
		}
		if partitions < 1 {
			return nil, kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."
		}
		if err, text := spend(budget, int(partitions)); err != nil {
			return nil, err, text
		}
		replicas, err := place(t.img(), rt.Topic, 0, partitions, rf)
		if err != nil {
			return nil, kerr.InvalidReplicationFactor, err.Error()
		}
		return replicas, nil, ""
	}
	if rt.NumPartitions != -1 || rt.ReplicationFactor != -1 {
		return nil, kerr.InvalidRequest, "A manual partition assignment was specified, but the number of partitions or the replication factor was not set to -1."
	}
	if err, text := spend(budget, len(rt.ReplicaAssignment)); err != nil {
		return nil, err, text
	}
	byPartition := map[int32][]int32{}
	for _, a := range rt.ReplicaAssignment {
		if _, dup := byPartition[a.Partition]; dup {
			return nil, kerr.InvalidReplicaAssignment, fmt.Sprintf("Found multiple manual partition assignments for partition %d", a.Partition)
		}
		byPartition[a.Partition] = a.Replicas
	}
	replicas := make([][]int32, len(byPartition))
	for i := range replicas {
		list, ok := byPartition[int32(i)]
		if !ok {
			return nil, kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence"
		}
		if text := checkReplicas(t.img(), list, len(replicas[0]), i); text != "" {
			return nil, kerr.InvalidReplicaAssignment, text
		}
		replicas[i] = list
	}
	return replicas, nil, ""
}

// spend takes so many partitions from what a request may still have, and refuses
// more, and all that follow.
func spend(budget *int, partitions int) (*kerr.Error, string) {
	if *budget -= partitions; *budget < 0 {
		*budget = 0
		return kerr.PolicyViolation, fmt.Sprintf("Excessively large number of partitions per request: at most %d.", maxPartitionsPerRequest)
	}
	return nil, ""
}

// checkReplicas says what is wrong with a manual assignment of one partition.
func checkReplicas(img *metadata.Image, replicas []int32, rf, partition int) string {
	if len(replicas) == 0 {
		return "The manual partition assignment includes an empty replica list."
	}
	if partition > 0 && len(replicas) != rf {
		return fmt.Sprintf("The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(replicas), rf)
	}
	for i, id := range replicas {
		if img.Broker(id) == nil {
			return fmt.Sprintf("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if slices.Contains(replicas[:i], id) {
			return fmt.Sprintf("The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	return ""
}

// checkActive refuses partitions that would have no leader from the start.
func checkActive(img *metadata.Image, replicas [][]int32, first int32) (*kerr.Error, string) {
	for i, list := range replicas {
		if !slices.ContainsFunc(list, func(id int32) bool { return img.Broker(id).Active() }) {
			return kerr.InvalidReplicaAssignment, fmt.Sprintf("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", int(first)+i)
		}
	}
	return nil, ""
}

// addPartitions writes new partitions, numbered from first.
func (m *machine) addPartitions(t *txn, id metadata.TopicID, first int32, replicas [][]int32) {
	minISR := m.minISR(t.img(), t.img().TopicByID(id).Name)
	for i, list := range replicas {
		var isr []int32
		for _, broker := range list {
			if t.img().Broker(broker).Active() {
				isr = append(isr, broker)
			}
		}
		t.add(&metadata.PartitionRecord{TopicID: id, Partition: first + int32(i), Replicas: list, ISR: isr, Leader: isr[0], MinISR: minISR,
			Directories: directoriesOf(t.img(), list)})
	}
}

// checkNewTopicName says why no topic of that name may be created.
func checkNewTopicName(name string) error {
	if name == metadata.ClusterMetadataTopic {
		return fmt.Errorf("Creation of internal topic %s is prohibited.", name) //nolint:staticcheck // Kafka's own words
	}
	return metadata.CheckTopicName(name)
}

// names counts how often a request names each thing. Kafka answers what is named
// more than once with one error and does nothing about it.
type names map[string]int

func countNames[T any](things []T, name func(*T) string) names {
	n := names{}
	for i := range things {
		n[name(&things[i])]++
	}
	return n
}

// answered reports whether the name, which the request has more than once, has
// had its one answer, and notes that it has it now.
func (n names) answered(name string) bool {
	switch n[name] {
	case 0:
		return true
	case 1:
		return false
	}
	n[name] = 0
	return false
}

// deleteTopics is DeleteTopics, by name or, from version 6, by id (KIP-516).
func (m *machine) deleteTopics(t *txn, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	targets := topicsToDelete(req)
	named := countNames(targets, func(rt *kmsg.DeleteTopicsRequestTopic) string { return nameOrID(rt) })
	given := map[metadata.TopicID]bool{}
	for _, rt := range targets {
		if rt.Topic == nil {
			given[rt.TopicID] = true
		}
	}
	for _, rt := range targets {
		key := nameOrID(&rt)
		if named.answered(key) {
			continue
		}
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = rt.Topic, rt.TopicID
		var topic *metadata.Topic
		switch {
		case rt.Topic == nil && metadata.TopicID(rt.TopicID).IsZero():
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, message("Neither topic name nor id were specified.")
		case rt.Topic != nil && !metadata.TopicID(rt.TopicID).IsZero():
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, message("You may not specify both topic name and topic id.")
		case named[key] != 1 && rt.Topic != nil:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, message("Duplicate topic name.")
		case named[key] != 1:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, message("Duplicate topic id.")
		case rt.Topic != nil:
			if topic = t.img().Topic(*rt.Topic); topic == nil {
				out.ErrorCode, out.ErrorMessage = kerr.UnknownTopicOrPartition.Code, message("This server does not host this topic-partition.")
			} else if given[topic.ID] {
				out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, message("The provided topic name maps to an ID that was already supplied.")
				topic = nil
			}
		default:
			if topic = t.img().TopicByID(rt.TopicID); topic == nil {
				out.ErrorCode, out.ErrorMessage = kerr.UnknownTopicID.Code, message("This server does not host this topic ID.")
			}
		}
		if topic != nil {
			out.Topic, out.TopicID = kmsg.StringPtr(topic.Name), topic.ID
			t.add(&metadata.RemoveTopicRecord{ID: topic.ID})
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// nameOrID tells the topics of a request apart. No name begins with a zero byte.
func nameOrID(rt *kmsg.DeleteTopicsRequestTopic) string {
	if rt.Topic != nil {
		return *rt.Topic
	}
	return "\x00" + string(rt.TopicID[:])
}

// topicsToDelete is what a request of any version names.
func topicsToDelete(req *kmsg.DeleteTopicsRequest) []kmsg.DeleteTopicsRequestTopic {
	if req.Version >= 6 {
		return req.Topics
	}
	var topics []kmsg.DeleteTopicsRequestTopic
	for _, name := range req.TopicNames {
		topics = append(topics, kmsg.DeleteTopicsRequestTopic{Topic: kmsg.StringPtr(name)})
	}
	return topics
}

// createPartitions is CreatePartitions (KIP-195): a topic grows.
func (m *machine) createPartitions(t *txn, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	named := countNames(req.Topics, func(rt *kmsg.CreatePartitionsRequestTopic) string { return rt.Topic })
	budget := maxPartitionsPerRequest
	for _, rt := range req.Topics {
		if named.answered(rt.Topic) {
			continue
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = rt.Topic
		var err *kerr.Error
		var text string
		if named[rt.Topic] != 1 {
			err, text = kerr.InvalidRequest, "Duplicate topic name."
		} else {
			err, text = m.growTopic(t, &rt, req.ValidateOnly, &budget)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.Code, message(text)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *machine) growTopic(t *txn, rt *kmsg.CreatePartitionsRequestTopic, validateOnly bool, budget *int) (*kerr.Error, string) {
	topic := t.img().Topic(rt.Topic)
	if topic == nil {
		return kerr.UnknownTopicOrPartition, "This server does not host this topic-partition."
	}
	have := int32(len(topic.Partitions))
	switch {
	case metadata.IsInternalTopic(rt.Topic):
		return kerr.InvalidTopicException, fmt.Sprintf("Topic %s is internal: with more partitions, what it keeps would be looked for where it is not.", rt.Topic)
	case rt.Count == have:
		return kerr.InvalidPartitions, fmt.Sprintf("Topic already has %d partition(s).", have)
	case rt.Count < have:
		return kerr.InvalidPartitions, fmt.Sprintf("The topic %s currently has %d partition(s); %d would not be an increase.", rt.Topic, have, rt.Count)
	case rt.Count-have > int32(*budget):
		return kerr.PolicyViolation, fmt.Sprintf("Excessively large number of partitions per request: at most %d.", maxPartitionsPerRequest)
	}
	more := rt.Count - have
	*budget -= int(more)
	rf := len(topic.Partitions[0].Target())
	var replicas [][]int32
	if len(rt.Assignment) > 0 {
		if int(more) != len(rt.Assignment) {
			return kerr.InvalidReplicaAssignment, fmt.Sprintf("Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(rt.Assignment))
		}
		for i, a := range rt.Assignment {
			if text := checkReplicas(t.img(), a.Replicas, rf, int(have)+i); text != "" {
				return kerr.InvalidReplicaAssignment, text
			}
			replicas = append(replicas, a.Replicas)
		}
	} else {
		var err error
		if replicas, err = place(t.img(), rt.Topic, have, more, int16(rf)); err != nil {
			return kerr.InvalidReplicationFactor, err.Error()
		}
	}
	if err, text := checkActive(t.img(), replicas, have); err != nil {
		return err, text
	}
	if !validateOnly {
		m.addPartitions(t, topic.ID, have, replicas)
	}
	return nil, ""
}
