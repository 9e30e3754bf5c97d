package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// beating is a membership under the consumer protocol (KIP-848). Its one task does
// what an answer says before the next heartbeat goes out, so that what that says is
// owned is what is read.
type beating struct {
	*membership
	node  int32
	full  bool // the next heartbeat says everything: an answer may be lost
	said  []TopicPartition
	every time.Duration
	names map[[16]byte]string // of the topics subscribed to
	ids   map[string][16]byte
}

// runConsumer keeps the membership until the consumer is closed.
func (m *membership) runConsumer() {
	k := m.k
	b := &beating{membership: m, full: true, every: k.cfg.HeartbeatInterval}
	m.newcomer()
	for failures := int32(0); !m.closing(); {
		m.stall()
		if m.closing() {
			break
		}
		changed, err := b.beat()
		switch {
		case err == nil && changed:
			failures = 0
			continue // which tells that what had to be given up is
		case err == nil:
			failures = 0
			m.sleep(b.every)
			continue
		case errors.Is(err, errLost):
			m.revoke(true)
			m.newcomer()
		case !retriable(err):
			m.revoke(true)
			m.newcomer()
			k.mu.Lock()
			k.errs = append(k.errs, PartitionError{Err: fmt.Errorf("group %q: %w", k.cfg.Group, err)})
			k.changed.Broadcast()
			k.mu.Unlock()
		default:
			k.c.forgetCoordinator(groupKey(k.cfg.Group), b.node)
		}
		b.full = true
		failures++
		m.sleep(k.c.backoff(failures))
	}
	epoch := m.who.generation
	m.revoke(false)
	if epoch > 0 && !k.cfg.Silent {
		b.leave()
	}
}

// newcomer makes it a newcomer, under an id that it keeps for the life of the consumer.
func (m *membership) newcomer() {
	k := m.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.who.id == "" {
		var id [16]byte
		_, _ = k.e.Rand("group member", fmt.Sprintf("%s %d %d", k.c.cfg.ClientID, k.own, k.e.Now())).Read(id[:])
		m.who.id = hex.EncodeToString(id[:])
	}
	m.who.generation = 0
	m.lives++
}

// beat sends a heartbeat and does what the answer says. It reports whether the
// member's partitions have changed by it.
func (b *beating) beat() (changed bool, err error) {
	k := b.k
	if b.node, err = k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RequestTimeout); err != nil {
		return false, err
	}
	if err := b.learnTopics(); err != nil {
		return false, err
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = k.cfg.Group, b.who.id, b.who.generation, b.who.instance
	owned := slices.Clone(b.held)
	if b.full || b.who.generation == 0 {
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames = int32(k.cfg.RebalanceTimeout/time.Millisecond), b.topics
		if k.cfg.Rack != "" {
			req.RackID = &k.cfg.Rack
		}
	}
	if b.full || b.who.generation == 0 || !slices.Equal(owned, b.said) {
		req.Topics = b.encode(owned)
	}
	asked, tells := k.e.Now(), req.Topics != nil && !slices.Equal(owned, b.said)
	resp, err := k.c.once(b.node, forGroup, req, k.c.cfg.RequestTimeout)
	if err != nil {
		return false, err
	}
	got := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
	switch got.ErrorCode {
	case 0:
	case kerr.UnknownMemberID.Code, kerr.FencedMemberEpoch.Code, kerr.GroupIDNotFound.Code:
		if b.who.generation == 0 {
			return false, errorFor(got.ErrorCode, got.ErrorMessage)
		}
		return false, fmt.Errorf("%w: %w", errLost, errorFor(got.ErrorCode, got.ErrorMessage))
	default:
		return false, errorFor(got.ErrorCode, got.ErrorMessage)
	}
	b.full, b.said = false, owned
	k.mu.Lock()
	b.asked = asked
	k.mu.Unlock()
	if got.HeartbeatIntervalMillis > 0 {
		b.every = time.Duration(got.HeartbeatIntervalMillis) * time.Millisecond
	}
	if got.Assignment == nil {
		k.mu.Lock()
		advances := b.who.generation != got.MemberEpoch
		b.who.generation = got.MemberEpoch
		k.mu.Unlock()
		if (tells || advances) && k.cfg.OnAssigned != nil {
			k.cfg.OnAssigned(owned) // the coordinator knows now, or has it so in another epoch too
		}
		return false, nil
	}
	var target []TopicPartition
	for _, t := range got.Assignment.Topics {
		name, known := b.names[t.TopicID]
		if !known {
			b.full = true // made anew, perhaps: it is to be told again
			continue
		}
		for _, p := range t.Partitions {
			target = append(target, TopicPartition{name, p})
		}
	}
	return b.take(got.MemberEpoch, target), nil
}

// take makes the member's partitions those of an assignment: first it ceases to read
// what is not in it.
func (b *beating) take(epoch int32, target []TopicPartition) (changed bool) {
	k := b.k
	slices.SortFunc(target, TopicPartition.Compare)
	k.mu.Lock()
	var gone, kept []TopicPartition
	for _, tp := range b.held {
		if slices.Contains(target, tp) {
			kept = append(kept, tp)
		} else {
			gone = append(gone, tp)
		}
	}
	k.mu.Unlock()
	if len(gone) > 0 {
		if k.cfg.OnRevoked != nil {
			k.cfg.OnRevoked(gone, false)
		}
		k.mu.Lock()
		b.held = kept
		k.assign(kept)
		k.mu.Unlock()
	}
	k.mu.Lock()
	b.who.generation = epoch
	k.mu.Unlock()
	b.assign(target)
	return len(gone) > 0 || len(kept) < len(target)
}

// learnTopics looks up the ids of the topics subscribed to.
func (b *beating) learnTopics() error {
	b.names, b.ids = make(map[[16]byte]string, len(b.topics)), make(map[string][16]byte, len(b.topics))
	for _, name := range b.topics {
		t, err := b.k.c.waitTopic(name, b.k.c.cfg.RequestTimeout)
		if err != nil {
			return err
		}
		b.names[t.id], b.ids[name] = name, t.id
	}
	return nil
}

// encode is a sorted list of partitions as a heartbeat has it.
func (b *beating) encode(list []TopicPartition) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	out := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for i, tp := range list {
		if i == 0 || list[i-1].Topic != tp.Topic {
			topic := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			topic.TopicID = b.ids[tp.Topic]
			out = append(out, topic)
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, tp.Partition)
	}
	return out
}

// leave tells the coordinator in one attempt: for good or, a static member, that it
// will be back.
func (b *beating) leave() {
	k := b.k
	node, err := k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RetryBackoffMax)
	if err != nil {
		return
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = k.cfg.Group, b.who.id, b.who.instance, -1
	if b.who.instance != nil {
		req.MemberEpoch = -2
	}
	_, _ = k.c.once(node, forGroup, req, k.c.cfg.RequestTimeout)
}

// HeartbeatAs sends one heartbeat as a member of a group, who need not be one any
// more, under the consumer protocol or the classic one. It returns nil if the
// coordinator takes it for that member's, who is to go on, and who that is.
func (c *Client) HeartbeatAs(who GroupMetadata, consumerProtocol bool, timeout time.Duration) (broker int32, err error) {
	node, err := c.findCoordinator(groupKey(who.Group), timeout)
	if err != nil {
		return -1, err
	}
	if !consumerProtocol {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID, req.InstanceID = who.Group, who.Generation, who.MemberID, who.InstanceID
		resp, err := c.once(node, forGroup, req, timeout)
		if err != nil {
			return node, err
		}
		return node, errorFor(resp.(*kmsg.HeartbeatResponse).ErrorCode, nil)
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberEpoch, req.MemberID, req.InstanceID = who.Group, who.Generation, who.MemberID, who.InstanceID
	resp, err := c.once(node, forGroup, req, timeout)
	if err != nil {
		return node, err
	}
	got := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
	return node, errorFor(got.ErrorCode, got.ErrorMessage)
}
