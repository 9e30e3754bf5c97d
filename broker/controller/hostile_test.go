package controller

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func TestThreeVotesOfAStrangerDoNotEndTheQuorum(t *testing.T) {
	q := newTestQuorum(t, 1, 2, 3)
	leader := q.controller()
	for id := range q.nodes {
		for _, from := range []int32{0, 1, 2, 3, 99} {
			for _, epoch := range []int32{math.MaxInt32, math.MaxInt32 - 1, -1} {
				for kind := range quorum.FetchRequest + 1 {
					if !kind.IsRequest() {
						continue
					}
					req := requestToWire(quorum.Message{Kind: kind, From: from, To: id, Epoch: epoch, Leader: from, LastEpoch: epoch, Offset: math.MaxInt64}, "c")
					require.NotNil(t, q.nodes[id].Handle(req))
				}
			}
		}
	}
	// A fetch from before the beginning of everything is no error of the disk.
	fetch := requestToWire(quorum.Message{Kind: quorum.FetchRequest, From: 99, To: leader.View().NodeID, Epoch: leader.View().Epoch, LastEpoch: -1, Offset: -5}, "c")
	p := leader.Handle(fetch).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	require.Equal(t, kerr.InvalidRequest.Code, p.ErrorCode)

	for id := range q.nodes {
		require.Less(t, q.nodes[id].View().Epoch, int32(1000))
	}
	q.stop(leader.View().NodeID)
	next := q.controller()
	join(t, next.Node, 1)
	require.Zero(t, createTopic(next.Node, "a", 1, 1), "a new leader is elected and works")
}

func TestVotesMeantForAnotherVoterAreRefused(t *testing.T) {
	vote := requestToWire(quorum.Message{Kind: quorum.VoteRequest, From: 1, To: 2, Epoch: 1}, "c")
	_, err := requestFromWire(vote, 3, "c")
	require.Equal(t, kerr.InvalidVoterKey, err)
}

func TestUnreachableEpochOnDiskIsRefused(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "n"})
	require.NoError(t, writeQuorumState(e.FS(), ".", quorum.HardState{Epoch: math.MaxInt32, Leader: quorum.None, VotedFor: 9}))
	_, err := readQuorumState(e.FS(), ".")
	require.ErrorContains(t, err, "2147483647")
}

func TestRegistrationsKeepOnlyWhatCanBeShown(t *testing.T) {
	f := newFixture(t, 1, 1)
	for name, spoil := range map[string]func(*kmsg.BrokerRegistrationRequest){
		"negative id":  func(r *kmsg.BrokerRegistrationRequest) { r.BrokerID = -1 },
		"no listener":  func(r *kmsg.BrokerRegistrationRequest) { r.Listeners = nil },
		"no host":      func(r *kmsg.BrokerRegistrationRequest) { r.Listeners[0].Host = "" },
		"no port":      func(r *kmsg.BrokerRegistrationRequest) { r.Listeners[0].Port = 0 },
		"long host":    func(r *kmsg.BrokerRegistrationRequest) { r.Listeners[0].Host = strings.Repeat("a", 256) },
		"long rack":    func(r *kmsg.BrokerRegistrationRequest) { r.Rack = kmsg.StringPtr(strings.Repeat("a", 1<<16)) },
		"host of many": func(r *kmsg.BrokerRegistrationRequest) { r.Listeners[0].Host = "a\nb" },
	} {
		req := registration(2)
		spoil(req)
		require.Equal(t, kerr.InvalidRegistration.Code, f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode, name)
		require.Equal(t, 1, f.img.BrokerCount(), name)
	}
}

func TestRegistrationsAreBounded(t *testing.T) {
	f := newFixture(t, 0, 1)
	for id := range int32(maxBrokers) {
		require.Zero(t, f.do(registration(id)).(*kmsg.BrokerRegistrationResponse).ErrorCode)
		if id == 20 { // the rest at once, since each edit copies what is there
			f.transact(func(tx *txn) {
				for id := int32(21); id < maxBrokers; id++ {
					f.m.registerBroker(f.now, tx, registration(id))
				}
			})
			break
		}
	}
	require.Equal(t, maxBrokers, f.img.BrokerCount())
	require.Equal(t, kerr.PolicyViolation.Code, f.do(registration(maxBrokers)).(*kmsg.BrokerRegistrationResponse).ErrorCode)
	f.now += f.m.cfg.BrokerSessionTimeout
	require.Zero(t, f.register(5, false), "a known broker comes back")
}

func TestHeartbeatsClaimNothingThatDoesNotExist(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("t", 1, 2)
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = 2, f.img.Broker(2).Epoch, math.MaxInt64
	f.do(req)
	// Broker 1 may leave only when the others have heard of it: 2 has not yet.
	require.False(t, f.heartbeat(1, true).ShouldShutdown)
	require.Equal(t, int32(2), f.img.Partition(tp).Leader)
	f.beat(3)
	require.False(t, f.heartbeat(1, true).ShouldShutdown)
	f.beat(2)
	require.True(t, f.heartbeat(1, true).ShouldShutdown)
}

func TestPartitionsOfOneRequestAreBounded(t *testing.T) {
	f := newFixture(t, 1, 1)
	req := kmsg.NewPtrCreatePartitionsRequest()
	for _, name := range []string{"a", "b", "c"} {
		f.topic(name, 1)
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = name, maxPartitionsPerRequest/2
		req.Topics = append(req.Topics, rt)
	}
	req.ValidateOnly = true
	resp := f.do(req).(*kmsg.CreatePartitionsResponse)
	require.Zero(t, resp.Topics[1].ErrorCode)
	require.Equal(t, kerr.PolicyViolation.Code, resp.Topics[2].ErrorCode)
}

// The controller has one task for everything. What one request makes it do is
// bounded by the request's bytes and by what it may create.
func TestOneRequestDoesNotKeepTheControllerBusy(t *testing.T) {
	f := newFixture(t, 3, 1)
	topics := func(n int, name string, partitions int32) *kmsg.CreateTopicsRequest {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version = 7
		for i := range n {
			rt := kmsg.NewCreateTopicsRequestTopic()
			rt.Topic, rt.NumPartitions, rt.ReplicationFactor = fmt.Sprintf("%s.%d.x", name, i), partitions, 3
			req.Topics = append(req.Topics, rt)
		}
		return req
	}
	// Allocations stand for the work.
	work := func(req kmsg.Request) int {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f.do(req)
		runtime.ReadMemStats(&after)
		return int(after.Mallocs - before.Mallocs)
	}
	few, many := work(topics(200, "a", 1)), work(topics(2000, "b", 1))
	require.Less(t, many, 30*few, "topics are not compared each with each")
	allowed := work(topics(1, "c", maxPartitionsPerRequest))
	require.Less(t, work(topics(50, "d", maxPartitionsPerRequest)), 3*allowed, "what is refused is not placed")

	alter := func(n int) *kmsg.IncrementalAlterConfigsRequest {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		for i := range n {
			res := kmsg.NewIncrementalAlterConfigsRequestResource()
			res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, fmt.Sprintf("b.%d.x", i)
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Value = config.RetentionMillis, kmsg.StringPtr("1000")
			res.Configs = append(res.Configs, c)
			req.Resources = append(req.Resources, res)
		}
		return req
	}
	few, many = work(alter(50)), work(alter(500))
	require.Less(t, many, 30*few)
	require.Less(t, few, 50*200, "a topic's settings concern its own partitions")
}
