package client

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadata is what the client believes of the cluster. Client.mu guards it.
type metadata struct {
	brokers    map[int32]string // id to "host:port"
	controller int32
	topics     map[string]*topicMetadata
	names      []string // topics anybody has asked for, sorted
	fetched    time.Duration
	requested  bool
	generation int64 // counts refreshes, failed ones included
	lastErr    error
}

type topicMetadata struct {
	id    [16]byte
	err   error
	parts []PartitionInfo
}

func (m *metadata) init() {
	m.brokers = map[int32]string{}
	m.topics = map[string]*topicMetadata{}
	m.controller = -1
}

// refresh asks for new metadata soon.
func (c *Client) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refreshLocked()
}

func (c *Client) refreshLocked() {
	if !c.meta.requested {
		c.meta.requested = true
		c.wanted.Signal()
	}
}

// want adds a topic to those whose metadata is kept.
func (c *Client) want(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, found := slices.BinarySearch(c.meta.names, topic); !found {
		c.meta.names = slices.Insert(c.meta.names, i, topic)
		c.refreshLocked()
	}
}

// topic returns what is known of a topic, nil if nothing. What it points to
// is never changed.
func (c *Client) topic(name string) *topicMetadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.meta.topics[name]
}

// waitTopic waits until the topic's partitions are known.
func (c *Client) waitTopic(name string, timeout time.Duration) (*topicMetadata, error) {
	c.want(name)
	end := c.e.Now() + timeout
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		t := c.meta.topics[name]
		if t != nil && len(t.parts) > 0 {
			return t, nil
		}
		err := c.meta.lastErr
		if t != nil && t.err != nil {
			err = t.err
		}
		if c.closed {
			return nil, ErrClosed
		}
		if err != nil && !retriable(err) {
			return nil, fmt.Errorf("metadata of topic %q: %w", name, err)
		}
		left := end - c.e.Now()
		if left <= 0 {
			if err == nil {
				err = ErrRequestTimeout
			}
			return nil, fmt.Errorf("metadata of topic %q not available after %s: %w", name, timeout, err)
		}
		c.refreshLocked()
		c.updated.WaitTimeout(left)
	}
}

// addWatcher has w told of metadata changes from now on.
func (c *Client) addWatcher(w watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = append(slices.Clone(c.watch), w)
}

func (c *Client) removeWatcher(w watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = slices.DeleteFunc(slices.Clone(c.watch), func(o watcher) bool { return o == w })
}

func (c *Client) metadataLoop() {
	failures := int32(0)
	for {
		c.mu.Lock()
		for !c.meta.requested && !c.closed {
			if len(c.meta.names) == 0 || c.meta.fetched == 0 {
				c.wanted.Wait()
				continue
			}
			left := c.meta.fetched + c.cfg.MetadataMaxAge - c.e.Now()
			if left <= 0 {
				break
			}
			c.wanted.WaitTimeout(left)
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		c.meta.requested = false
		names := c.meta.names
		c.mu.Unlock()

		err := c.fetchMetadata(names)

		c.mu.Lock()
		c.meta.lastErr = err
		c.meta.generation++
		if err != nil {
			failures++
			c.meta.requested = true
		} else {
			c.meta.fetched = c.e.Now()
			// A topic without all its leaders will have them soon.
			unsettled := slices.ContainsFunc(names, func(name string) bool {
				t := c.meta.topics[name]
				return t == nil || t.unsettled()
			})
			if unsettled {
				failures++
				c.meta.requested = true
			} else {
				failures = 0
			}
		}
		watch := c.watch
		c.updated.Broadcast()
		c.mu.Unlock()
		if err == nil {
			for _, w := range watch {
				w.metadataChanged()
			}
		}
		// Whoever asks for metadata again at once has seen the same errors
		// as before: the pause bounds how often brokers are asked.
		c.e.Sleep(c.backoff(max(failures, 1)))
	}
}

// unsettled reports whether the metadata is of the kind that improves soon.
func (t *topicMetadata) unsettled() bool {
	if t.err != nil {
		return retriable(t.err)
	}
	return slices.ContainsFunc(t.parts, func(p PartitionInfo) bool { return p.Leader < 0 })
}

// fetchMetadata asks one broker after the other until one answers.
func (c *Client) fetchMetadata(names []string) error {
	var err error
	for _, node := range c.candidates() {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = false
		req.Topics = []kmsg.MetadataRequestTopic{}
		for _, name := range names {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, topic)
		}
		var resp kmsg.Response
		resp, err = c.once(node, forGeneral, req, c.cfg.RequestTimeout)
		if err == nil {
			c.learn(resp.(*kmsg.MetadataResponse))
			return nil
		}
		if c.isClosed() {
			return ErrClosed
		}
	}
	return err
}

// learn takes over a metadata response. A partition whose leader epoch is
// older than what is known keeps what is known: the broker asked lags behind
// (KIP-320).
func (c *Client) learn(resp *kmsg.MetadataResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(resp.Brokers) > 0 {
		clear(c.meta.brokers)
		for _, b := range resp.Brokers {
			c.meta.brokers[b.NodeID] = hostPort(b.Host, b.Port)
		}
	}
	c.meta.controller = resp.ControllerID
	for i := range resp.Topics {
		if resp.Topics[i].Topic != nil {
			c.learnTopic(*resp.Topics[i].Topic, &resp.Topics[i])
		}
	}
}

func (c *Client) learnTopic(name string, from *kmsg.MetadataResponseTopic) {
	old := c.meta.topics[name]
	t := topicFromMetadata(from)
	if old != nil {
		if t.err != nil && retriable(t.err) {
			// Partitions once known are still the best guess.
			t.parts = old.parts
			t.id = old.id
		} else if t.id == old.id {
			for i := range t.parts {
				if i < len(old.parts) && t.parts[i].LeaderEpoch < old.parts[i].LeaderEpoch {
					t.parts[i] = old.parts[i]
				}
			}
		}
	}
	c.meta.topics[name] = t
}

func topicFromMetadata(from *kmsg.MetadataResponseTopic) *topicMetadata {
	t := &topicMetadata{id: from.TopicID, err: errorFor(from.ErrorCode, nil)}
	for _, p := range from.Partitions {
		leader := p.Leader
		if p.ErrorCode == kerr.LeaderNotAvailable.Code {
			leader = -1
		}
		t.parts = append(t.parts, PartitionInfo{
			Partition: p.Partition, Leader: leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: p.Replicas, ISR: p.ISR,
		})
	}
	slices.SortFunc(t.parts, func(a, b PartitionInfo) int { return int(a.Partition) - int(b.Partition) })
	for i, p := range t.parts {
		if int(p.Partition) != i {
			t.parts = t.parts[:i]
			break
		}
	}
	return t
}

// leader is the believed leader of a partition, -1 if unknown.
func (c *Client) leader(tp TopicPartition) (node, epoch int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.meta.topics[tp.Topic]
	if t == nil || tp.Partition < 0 || int(tp.Partition) >= len(t.parts) {
		return -1, -1
	}
	p := &t.parts[tp.Partition]
	return p.Leader, p.LeaderEpoch
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
