package controller

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// testQuorum is a quorum on the operating system whose requests travel through
// the wire codec but over no network.
type testQuorum struct {
	t      *testing.T
	voters []Voter
	roots  map[int32]string

	snapshotBytes int64 // of nodes started from now on; 0 for the default

	mu    sync.Mutex
	nodes map[int32]*testNode
	cut   map[int32]bool // nodes that nobody reaches and that reach nobody
}

type testNode struct {
	*Node
	log *storage.Log
}

func newTestQuorum(t *testing.T, voters ...int32) *testQuorum {
	return newTestQuorumWith(t, 0, voters...)
}

func newTestQuorumWith(t *testing.T, snapshotBytes int64, voters ...int32) *testQuorum {
	q := &testQuorum{t: t, roots: map[int32]string{}, nodes: map[int32]*testNode{}, cut: map[int32]bool{}, snapshotBytes: snapshotBytes}
	for _, id := range voters {
		q.voters = append(q.voters, Voter{ID: id, Host: fmt.Sprintf("n%d", id), Port: 1})
	}
	for _, id := range voters {
		q.start(id)
	}
	t.Cleanup(func() {
		for _, id := range []int32{1, 2, 3, 4} {
			q.stop(id)
		}
	})
	return q
}

func (q *testQuorum) start(id int32) *testNode {
	if q.roots[id] == "" {
		q.roots[id] = q.t.TempDir()
	}
	e := osenvtest.New(q.t, osenv.Options{Root: q.roots[id], Node: fmt.Sprint(id), Seed: uint64(id)})
	require.NoError(q.t, e.FS().MkdirAll("meta"))
	log, _, err := storage.Open(e, "meta", storage.Config{})
	require.NoError(q.t, err)
	n, err := New(e, Config{NodeID: id, ClusterID: "c", Voters: q.voters, ElectionTimeout: 60 * time.Millisecond,
		FetchTimeout: 200 * time.Millisecond, FetchMaxWait: 40 * time.Millisecond, RequestTimeout: 100 * time.Millisecond,
		RetryBackoff: 5 * time.Millisecond, BrokerSessionTimeout: time.Hour, ApplyWait: time.Hour, SnapshotBytes: q.snapshotBytes,
		OnFatal: func(err error) { q.t.Errorf("node %d: %v", id, err) }},
		log, "meta", func(to Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
			return q.carry(id, to.ID, req)
		})
	require.NoError(q.t, err)
	node := &testNode{n, log}
	q.mu.Lock()
	q.nodes[id] = node
	q.mu.Unlock()
	n.Start()
	return node
}

func (q *testQuorum) stop(id int32) {
	q.mu.Lock()
	n := q.nodes[id]
	delete(q.nodes, id)
	q.mu.Unlock()
	if n != nil {
		n.Stop()
		require.NoError(q.t, n.log.Close())
	}
}

func (q *testQuorum) isolate(id int32, isolated bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cut[id] = isolated
}

func (q *testQuorum) reach(from, to int32) *testNode {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cut[from] || q.cut[to] {
		return nil
	}
	return q.nodes[to]
}

func (q *testQuorum) carry(from, to int32, req kmsg.Request) (kmsg.Response, error) {
	n := q.reach(from, to)
	if n == nil {
		time.Sleep(5 * time.Millisecond)
		return nil, fmt.Errorf("node %d does not reach node %d", from, to)
	}
	there := kmsg.RequestForKey(req.Key())
	there.SetVersion(req.GetVersion())
	if err := there.ReadFrom(req.AppendTo(nil)); err != nil {
		return nil, err
	}
	resp := n.Handle(there)
	back := req.ResponseKind()
	if err := back.ReadFrom(resp.AppendTo(nil)); err != nil {
		return nil, err
	}
	if q.reach(to, from) == nil {
		return nil, fmt.Errorf("the answer of node %d to node %d is lost", to, from)
	}
	return back, nil
}

// controller waits for an active controller other than those given.
func (q *testQuorum) controller(not ...int32) *testNode {
	q.t.Helper()
	var found *testNode
	require.Eventually(q.t, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		for id, n := range q.nodes {
			skip := q.cut[id]
			for _, other := range not {
				skip = skip || other == id
			}
			if v := n.View(); v.Active && !skip {
				found = n
				return true
			}
		}
		return false
	}, 20*time.Second, time.Millisecond)
	return found
}

func registration(id int32) *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version, req.BrokerID, req.ClusterID, req.IncarnationID[0] = 4, id, "c", byte(id)
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Host, l.Port = fmt.Sprintf("b%d", id), 9092
	req.Listeners = append(req.Listeners, l)
	return req
}

// join registers a broker and brings it to life.
func join(t *testing.T, n *Node, id int32) int64 {
	t.Helper()
	reg := n.Handle(registration(id)).(*kmsg.BrokerRegistrationResponse)
	require.Zero(t, reg.ErrorCode)
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.BrokerID, beat.BrokerEpoch, beat.CurrentMetadataOffset = id, reg.BrokerEpoch, reg.BrokerEpoch
	resp := n.Handle(beat).(*kmsg.BrokerHeartbeatResponse)
	require.Zero(t, resp.ErrorCode)
	require.False(t, resp.IsFenced)
	return reg.BrokerEpoch
}

func createTopic(n *Node, name string, partitions int32, rf int16) int16 {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 0 // there is no broker that would apply it
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, rf
	req.Topics = append(req.Topics, topic)
	return n.Handle(req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode
}

func (q *testQuorum) sees(n *testNode, topic string) {
	q.t.Helper()
	require.Eventually(q.t, func() bool { return n.Image().Topic(topic) != nil }, 20*time.Second, time.Millisecond,
		"node never saw topic %s", topic)
}

func TestQuorumOfThree(t *testing.T) {
	q := newTestQuorum(t, 1, 2, 3)
	first := q.controller()
	for id := range int32(3) {
		join(t, first.Node, id+1)
	}
	require.Zero(t, createTopic(first.Node, "a", 6, 3))
	require.NotNil(t, first.Image().Topic("a"), "an answered request is committed")
	for _, n := range q.nodes {
		q.sees(n, "a")
		require.Equal(t, first.Image().Topic("a"), n.Image().Topic("a"))
	}

	// An orderly stop hands leadership on, and nothing is lost.
	firstID := first.View().NodeID
	q.stop(firstID)
	second := q.controller()
	require.Zero(t, createTopic(second.Node, "b", 1, 3))
	require.Equal(t, kerr.TopicAlreadyExists.Code, createTopic(second.Node, "a", 1, 1))

	// The one that was away catches up, and does not lead.
	back := q.start(firstID)
	q.sees(back, "b")
	require.Equal(t, kerr.NotController.Code, createTopic(back.Node, "c", 1, 1))

	// A restart of everyone finds everything.
	for _, id := range []int32{1, 2, 3} {
		q.stop(id)
	}
	for _, id := range []int32{1, 2, 3} {
		q.start(id)
	}
	third := q.controller()
	require.NotNil(t, third.Image().Topic("a"))
	require.NotNil(t, third.Image().Topic("b"))
	require.Greater(t, third.View().Epoch, second.View().Epoch)
}

func TestIsolatedLeaderResigns(t *testing.T) {
	q := newTestQuorum(t, 1, 2, 3)
	old := q.controller()
	join(t, old.Node, 1)
	oldID := old.View().NodeID
	q.isolate(oldID, true)

	// It may not know yet that it has lost the others, but cannot commit.
	answer := make(chan int16)
	go func() { answer <- createTopic(old.Node, "lost", 1, 1) }()
	fresh := q.controller(oldID)
	require.Equal(t, kerr.NotController.Code, <-answer)
	require.Nil(t, old.Image().Topic("lost"))
	require.Zero(t, createTopic(fresh.Node, "kept", 1, 1))

	q.isolate(oldID, false)
	q.sees(old, "kept")
	require.Nil(t, old.Image().Topic("lost"), "what was never committed is truncated")
	require.Equal(t, fresh.Image().Topic("kept"), old.Image().Topic("kept"))
}

func TestSingleVoterAndObserver(t *testing.T) {
	q := newTestQuorum(t, 1)
	leader := q.controller()
	join(t, leader.Node, 1)
	require.Zero(t, createTopic(leader.Node, "a", 2, 1))
	observer := q.start(4)
	q.sees(observer, "a")
	require.True(t, observer.View().Observer)
	id, epoch := observer.Leader()
	require.Equal(t, int32(1), id)
	require.Equal(t, leader.View().Epoch, epoch)
	require.Equal(t, kerr.NotController.Code, createTopic(observer.Node, "b", 1, 1))

	describe := kmsg.NewPtrDescribeQuorumRequest()
	describe.Version = 2
	p := leader.Handle(describe).(*kmsg.DescribeQuorumResponse).Topics[0].Partitions[0]
	require.Zero(t, p.ErrorCode)
	require.Len(t, p.CurrentVoters, 1)
	require.Len(t, p.Observers, 1)
	require.Equal(t, int32(4), p.Observers[0].ReplicaID)
}

func TestSubscribersSeeEveryImageInOrder(t *testing.T) {
	q := newTestQuorum(t, 1)
	leader := q.controller()
	join(t, leader.Node, 1)
	var mu sync.Mutex
	last, topics := int64(-1), map[string]bool{}
	leader.Subscribe(func(img *metadata.Image, d metadata.Delta) {
		mu.Lock()
		defer mu.Unlock()
		if d.FromOffset != last || img.Offset() != d.ToOffset || d.ToOffset < last {
			t.Errorf("delta from %d to %d after image %d", d.FromOffset, d.ToOffset, last)
		}
		last = d.ToOffset
		for _, tp := range d.Partitions {
			topics[tp.Topic] = true
		}
	})
	for i := range 5 {
		require.Zero(t, createTopic(leader.Node, fmt.Sprint("t", i), 1, 1))
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(topics) == 5 }, 20*time.Second, time.Millisecond)
}

func TestForeignClusterIsRefused(t *testing.T) {
	q := newTestQuorum(t, 1)
	leader := q.controller()
	vote := kmsg.NewPtrVoteRequest()
	vote.Version, vote.ClusterID = 2, kmsg.StringPtr("other")
	require.Equal(t, kerr.InconsistentClusterID.Code, leader.Handle(vote).(*kmsg.VoteResponse).ErrorCode)
	reg := registration(1)
	reg.ClusterID = "other"
	require.Equal(t, kerr.InconsistentClusterID.Code, leader.Handle(reg).(*kmsg.BrokerRegistrationResponse).ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, leader.Handle(kmsg.NewPtrVoteRequest()).(*kmsg.VoteResponse).ErrorCode)
}
