package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// membership is a consumer's part in a consumer group: under the classic protocol
// with eager rebalancing and the range assignor, or under the consumer protocol
// (heartbeats.go). The consumer's lock guards it.
type membership struct {
	k      *Consumer
	topics []string
	wake   env.Cond // Close was called
	task   env.Task
	who    member
	held   []TopicPartition // assigned and not revoked
	deaf   time.Duration    // until when it does nothing: see Stall
	lives  int              // how often it has begun to be a member under the consumer protocol
	asked  time.Duration    // when it sent the last heartbeat of those that was answered
}

// Subscribe joins the group and reads the partitions it assigns. Positions
// start at the group's committed offsets. Call it once, instead of Assign.
func (k *Consumer) Subscribe(topics []string) error {
	if k.cfg.Group == "" {
		return errors.New("client: Subscribe needs group.id (ConsumerConfig.Group)")
	}
	if len(topics) == 0 {
		return errors.New("client: Subscribe needs at least one topic")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.group != nil {
		return errors.New("client: Subscribe was called before")
	}
	if k.stopped {
		return ErrClosed
	}
	for _, t := range topics {
		k.c.want(t)
	}
	m := &membership{k: k, topics: slices.Sorted(slices.Values(topics)), wake: k.e.NewCond(k.mu), who: nobody}
	if k.cfg.InstanceID != "" {
		m.who.instance = &k.cfg.InstanceID
	}
	k.group = m
	run := m.run
	if k.cfg.ConsumerProtocol {
		run = m.runConsumer
	}
	m.task = k.e.Go("client-group", run)
	return nil
}

// errRejoin says that the member must join again, keeping its id.
var errRejoin = errors.New("the group rebalances")

// errLost says that the group has expelled the member.
var errLost = errors.New("expelled from the group")

// run keeps the membership until the consumer is closed.
func (m *membership) run() {
	k := m.k
	for failures := int32(0); !m.closing(); {
		m.stall()
		err := m.generation()
		if m.closing() {
			break
		}
		switch {
		case errors.Is(err, errRejoin):
			failures = 0
			m.revoke(false)
			continue
		case errors.Is(err, errLost):
			failures++
			m.revoke(true)
			k.mu.Lock()
			m.who.id, m.who.generation = "", -1
			k.mu.Unlock()
		case !retriable(err):
			failures++
			m.revoke(true)
			k.mu.Lock()
			k.errs = append(k.errs, PartitionError{Err: fmt.Errorf("group %q: %w", k.cfg.Group, err)})
			k.changed.Broadcast()
			k.mu.Unlock()
		default: // nothing is held: the coordinator could not be joined
			failures++
			if node, known := k.c.coordinator(groupKey(k.cfg.Group)); known {
				k.c.forgetCoordinator(groupKey(k.cfg.Group), node)
			}
		}
		m.sleep(k.c.backoff(failures))
	}
	m.revoke(false)
	m.leave()
}

func (m *membership) closing() bool {
	m.k.mu.Lock()
	defer m.k.mu.Unlock()
	return m.k.stopped
}

// sleep waits for d or until the consumer is closed.
func (m *membership) sleep(d time.Duration) {
	k := m.k
	end := k.e.Now() + d
	k.mu.Lock()
	defer k.mu.Unlock()
	for !k.stopped {
		left := end - k.e.Now()
		if left <= 0 {
			return
		}
		m.wake.WaitTimeout(left)
	}
}

// stall waits out what Stall has asked for.
func (m *membership) stall() {
	m.k.mu.Lock()
	left := m.deaf - m.k.e.Now()
	m.k.mu.Unlock()
	if left > 0 {
		m.sleep(left)
	}
}

// Stall keeps the member from sending heartbeats and from joining again for d,
// as a long pause of its process does. It goes on believing in its assignment
// meanwhile. A caller that wants the whole process to stall does not Poll.
func (k *Consumer) Stall(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.group != nil {
		k.group.deaf = k.e.Now() + d
	}
}

// generation joins, takes the assignment and sends heartbeats until that ends.
func (m *membership) generation() error {
	k := m.k
	node, err := k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RequestTimeout)
	if err != nil {
		return err
	}
	joined, err := m.join(node)
	if err != nil {
		return err
	}
	parts, err := m.sync(node, joined)
	if err != nil {
		return err
	}
	m.assign(parts)
	return m.beat(node)
}

// beat sends heartbeats until the generation ends. A coordinator that fails or
// moves does not end it, as long as its successor is found in time.
func (m *membership) beat(node int32) error {
	k := m.k
	heard := k.e.Now()
	pause := k.cfg.HeartbeatInterval
	for failures := int32(1); ; {
		m.sleep(pause)
		m.stall()
		if m.closing() {
			return nil
		}
		err := m.heartbeat(node)
		switch {
		case err == nil:
			heard = k.e.Now()
			pause, failures = k.cfg.HeartbeatInterval, 1
		case errors.Is(err, errRejoin), errors.Is(err, errLost), !retriable(err):
			return err
		case k.e.Now()-heard > k.cfg.SessionTimeout:
			return fmt.Errorf("%w: no heartbeat got through for %s: %w", errLost, k.cfg.SessionTimeout, err)
		default:
			k.c.forgetCoordinator(groupKey(k.cfg.Group), node)
			pause = k.c.backoff(failures)
			failures++
			if found, err := k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RetryBackoffMax); err == nil {
				node = found
			}
		}
	}
}

// fault sorts the error codes that all requests of a member share.
func (m *membership) fault(code int16) error {
	switch code {
	case 0:
		return nil
	case kerr.RebalanceInProgress.Code:
		return errRejoin
	case kerr.UnknownMemberID.Code, kerr.IllegalGeneration.Code:
		return fmt.Errorf("%w: %w", errLost, kerr.ErrorForCode(code))
	}
	return kerr.ErrorForCode(code)
}

func (m *membership) join(node int32) (*kmsg.JoinGroupResponse, error) {
	k := m.k
	for range 2 {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group = k.cfg.Group
		req.SessionTimeoutMillis = int32(k.cfg.SessionTimeout / time.Millisecond)
		req.RebalanceTimeoutMillis = int32(k.cfg.RebalanceTimeout / time.Millisecond)
		req.MemberID = m.who.id
		req.InstanceID = m.who.instance
		req.ProtocolType = protocolType
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name = rangeProtocol
		protocol.Metadata = encodeSubscription(m.topics)
		req.Protocols = append(req.Protocols, protocol)
		resp, err := k.c.once(node, forJoin, req, k.cfg.RebalanceTimeout+k.c.cfg.RequestTimeout)
		if err != nil {
			return nil, err
		}
		joined := resp.(*kmsg.JoinGroupResponse)
		if joined.ErrorCode == kerr.MemberIDRequired.Code { // KIP-394
			k.mu.Lock()
			m.who.id = joined.MemberID
			k.mu.Unlock()
			continue
		}
		if err := m.fault(joined.ErrorCode); err != nil {
			return nil, err
		}
		k.mu.Lock()
		m.who.id, m.who.generation = joined.MemberID, joined.Generation
		k.mu.Unlock()
		return joined, nil
	}
	return nil, kerr.MemberIDRequired
}

// sync hands in the assignment, if this member leads the group, and gets its
// own part of it.
func (m *membership) sync(node int32, joined *kmsg.JoinGroupResponse) ([]TopicPartition, error) {
	k := m.k
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group = k.cfg.Group
	req.Generation = joined.Generation
	req.MemberID = joined.MemberID
	req.InstanceID = m.who.instance
	req.ProtocolType = kmsg.StringPtr(protocolType)
	req.Protocol = kmsg.StringPtr(rangeProtocol)
	if joined.LeaderID == joined.MemberID {
		assigned, err := m.divide(joined)
		if err != nil {
			return nil, err
		}
		for _, member := range joined.Members {
			part := kmsg.NewSyncGroupRequestGroupAssignment()
			part.MemberID = member.MemberID
			part.MemberAssignment = encodeAssignment(assigned[member.MemberID])
			req.GroupAssignment = append(req.GroupAssignment, part)
		}
	}
	resp, err := k.c.once(node, forJoin, req, k.cfg.RebalanceTimeout+k.c.cfg.RequestTimeout)
	if err != nil {
		return nil, err
	}
	synced := resp.(*kmsg.SyncGroupResponse)
	if err := m.fault(synced.ErrorCode); err != nil {
		return nil, err
	}
	parts, err := decodeAssignment(synced.MemberAssignment)
	if err != nil {
		return nil, fmt.Errorf("malformed assignment from the leader of the group: %w", err)
	}
	return parts, nil
}

// divide computes the assignment of all members.
func (m *membership) divide(joined *kmsg.JoinGroupResponse) (map[string][]TopicPartition, error) {
	k := m.k
	var members []subscriber
	partitions := map[string]int32{}
	for _, member := range joined.Members {
		topics, err := decodeSubscription(member.ProtocolMetadata)
		if err != nil {
			return nil, fmt.Errorf("malformed subscription of member %s: %w", member.MemberID, err)
		}
		s := subscriber{id: member.MemberID, order: member.MemberID, topics: topics}
		if member.InstanceID != nil {
			s.order = *member.InstanceID
		}
		members = append(members, s)
		for _, topic := range topics {
			if _, known := partitions[topic]; known {
				continue
			}
			meta, err := k.c.waitTopic(topic, k.c.cfg.RequestTimeout)
			if err != nil {
				return nil, err
			}
			partitions[topic] = int32(len(meta.parts))
		}
	}
	return assignRange(members, partitions), nil
}

func (m *membership) heartbeat(node int32) error {
	k := m.k
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group = k.cfg.Group
	req.Generation = m.who.generation
	req.MemberID = m.who.id
	req.InstanceID = m.who.instance
	resp, err := k.c.once(node, forGroup, req, min(k.c.cfg.RequestTimeout, k.cfg.SessionTimeout))
	if err != nil {
		return err
	}
	return m.fault(resp.(*kmsg.HeartbeatResponse).ErrorCode)
}

// assign begins to read what was assigned.
func (m *membership) assign(parts []TopicPartition) {
	k := m.k
	k.mu.Lock()
	if k.stopped {
		k.mu.Unlock()
		return
	}
	m.held = parts
	k.assign(parts)
	k.mu.Unlock()
	if k.cfg.OnAssigned != nil {
		k.cfg.OnAssigned(slices.Clone(parts))
	}
}

// Membership counts how often the consumer has become a member of its group under
// the consumer protocol, and tells when it sent the last heartbeat that was answered:
// as long as lives is the same, the member has lost nothing.
func (k *Consumer) Membership() (lives int, asked time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.group == nil {
		return 0, 0
	}
	return k.group.lives, k.group.asked
}

// Member is who the consumer is in its group: its member id and the generation
// (under the consumer protocol, the member epoch) that it is in; "" and -1 if it is
// in none.
func (k *Consumer) Member() (id string, generation int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.group == nil {
		return "", -1
	}
	return k.group.who.id, k.group.who.generation
}

// GroupMetadata says as which member of which group offsets are committed within a
// transaction (KIP-447).
type GroupMetadata struct {
	Group      string
	MemberID   string  // "" if no member
	InstanceID *string // group.instance.id, nil if the member is not static
	Generation int32   // -1 if no member
}

// GroupMetadata is that of the consumer now.
func (k *Consumer) GroupMetadata() GroupMetadata {
	k.mu.Lock()
	defer k.mu.Unlock()
	who := nobody
	if k.group != nil {
		who = k.group.who
	}
	return GroupMetadata{Group: k.cfg.Group, MemberID: who.id, InstanceID: who.instance, Generation: who.generation}
}

// revoke stops reading everything. lost says that the group has given the
// partitions to others already.
func (m *membership) revoke(lost bool) {
	k := m.k
	k.mu.Lock()
	held := m.held
	k.mu.Unlock()
	if len(held) == 0 {
		return
	}
	if k.cfg.OnRevoked != nil {
		k.cfg.OnRevoked(slices.Clone(held), lost)
	}
	k.mu.Lock()
	m.held = nil
	k.assign(nil)
	k.mu.Unlock()
}

// leave tells the coordinator, so that the others need not wait for the
// session to time out. Static members stay (KIP-345). One attempt: the timeout
// does it otherwise.
func (m *membership) leave() {
	k := m.k
	if m.who.id == "" || m.who.instance != nil || k.cfg.Silent {
		return
	}
	node, err := k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RetryBackoffMax)
	if err != nil {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = k.cfg.Group
	req.MemberID = m.who.id
	leaver := kmsg.NewLeaveGroupRequestMember()
	leaver.MemberID = m.who.id
	req.Members = append(req.Members, leaver)
	_, _ = k.c.once(node, forGroup, req, k.c.cfg.RequestTimeout)
}
