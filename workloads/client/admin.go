package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Admin is the administrative client.
type Admin struct{ c *Client }

// Admin returns the administrative client.
func (c *Client) Admin() *Admin { return &Admin{c} }

// TopicConfig is a topic setting, by its Kafka name.
type TopicConfig struct{ Name, Value string }

// NewTopic describes a topic to create.
type NewTopic struct {
	Name              string
	Partitions        int32 // -1: the broker's default
	ReplicationFactor int16 // -1: the broker's default
	Configs           []TopicConfig
}

// Topic describes a topic as metadata tells it.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []PartitionInfo // by number
}

// PartitionInfo describes a partition as metadata tells it.
type PartitionInfo struct {
	Partition     int32
	Leader        int32 // -1: none
	LeaderEpoch   int32
	Replicas, ISR []int32
}

// Timestamps with a special meaning to ListOffset.
const (
	TimestampLatest   int64 = -1
	TimestampEarliest int64 = -2
)

// toController sends a request to the controller as metadata names it. Where
// that is not known any broker is asked; it forwards or refuses.
func (a *Admin) toController(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	a.c.mu.Lock()
	node := a.c.meta.controller
	if _, known := a.c.meta.brokers[node]; !known {
		node = anyBroker
	}
	a.c.mu.Unlock()
	resp, err := a.c.Request(node, req, timeout)
	if err != nil && node != anyBroker && errors.Is(err, errNotSent) {
		return a.c.Request(anyBroker, req, timeout)
	}
	return resp, err
}

// retryAdmin is retry that asks for the controller anew after each failure.
func (a *Admin) retryAdmin(timeout time.Duration, attempt func(left time.Duration) error) error {
	return a.c.retry(timeout, func(left time.Duration) error {
		err := attempt(left)
		if err != nil && retriable(err) {
			a.c.refresh()
		}
		return err
	})
}

// CreateTopic creates a topic, retrying until timeout. The error is
// kerr.TopicAlreadyExists if it exists; after a lost answer that may have been
// this call's own doing, and then is none.
func (a *Admin) CreateTopic(t NewTopic, timeout time.Duration) error {
	uncertain := false
	err := a.retryAdmin(timeout, func(left time.Duration) error {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = int32(left / time.Millisecond)
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic = t.Name
		topic.NumPartitions = t.Partitions
		topic.ReplicationFactor = t.ReplicationFactor
		for _, cfg := range t.Configs {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = cfg.Name, kmsg.StringPtr(cfg.Value)
			topic.Configs = append(topic.Configs, c)
		}
		req.Topics = append(req.Topics, topic)
		resp, err := a.toController(req, left)
		if err != nil {
			uncertain = uncertain || !errors.Is(err, errNotSent)
			return err
		}
		topics := resp.(*kmsg.CreateTopicsResponse).Topics
		if len(topics) != 1 {
			return fmt.Errorf("CreateTopics response names %d topics, not 1: %w", len(topics), kerr.UnknownServerError)
		}
		err = errorFor(topics[0].ErrorCode, topics[0].ErrorMessage)
		if errors.Is(err, kerr.TopicAlreadyExists) && uncertain {
			return nil
		}
		uncertain = uncertain || errors.Is(err, kerr.RequestTimedOut)
		return err
	})
	if err != nil {
		return fmt.Errorf("creating topic %q: %w", t.Name, err)
	}
	return nil
}

// SetGroupConfig gives a group a setting of its own, retrying until timeout.
func (a *Admin) SetGroupConfig(group, name, value string, timeout time.Duration) error {
	err := a.retryAdmin(timeout, func(left time.Duration) error {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = name, kmsg.IncrementalAlterConfigOpSet, &value
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.Configs = kmsg.ConfigResourceTypeGroupConfig, group, []kmsg.IncrementalAlterConfigsRequestResourceConfig{c}
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{r}
		resp, err := a.toController(req, left)
		if err != nil {
			return err
		}
		answers := resp.(*kmsg.IncrementalAlterConfigsResponse).Resources
		if len(answers) != 1 {
			return fmt.Errorf("IncrementalAlterConfigs response names %d resources, not 1: %w", len(answers), kerr.UnknownServerError)
		}
		return errorFor(answers[0].ErrorCode, answers[0].ErrorMessage)
	})
	if err != nil {
		return fmt.Errorf("setting %s of group %q: %w", name, group, err)
	}
	return nil
}

// DeleteTopic deletes a topic, retrying until timeout.
func (a *Admin) DeleteTopic(name string, timeout time.Duration) error {
	err := a.retryAdmin(timeout, func(left time.Duration) error {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = int32(left / time.Millisecond)
		req.TopicNames = []string{name}
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, topic)
		resp, err := a.toController(req, left)
		if err != nil {
			return err
		}
		topics := resp.(*kmsg.DeleteTopicsResponse).Topics
		if len(topics) != 1 {
			return fmt.Errorf("DeleteTopics response names %d topics, not 1: %w", len(topics), kerr.UnknownServerError)
		}
		return noRetry(errorFor(topics[0].ErrorCode, topics[0].ErrorMessage), kerr.UnknownTopicOrPartition)
	})
	if err != nil {
		return fmt.Errorf("deleting topic %q: %w", name, err)
	}
	return nil
}

// permanent hides from retriable that an error could be retried.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// noRetry makes err permanent if it is the given one.
func noRetry(err error, is error) error {
	if err != nil && errors.Is(err, is) {
		return permanent{err}
	}
	return err
}

// DescribeTopic asks for a topic's present metadata, retrying until timeout. A
// topic that does not exist is kerr.UnknownTopicOrPartition at once.
func (a *Admin) DescribeTopic(name string, timeout time.Duration) (Topic, error) {
	var t Topic
	err := a.c.retry(timeout, func(left time.Duration) error {
		var err error
		t, err = a.describe(name, left)
		return noRetry(err, kerr.UnknownTopicOrPartition)
	})
	if err != nil {
		return Topic{}, fmt.Errorf("describing topic %q: %w", name, err)
	}
	return t, nil
}

func (a *Admin) describe(name string, timeout time.Duration) (Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, topic)
	resp, err := a.c.Request(anyBroker, req, timeout)
	if err != nil {
		return Topic{}, err
	}
	meta := resp.(*kmsg.MetadataResponse)
	if len(meta.Topics) != 1 {
		return Topic{}, fmt.Errorf("the Metadata response names %d topics, not 1: %w", len(meta.Topics), kerr.UnknownServerError)
	}
	got := topicFromMetadata(&meta.Topics[0])
	return Topic{Name: name, ID: got.id, Partitions: got.parts}, got.err
}

// WaitReady waits until every partition of the topic has a leader and an ISR
// of all its replicas, as far as metadata tells.
func (a *Admin) WaitReady(topic string, timeout time.Duration) error {
	err := a.c.retry(timeout, func(left time.Duration) error {
		t, err := a.describe(topic, left)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				return fmt.Errorf("partition %d has no leader: %w", p.Partition, kerr.LeaderNotAvailable)
			}
			if len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("partition %d has only %d of %d replicas in sync: %w", p.Partition, len(p.ISR), len(p.Replicas), kerr.NotEnoughReplicas)
			}
		}
		if len(t.Partitions) == 0 {
			return kerr.LeaderNotAvailable
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for topic %q: %w", topic, err)
	}
	return nil
}

// ListOffset finds the offset of the first record at or after a timestamp
// (ms), or the log's earliest or latest offset by the special timestamps. The
// latest is the high watermark. It retries until timeout. The offset is -1 if
// no record is that young.
func (a *Admin) ListOffset(tp TopicPartition, timestamp int64, timeout time.Duration) (offset int64, leaderEpoch int32, err error) {
	err = a.c.retry(timeout, func(left time.Duration) error {
		if _, err := a.c.waitTopic(tp.Topic, left); err != nil {
			return err
		}
		offset, leaderEpoch, err = a.c.listOffset(tp, timestamp, false, left)
		return err
	})
	if err != nil {
		return -1, -1, fmt.Errorf("listing offsets of %s-%d: %w", tp.Topic, tp.Partition, err)
	}
	return offset, leaderEpoch, nil
}

// listOffset makes one attempt to list an offset. After a refusal that better
// metadata may mend it asks for that.
func (c *Client) listOffset(tp TopicPartition, timestamp int64, committed bool, timeout time.Duration) (int64, int32, error) {
	node, epoch := c.leader(tp)
	if node < 0 {
		c.refresh()
		return -1, -1, kerr.LeaderNotAvailable
	}
	req := kmsg.NewPtrListOffsetsRequest()
	if committed {
		req.IsolationLevel = 1
	}
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition = tp.Partition
	part.CurrentLeaderEpoch = epoch
	part.Timestamp = timestamp
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = tp.Topic
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := c.once(node, forGeneral, req, timeout)
	if err != nil {
		c.refresh()
		return -1, -1, err
	}
	topics := resp.(*kmsg.ListOffsetsResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 || topics[0].Partitions[0].Partition != tp.Partition {
		return -1, -1, fmt.Errorf("ListOffsets response does not answer for the partition asked: %w", kerr.UnknownServerError)
	}
	p := &topics[0].Partitions[0]
	if err := errorFor(p.ErrorCode, nil); err != nil {
		c.refresh()
		return -1, -1, err
	}
	if resp.GetVersion() == 0 {
		if len(p.OldStyleOffsets) == 0 {
			return -1, -1, nil
		}
		return p.OldStyleOffsets[0], -1, nil
	}
	return p.Offset, p.LeaderEpoch, nil
}
