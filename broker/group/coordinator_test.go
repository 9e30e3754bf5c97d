package group

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// fakeLog is one partition of __consumer_offsets that several coordinators
// believe to lead, as brokers do. Only the largest epoch can append.
type fakeLog struct {
	mu      sync.Mutex
	epoch   int32
	next    int64
	batches [][]byte
	fail    int16 // code of the next append
}

func (l *fakeLog) Append(_, epoch int32, records []byte) (int64, int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return -1, kerr.NotLeaderForPartition.Code
	}
	if code := l.fail; code != 0 {
		l.fail = 0
		return -1, code
	}
	b := storage.Batch(slices.Clone(records))
	b.SetBaseOffset(l.next)
	base := l.next
	l.next = b.NextOffset()
	l.batches = append(l.batches, b)
	return base, 0
}

func (l *fakeLog) Load(_, epoch int32, fn func([]byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return errors.New("not the leader")
	}
	for _, b := range l.batches {
		if err := fn(b); err != nil {
			return err
		}
	}
	return nil
}

func (l *fakeLog) elect() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	return l.epoch
}

func newCoordinator(t *testing.T, l *fakeLog) *Coordinator {
	e := osenvtest.New(t, osenv.Options{Node: "test", Seed: 1})
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	c := NewCoordinator(e, cfg, l)
	c.SetPartitions(1)
	t.Cleanup(c.Stop)
	return c
}

// lead makes c the coordinator and waits until it answers.
func lead(t *testing.T, c *Coordinator, l *fakeLog) {
	c.Lead(0, l.elect())
	require.Eventually(t, func() bool {
		return c.HandleListGroups(kmsg.NewPtrListGroupsRequest()).ErrorCode == 0
	}, 10*time.Second, time.Millisecond)
}

func commitReq(group, member string, generation int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 8, group, member, generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "t"
	part := kmsg.NewOffsetCommitRequestTopicPartition()
	part.Partition, part.Offset, part.Metadata = 3, offset, kmsg.StringPtr("note")
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	return req
}

func commitOffset(c *Coordinator, group, member string, generation int32, offset int64) int16 {
	return c.HandleOffsetCommit(commitReq(group, member, generation, offset)).Topics[0].Partitions[0].ErrorCode
}

func fetchOffset(c *Coordinator, group string) (int64, int16) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 7, group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = "t", []int32{3}
	req.Topics = append(req.Topics, topic)
	resp := c.HandleOffsetFetch(req)
	return resp.Topics[0].Partitions[0].Offset, resp.ErrorCode
}

func joinReq(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = 3, group, member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10000, 10000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte("t")
	req.Protocols = append(req.Protocols, p)
	return req
}

// joinAlone makes a group of one member, with its assignment.
func joinAlone(t *testing.T, c *Coordinator, group string) (member string, generation int32) {
	j := c.HandleJoinGroup(joinReq(group, ""), "client", "/127.0.0.1")
	require.Zero(t, j.ErrorCode)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID, sync.Generation = 5, group, j.MemberID, j.Generation
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = j.MemberID, []byte("all of it")
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	s := c.HandleSyncGroup(sync)
	require.Zero(t, s.ErrorCode)
	require.Equal(t, "all of it", string(s.MemberAssignment))
	return j.MemberID, j.Generation
}

func TestFailover(t *testing.T) {
	l := &fakeLog{}
	a, b := newCoordinator(t, l), newCoordinator(t, l)
	require.Equal(t, kerr.NotCoordinator.Code, commitOffset(a, "g", "", -1, 1))
	lead(t, a, l)

	_, code := fetchOffset(a, "")
	require.Equal(t, kerr.InvalidGroupID.Code, code)
	offset, code := fetchOffset(a, "g")
	require.Zero(t, code)
	require.EqualValues(t, -1, offset)

	member, generation := joinAlone(t, a, "g")
	require.Zero(t, commitOffset(a, "g", member, generation, 42))
	require.Equal(t, kerr.IllegalGeneration.Code, commitOffset(a, "g", member, generation-1, 7))
	require.Equal(t, kerr.UnknownMemberID.Code, commitOffset(a, "g", "", -1, 7))
	require.Zero(t, commitOffset(a, "by hand", "", -1, 9))

	lead(t, b, l)
	offset, code = fetchOffset(b, "g")
	require.Zero(t, code)
	require.EqualValues(t, 42, offset)
	require.Zero(t, commitOffset(b, "g", member, generation, 43), "a member keeps its generation")
	hb := kmsg.NewPtrHeartbeatRequest()
	hb.Group, hb.MemberID, hb.Generation = "g", member, generation
	require.Zero(t, b.HandleHeartbeat(hb).ErrorCode)

	// The old coordinator has not heard yet. It must not answer from its past.
	_, code = fetchOffset(a, "g")
	require.Equal(t, kerr.NotCoordinator.Code, code)
	require.Equal(t, kerr.NotCoordinator.Code, commitOffset(a, "g", member, generation, 1))
	offset, _ = fetchOffset(b, "g")
	require.EqualValues(t, 43, offset)

	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g", "none"}
	got := b.HandleDescribeGroups(describe).Groups
	require.Equal(t, "Stable", got[0].State)
	require.Equal(t, "client", got[0].Members[0].ClientID)
	require.Equal(t, "all of it", string(got[0].Members[0].MemberAssignment))
	require.Equal(t, "Dead", got[1].State)
	require.Len(t, b.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups, 2)
}

func TestResignLetsWaitersGo(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	lead(t, c, l)
	joinAlone(t, c, "g")
	answers := make(chan int16)
	go func() { answers <- c.HandleJoinGroup(joinReq("g", ""), "second", "").ErrorCode }()
	require.Eventually(t, func() bool {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter = []string{"PreparingRebalance"}
		return len(c.HandleListGroups(req).Groups) == 1
	}, 10*time.Second, time.Millisecond)
	c.Resign(0, l.epoch)
	require.Equal(t, kerr.NotCoordinator.Code, <-answers)
	require.Equal(t, kerr.NotCoordinator.Code, commitOffset(c, "g", "", -1, 1))
}

func TestCommitsApplyInLogOrder(t *testing.T) {
	g := New("g", &Config{})
	tp := TopicPartition{"t", 0}
	g.apply(tp, Offset{Offset: 20, record: 6})
	g.apply(tp, Offset{Offset: 10, record: 5}) // appended earlier, reported later
	require.EqualValues(t, 20, g.Offsets[tp].Offset)
}

func TestDeleteGroup(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	lead(t, c, l)
	member, _ := joinAlone(t, c, "busy")
	require.NotEmpty(t, member)
	require.Zero(t, commitOffset(c, "idle", "", -1, 5))
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{"busy", "idle", "none"}
	got := c.HandleDeleteGroups(req).Groups
	require.Equal(t, kerr.NonEmptyGroup.Code, got[0].ErrorCode)
	require.Zero(t, got[1].ErrorCode)
	require.Equal(t, kerr.GroupIDNotFound.Code, got[2].ErrorCode)
	offset, code := fetchOffset(c, "idle")
	require.Zero(t, code)
	require.EqualValues(t, -1, offset)

	next := newCoordinator(t, l)
	lead(t, next, l)
	offset, _ = fetchOffset(next, "idle")
	require.EqualValues(t, -1, offset)
	require.Len(t, next.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups, 1)
}

func TestAppendFailures(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	lead(t, c, l)
	require.Zero(t, commitOffset(c, "g", "", -1, 5))
	for append, want := range map[int16]int16{
		kerr.NotEnoughReplicas.Code:       kerr.CoordinatorNotAvailable.Code,
		kerr.UnknownTopicOrPartition.Code: kerr.CoordinatorNotAvailable.Code,
		kerr.NotLeaderForPartition.Code:   kerr.NotCoordinator.Code,
		kerr.RequestTimedOut.Code:         kerr.RequestTimedOut.Code,
		kerr.MessageTooLarge.Code:         kerr.InvalidCommitOffsetSize.Code,
	} {
		l.fail = append
		require.Equal(t, want, commitOffset(c, "g", "", -1, 6))
		offset, code := fetchOffset(c, "g")
		require.Zero(t, code)
		require.EqualValues(t, 5, offset)
	}
	l.fail = kerr.NotEnoughReplicas.Code
	_, code := fetchOffset(c, "g")
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, code)

	big := commitReq("g", "", -1, 7)
	big.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(make([]byte, 5000)))
	require.Equal(t, kerr.OffsetMetadataTooLarge.Code, c.HandleOffsetCommit(big).Topics[0].Partitions[0].ErrorCode)
}

func TestFetchAllAndSeveralGroups(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	lead(t, c, l)
	require.Zero(t, commitOffset(c, "g", "", -1, 5))
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = 8
	for _, id := range []string{"g", "h"} {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = id // null topics: all there are
		req.Groups = append(req.Groups, g)
	}
	resp := c.HandleOffsetFetch(req)
	require.Len(t, resp.Groups, 2)
	require.EqualValues(t, 5, resp.Groups[0].Topics[0].Partitions[0].Offset)
	require.Equal(t, "note", *resp.Groups[0].Topics[0].Partitions[0].Metadata)
	require.Empty(t, resp.Groups[1].Topics)
	require.Zero(t, resp.Groups[1].ErrorCode)
}

func TestSessionEnds(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	c.cfg.MinSessionTimeout = time.Millisecond
	lead(t, c, l)
	req := joinReq("g", "")
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 20, 20
	require.Zero(t, c.HandleJoinGroup(req, "client", "").ErrorCode)
	list := kmsg.NewPtrListGroupsRequest()
	list.StatesFilter = []string{"Empty"}
	require.Eventually(t, func() bool { return len(c.HandleListGroups(list).Groups) == 1 }, 10*time.Second, time.Millisecond)
}

func TestOffsetsExpire(t *testing.T) {
	l := &fakeLog{}
	c := newCoordinator(t, l)
	lead(t, c, l)
	require.Zero(t, commitOffset(c, "old", "", -1, 5))
	joinAlone(t, c, "in use")
	s, _ := c.find("old")
	s.mu.Lock()
	s.expire(time.Now().Add(c.cfg.OffsetsRetention - time.Hour).UnixMilli())
	require.False(t, s.groups["old"].locked, "too early")
	s.expire(time.Now().Add(c.cfg.OffsetsRetention + time.Hour).UnixMilli())
	require.True(t, s.groups["old"].locked)
	s.mu.Unlock()
	require.Eventually(t, func() bool { return len(c.HandleListGroups(kmsg.NewPtrListGroupsRequest()).Groups) == 1 },
		10*time.Second, time.Millisecond)
	offset, code := fetchOffset(c, "old")
	require.Zero(t, code)
	require.EqualValues(t, -1, offset)
}

// Whatever stands in __consumer_offsets, a new coordinator answers, and with
// all that can be read.
func TestReplayStepsOverRecordsItCannotRead(t *testing.T) {
	l := &fakeLog{}
	a := newCoordinator(t, l)
	lead(t, a, l)
	require.Zero(t, commitOffset(a, "g", "", -1, 5))
	good := offsetRecord("h", TopicPartition{"t", 3}, Offset{Offset: 7}, 1)
	for _, bad := range []storage.Record{
		{Key: []byte{0, 1, 9}}, // a truncated key
		{Key: offsetKey("g", TopicPartition{"t", 3}), Value: []byte{0, 3, 1}}, // a truncated value
		{Key: groupKey("g"), Value: []byte{0, 3, 0, 200}},
		{Key: []byte{0, 99}, Value: []byte("?")}, // a kind of a later version
		{Key: []byte{0}},
		{},
	} {
		_, code := l.Append(0, l.epoch, storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{bad, good}))
		require.Zero(t, code)
	}
	garbage := storage.Batch(storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{good}))
	garbage[22] |= 1 // says it is gzip
	_, code := l.Append(0, l.epoch, garbage)
	require.Zero(t, code)
	require.Zero(t, commitOffset(a, "i", "", -1, 9))

	b := newCoordinator(t, l)
	lead(t, b, l)
	for group, want := range map[string]int64{"g": 5, "h": 7, "i": 9} {
		offset, code := fetchOffset(b, group)
		require.Zero(t, code)
		require.Equal(t, want, offset, group)
	}
}
