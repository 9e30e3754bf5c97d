package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// ShareConfig rules a [ShareConsumer].
type ShareConfig struct {
	Group string // group.id

	// MaxWait is how long a broker holds a fetch that finds nothing
	// (fetch.max.wait.ms), MaxBytes and MaxRecords bound its answer (fetch.max.bytes,
	// max.poll.records). Defaults 500 ms, 50 MiB, 500.
	MaxWait    time.Duration
	MaxBytes   int32
	MaxRecords int32

	// Silent leaves the group at Close without a word, as a process that dies: others
	// get its records when their locks have timed out.
	Silent bool
}

// AckType is what a member of a share group says of a record (KIP-932).
type AckType int8

// The types, as on the wire.
const (
	AckGap     AckType = 0 // there is no record at the offset
	AckAccept  AckType = 1
	AckRelease AckType = 2 // it is to be delivered again
	AckReject  AckType = 3 // it is not to be delivered to anybody any more
)

// Ack is what a member says of a run of offsets, both ends included.
type Ack struct {
	First, Last int64
	Type        AckType
}

// SharedRecords are records of a partition that are the member's until it acknowledges
// them, or their lock times out.
type SharedRecords struct {
	TopicPartition
	Records []ConsumedRecord
	Acks    []Ack // the runs that were acquired, to be accepted

	// DeliveryCounts says of each run how often it has been delivered, this time
	// included.
	DeliveryCounts []int16
}

// ShareBatch is what one Poll of a [ShareConsumer] returns.
type ShareBatch struct {
	Partitions []SharedRecords
	Errors     []PartitionError // without a partition, those of the group as a whole

	// Quiet says that every partition of the member was asked for, by the leader that
	// the client knows, and had nothing for it.
	Quiet bool
}

// ShareConsumer is a member of a share group. It does everything within Poll,
// Acknowledge and Close, which one task may call: heartbeats go out between fetches,
// so that Poll must be called more often than a session lasts.
type ShareConsumer struct {
	c      *Client
	e      env.Env
	cfg    ShareConfig
	own    purpose
	topics []string

	id       string
	epoch    int32
	full     bool // the next heartbeat says everything: an answer may be lost
	node     int32
	every    time.Duration
	next     time.Duration // when the next heartbeat is due
	failures int32
	lock     time.Duration

	assigned []TopicPartition
	sessions map[int32]*shareSession // by broker
}

// shareSession is what a broker remembers of a member.
type shareSession struct {
	epoch int32 // of the next request; 0 begins a session
	parts []TopicPartition
}

// NewShareConsumer returns a consumer that is no member yet.
func (c *Client) NewShareConsumer(cfg ShareConfig) (*ShareConsumer, error) {
	if cfg.Group == "" {
		return nil, errors.New("client: a share consumer needs a group")
	}
	cfg.MaxWait = orDuration(cfg.MaxWait, 500*time.Millisecond)
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 50 << 20
	}
	if cfg.MaxRecords <= 0 {
		cfg.MaxRecords = 500
	}
	c.mu.Lock()
	c.consumers++
	own := c.consumers
	c.mu.Unlock()
	k := &ShareConsumer{c: c, e: c.e, cfg: cfg, own: forFetch + purpose(own), every: 3 * time.Second, lock: 30 * time.Second, full: true, sessions: map[int32]*shareSession{}}
	var id [16]byte
	_, _ = c.e.Rand("share member", fmt.Sprintf("%s %d %d", c.cfg.ClientID, own, c.e.Now())).Read(id[:])
	k.id = hex.EncodeToString(id[:])
	return k, nil
}

// Subscribe says which topics the member wants. It is called before the first Poll.
func (k *ShareConsumer) Subscribe(topics []string) {
	k.topics = slices.Sorted(slices.Values(topics))
	for _, t := range k.topics {
		k.c.want(t)
	}
}

// LockTimeout is for how long what a member is given is its own, as a broker has said
// last; 30 s before one has.
func (k *ShareConsumer) LockTimeout() time.Duration { return k.lock }

// MemberID is who the member is in its group.
func (k *ShareConsumer) MemberID() string { return k.id }

// Poll fetches records, and keeps the membership. It returns when there are some, when
// something has failed, or after timeout.
func (k *ShareConsumer) Poll(timeout time.Duration) ShareBatch {
	var out ShareBatch
	end := k.e.Now() + timeout
	for {
		if err := k.beat(); err != nil {
			out.Errors = append(out.Errors, PartitionError{Err: fmt.Errorf("share group %q: %w", k.cfg.Group, err)})
			k.e.Sleep(max(0, min(k.c.backoff(k.failures), end-k.e.Now())))
			return out
		}
		by, whole := k.byLeader()
		out.Quiet = whole && len(k.assigned) > 0
		nodes := env.SortedKeys(by)
		for _, node := range nodes {
			wait := min(k.cfg.MaxWait/time.Duration(len(nodes)), max(0, end-k.e.Now()))
			k.fetch(node, by[node], wait, &out)
		}
		if !whole {
			k.c.refresh()
		}
		left := end - k.e.Now()
		switch {
		case len(out.Partitions) > 0 || len(out.Errors) > 0:
			out.Quiet = false
			return out
		case left <= 0:
			return out
		case len(nodes) == 0:
			k.e.Sleep(min(left, k.c.backoff(1)))
		}
	}
}

// byLeader sorts the assigned partitions by their leaders. whole is false if one has
// none that is known.
func (k *ShareConsumer) byLeader() (by map[int32][]TopicPartition, whole bool) {
	by, whole = map[int32][]TopicPartition{}, true
	for _, tp := range k.assigned {
		if node, _ := k.c.leader(tp); node >= 0 {
			by[node] = append(by[node], tp)
		} else {
			whole = false
		}
	}
	return by, whole
}

func (k *ShareConsumer) session(node int32) *shareSession {
	s := k.sessions[node]
	if s == nil {
		s = &shareSession{}
		k.sessions[node] = s
	}
	return s
}

// advance is the session after a request that the broker has taken for its own.
func (s *shareSession) advance() {
	if s.epoch++; s.epoch < 0 {
		s.epoch = 1
	}
}

// fetch asks one leader for records of partitions.
func (k *ShareConsumer) fetch(node int32, parts []TopicPartition, wait time.Duration, out *ShareBatch) {
	s := k.session(node)
	req := kmsg.NewPtrShareFetchRequest()
	req.GroupID, req.MemberID, req.ShareSessionEpoch = &k.cfg.Group, &k.id, s.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = int32(wait/time.Millisecond), 1, k.cfg.MaxBytes, k.cfg.MaxRecords, k.cfg.MaxRecords
	if s.epoch == 0 {
		s.parts = nil
	}
	for _, tp := range parts {
		if slices.Contains(s.parts, tp) {
			continue
		}
		t := k.c.topic(tp.Topic)
		if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != t.id {
			topic := kmsg.NewShareFetchRequestTopic()
			topic.TopicID = t.id
			req.Topics = append(req.Topics, topic)
		}
		p := kmsg.NewShareFetchRequestTopicPartition()
		p.Partition = tp.Partition
		last := &req.Topics[len(req.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	}
	for _, tp := range s.parts {
		if t := k.c.topic(tp.Topic); t != nil && !slices.Contains(parts, tp) {
			f := kmsg.NewShareFetchRequestForgottenTopicsData()
			f.TopicID, f.Partitions = t.id, []int32{tp.Partition}
			req.ForgottenTopicsData = append(req.ForgottenTopicsData, f)
		}
	}
	resp, err := k.c.once(node, k.own, req, k.c.cfg.RequestTimeout)
	if err == nil {
		got := resp.(*kmsg.ShareFetchResponse)
		err = errorFor(got.ErrorCode, got.ErrorMessage)
	}
	if err != nil {
		k.lost(node, err)
		out.Errors = append(out.Errors, PartitionError{Err: fmt.Errorf("fetching from broker %d: %w", node, err)})
		k.e.Sleep(k.c.backoff(1))
		return
	}
	s.advance()
	s.parts = slices.Clone(parts)
	if ms := resp.(*kmsg.ShareFetchResponse).AcquisitionLockTimeoutMillis; ms > 0 {
		k.lock = time.Duration(ms) * time.Millisecond
	}
	for _, t := range resp.(*kmsg.ShareFetchResponse).Topics {
		for i := range t.Partitions {
			tp, known := k.named(t.TopicID, t.Partitions[i].Partition)
			if !known {
				continue
			}
			if err := k.arrived(tp, &t.Partitions[i], out); err != nil {
				out.Errors = append(out.Errors, PartitionError{TopicPartition: tp, Err: fmt.Errorf("fetching from broker %d: %w", node, err)})
				k.c.refresh()
			}
		}
	}
}

// lost begins the session with a broker anew: what it remembers is not known.
func (k *ShareConsumer) lost(node int32, err error) {
	delete(k.sessions, node)
	if !errors.Is(err, kerr.ShareSessionNotFound) && !errors.Is(err, kerr.InvalidShareSessionEpoch) {
		k.c.refresh()
	}
}

func (k *ShareConsumer) named(id [16]byte, partition int32) (TopicPartition, bool) {
	for _, name := range k.topics {
		if t := k.c.topic(name); t != nil && t.id == id {
			return TopicPartition{name, partition}, true
		}
	}
	return TopicPartition{}, false
}

// arrived takes over one partition's answer: of the records in it those that were
// acquired.
func (k *ShareConsumer) arrived(tp TopicPartition, got *kmsg.ShareFetchResponseTopicPartition, out *ShareBatch) error {
	if err := errorFor(got.ErrorCode, got.ErrorMessage); err != nil {
		return err
	}
	if len(got.AcquiredRecords) == 0 {
		return nil
	}
	shared := SharedRecords{TopicPartition: tp}
	for _, a := range got.AcquiredRecords {
		shared.Acks = append(shared.Acks, Ack{a.FirstOffset, a.LastOffset, AckAccept})
		shared.DeliveryCounts = append(shared.DeliveryCounts, a.DeliveryCount)
	}
	c := &chunk{data: got.Records}
	position := int64(0)
	for {
		r := ConsumedRecord{Topic: tp.Topic, Partition: tp.Partition}
		next, ok, err := c.next(position, &r)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		position = next
		if slices.ContainsFunc(got.AcquiredRecords, func(a kmsg.ShareFetchResponseTopicPartitionAcquiredRecord) bool {
			return a.FirstOffset <= r.Offset && r.Offset <= a.LastOffset
		}) {
			shared.Records = append(shared.Records, r)
		}
	}
	out.Partitions = append(out.Partitions, shared)
	return nil
}

// AckResult is what became of one attempt to acknowledge.
type AckResult struct {
	Outcome Outcome
	Err     error // nil if the broker has taken it
	Broker  int32 // that was asked, -1 if none was
}

// Acknowledge makes one attempt to tell the leader of a partition what has become of
// records that were fetched from it, and waits until that is kept.
func (k *ShareConsumer) Acknowledge(tp TopicPartition, acks []Ack) AckResult {
	node, _ := k.c.leader(tp)
	s := k.sessions[node]
	t := k.c.topic(tp.Topic)
	if s == nil || s.epoch == 0 || t == nil {
		return AckResult{OutcomeFail, fmt.Errorf("acknowledging records of %s-%d: %w", tp.Topic, tp.Partition, kerr.ShareSessionNotFound), -1}
	}
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.GroupID, req.MemberID, req.ShareSessionEpoch = &k.cfg.Group, &k.id, s.epoch
	p := kmsg.NewShareAcknowledgeRequestTopicPartition()
	p.Partition = tp.Partition
	for _, a := range acks {
		b := kmsg.NewShareAcknowledgeRequestTopicPartitionAcknowledgementBatch()
		b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = a.First, a.Last, []int8{int8(a.Type)}
		p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
	}
	topic := kmsg.NewShareAcknowledgeRequestTopic()
	topic.TopicID, topic.Partitions = t.id, []kmsg.ShareAcknowledgeRequestTopicPartition{p}
	req.Topics = []kmsg.ShareAcknowledgeRequestTopic{topic}
	resp, err := k.c.once(node, k.own, req, k.c.cfg.RequestTimeout)
	if err != nil {
		k.lost(node, err)
		outcome := OutcomeInfo
		if errors.Is(err, errNotSent) {
			outcome = OutcomeFail
		}
		return AckResult{outcome, err, node}
	}
	got := resp.(*kmsg.ShareAcknowledgeResponse)
	if err := errorFor(got.ErrorCode, got.ErrorMessage); err != nil {
		k.lost(node, err)
		return AckResult{AckOutcome(got.ErrorCode), err, node}
	}
	s.advance()
	for _, t := range got.Topics {
		for _, p := range t.Partitions {
			if name, known := k.named(t.TopicID, p.Partition); known && name == tp {
				err := errorFor(p.ErrorCode, p.ErrorMessage)
				if err != nil {
					k.c.refresh()
				}
				return AckResult{AckOutcome(p.ErrorCode), err, node}
			}
		}
	}
	return AckResult{OutcomeInfo, fmt.Errorf("broker %d has not answered for %s-%d", node, tp.Topic, tp.Partition), node}
}

// AckOutcome classifies an error code of one ShareAcknowledge response. What a share
// coordinator may have taken, although it could not say so, is indefinite.
func AckOutcome(code int16) Outcome {
	switch code {
	case 0:
		return OutcomeOK
	case kerr.InvalidRecordState.Code, kerr.ShareSessionNotFound.Code, kerr.InvalidShareSessionEpoch.Code, kerr.ShareSessionLimitReached.Code,
		kerr.InvalidRequest.Code, kerr.GroupIDNotFound.Code, kerr.UnknownMemberID.Code, kerr.UnsupportedVersion.Code,
		kerr.GroupAuthorizationFailed.Code, kerr.TopicAuthorizationFailed.Code, kerr.UnknownTopicID.Code:
		return OutcomeFail
	}
	return OutcomeInfo
}

// beat sends a heartbeat if one is due and does what the answer says.
func (k *ShareConsumer) beat() (err error) {
	if k.epoch > 0 && k.e.Now() < k.next {
		return nil
	}
	defer func() {
		if err != nil {
			k.failures++
			k.full = true
		}
	}()
	if k.node, err = k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RequestTimeout); err != nil {
		return err
	}
	for _, name := range k.topics {
		if _, err := k.c.waitTopic(name, k.c.cfg.RequestTimeout); err != nil {
			return err
		}
	}
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.GroupID, req.MemberID, req.MemberEpoch = k.cfg.Group, k.id, k.epoch
	if k.full || k.epoch == 0 {
		req.SubscribedTopicNames = k.topics
	}
	resp, err := k.c.once(k.node, forGroup, req, k.c.cfg.RequestTimeout)
	if err != nil {
		k.c.forgetCoordinator(groupKey(k.cfg.Group), k.node)
		return err
	}
	got := resp.(*kmsg.ShareGroupHeartbeatResponse)
	switch got.ErrorCode {
	case 0:
	case kerr.UnknownMemberID.Code, kerr.FencedMemberEpoch.Code, kerr.GroupIDNotFound.Code:
		k.epoch, k.assigned = 0, nil // a newcomer, under the id that it has
		return errorFor(got.ErrorCode, got.ErrorMessage)
	default:
		if coordinatorMoved(got.ErrorCode) {
			k.c.forgetCoordinator(groupKey(k.cfg.Group), k.node)
		}
		return errorFor(got.ErrorCode, got.ErrorMessage)
	}
	k.failures, k.full, k.epoch = 0, false, got.MemberEpoch
	if got.HeartbeatIntervalMillis > 0 {
		k.every = time.Duration(got.HeartbeatIntervalMillis) * time.Millisecond
	}
	k.next = k.e.Now() + k.every
	if got.Assignment == nil {
		if len(k.assigned) == 0 {
			k.next = k.e.Now() + min(k.every, time.Second) // partitions may be initialized only now
		}
		return nil
	}
	k.assigned = nil
	for _, t := range got.Assignment.TopicPartitions {
		for _, n := range t.Partitions {
			if tp, known := k.named(t.TopicID, n); known {
				k.assigned = append(k.assigned, tp)
			} else {
				k.full = true // made anew, perhaps: it is to be told again
			}
		}
	}
	slices.SortFunc(k.assigned, TopicPartition.Compare)
	if len(k.assigned) == 0 {
		k.next = k.e.Now() + min(k.every, time.Second)
	}
	return nil
}

// Close ends the sessions, which gives back the records that were not acknowledged, and
// leaves the group, in one attempt each; a silent member says nothing.
func (k *ShareConsumer) Close() {
	if k.cfg.Silent {
		k.c.disconnect(k.own)
		return
	}
	for _, node := range env.SortedKeys(k.sessions) {
		if s := k.sessions[node]; s.epoch > 0 {
			req := kmsg.NewPtrShareAcknowledgeRequest()
			req.GroupID, req.MemberID, req.ShareSessionEpoch = &k.cfg.Group, &k.id, -1
			_, _ = k.c.once(node, k.own, req, k.c.cfg.RetryBackoffMax)
		}
	}
	k.sessions = map[int32]*shareSession{}
	if k.epoch > 0 {
		if node, err := k.c.findCoordinator(groupKey(k.cfg.Group), k.c.cfg.RetryBackoffMax); err == nil {
			req := kmsg.NewPtrShareGroupHeartbeatRequest()
			req.GroupID, req.MemberID, req.MemberEpoch = k.cfg.Group, k.id, -1
			_, _ = k.c.once(node, forGroup, req, k.c.cfg.RequestTimeout)
		}
	}
	k.epoch = 0
	k.c.disconnect(k.own)
}
