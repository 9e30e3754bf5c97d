package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// world is a log of groups, and the topics that exist.
type world struct {
	*coordinatortest.Log
	e     env.Env
	image *metadata.Image

	unverified int16 // what the transaction coordinator says
	shares     *states
}

// verify is group.Verify.
func (w *world) verify(int32, string, int64, int16, int16) (Verification, int16) {
	return Verification{End: func() {}}, w.unverified
}

func newWorld(t *testing.T) *world {
	e := osenvtest.New(t, osenv.Options{Node: "test", Seed: 1})
	return &world{Log: coordinatortest.NewLog(e), e: e, image: imageOf(t, "t", "u"), shares: &states{starts: map[consumer.Partition]int64{}}}
}

// imageOf is an image with topics of four partitions.
func imageOf(t require.TestingT, topics ...string) *metadata.Image {
	edit, offset := metadata.Empty().Edit(), int64(0)
	apply := func(r metadata.Record) {
		require.NoError(t, edit.Apply(r, offset))
		offset++
	}
	for i, name := range topics {
		id := metadata.TopicID{1, byte(i)}
		apply(&metadata.TopicRecord{Name: name, ID: id})
		for p := range int32(4) {
			apply(&metadata.PartitionRecord{TopicID: id, Partition: p, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
		}
	}
	image, _ := edit.Done()
	return image
}

func newCoordinator(t *testing.T, w *world, change ...func(*Config)) *Coordinator {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	for _, f := range change {
		f(&cfg)
	}
	c := NewCoordinator(w.e, cfg, w, func() *metadata.Image { return w.image }, w.verify, w.shares)
	c.SetPartitions(1)
	t.Cleanup(func() {
		c.Stop()
		c.Wait()
	})
	return c
}

// lead makes c the coordinator and waits until it answers.
func lead(t *testing.T, c *Coordinator, l *world) {
	c.Lead(0, l.Elect(1<<62))
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
	if resp.ErrorCode != 0 {
		return -1, resp.ErrorCode
	}
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
	l := newWorld(t)
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
	l := newWorld(t)
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
	c.Resign(0, l.Epoch())
	require.Equal(t, kerr.NotCoordinator.Code, <-answers)
	require.Equal(t, kerr.NotCoordinator.Code, commitOffset(c, "g", "", -1, 1))
}

func TestDeleteGroup(t *testing.T) {
	l := newWorld(t)
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
	l := newWorld(t)
	c := newCoordinator(t, l)
	lead(t, c, l)
	require.Zero(t, commitOffset(c, "g", "", -1, 5))
	for append, want := range map[int16]int16{
		kerr.NotEnoughReplicas.Code:       kerr.CoordinatorNotAvailable.Code,
		kerr.UnknownTopicOrPartition.Code: kerr.CoordinatorNotAvailable.Code,
		kerr.NotLeaderForPartition.Code:   kerr.NotCoordinator.Code,
		kerr.RequestTimedOut.Code:         kerr.CoordinatorNotAvailable.Code,
		kerr.MessageTooLarge.Code:         kerr.InvalidCommitOffsetSize.Code,
	} {
		l.Refuse(append)
		require.Equal(t, want, commitOffset(c, "g", "", -1, 6))
		offset, code := fetchOffset(c, "g")
		require.Zero(t, code)
		require.EqualValues(t, 5, offset)
	}
	l.Refuse(kerr.NotEnoughReplicas.Code)
	_, code := fetchOffset(c, "g")
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, code)

	big := commitReq("g", "", -1, 7)
	big.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(make([]byte, 5000)))
	require.Equal(t, kerr.OffsetMetadataTooLarge.Code, c.HandleOffsetCommit(big).Topics[0].Partitions[0].ErrorCode)
}

func TestFetchAllAndSeveralGroups(t *testing.T) {
	l := newWorld(t)
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
	l := newWorld(t)
	c := newCoordinator(t, l, func(cfg *Config) { cfg.MinSessionTimeout = time.Millisecond })
	lead(t, c, l)
	req := joinReq("g", "")
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 20, 20
	require.Zero(t, c.HandleJoinGroup(req, "client", "").ErrorCode)
	list := kmsg.NewPtrListGroupsRequest()
	list.StatesFilter = []string{"Empty"}
	require.Eventually(t, func() bool { return len(c.HandleListGroups(list).Groups) == 1 }, 10*time.Second, time.Millisecond)
}

// Whatever stands in __consumer_offsets, a new coordinator answers, and with
// all that can be read.
func TestReplayStepsOverRecordsItCannotRead(t *testing.T) {
	l := newWorld(t)
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
		_, code := l.Append(0, l.Epoch(), storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{bad, good}), storage.AppendOptions{})
		require.Zero(t, code)
	}
	garbage := storage.Batch(storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{good}))
	garbage[22] |= 1 // says it is gzip
	_, code := l.Append(0, l.Epoch(), garbage, storage.AppendOptions{})
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

// barrier is a batch that means nothing.
func barrier() []byte {
	return storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{barrierRecord(1)})
}
