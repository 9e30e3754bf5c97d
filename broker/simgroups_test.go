package broker_test

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// coordinator waits until the coordinator of a group answers for it, and
// returns its index.
func (c *simCluster) coordinator(e env.Env, group string) int {
	c.t.Helper()
	at := -1
	c.await(e, "a coordinator of "+group, func() bool {
		for i := range c.lives {
			if !c.nodes[i].Alive() {
				continue
			}
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.Version, find.CoordinatorKey = 2, group
			resp, err := c.ask(e, i, find, time.Second)
			if err != nil || resp.(*kmsg.FindCoordinatorResponse).ErrorCode != 0 {
				return false
			}
			r := resp.(*kmsg.FindCoordinatorResponse)
			addr := net.JoinHostPort(r.Host, strconv.Itoa(int(r.Port)))
			at = slices.IndexFunc(c.cfgs, func(cfg broker.Config) bool { return cfg.Listen == addr })
			fetch := kmsg.NewPtrOffsetFetchRequest()
			fetch.Version, fetch.Group = 7, group
			got, err := c.ask(e, at, fetch, time.Second)
			return err == nil && got.(*kmsg.OffsetFetchResponse).ErrorCode == 0
		}
		return false
	})
	return at
}

// staticMember is a member of group "g" with an instance ID.
type staticMember struct {
	instance, id string
	generation   int32
	leads        bool
}

// join joins, or comes back as a new process would, and reports whether it was
// answered.
func (m *staticMember) join(c *simCluster, e env.Env, at int, id string) bool {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = 9, "g", id, &m.instance, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 600_000, 60_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("t")}}
	resp, err := c.ask(e, at, req, 30*time.Second)
	if err != nil {
		return false
	}
	r := resp.(*kmsg.JoinGroupResponse)
	if r.ErrorCode != 0 {
		require.Contains(c.t, []int16{kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code}, r.ErrorCode)
		return false
	}
	m.id, m.generation, m.leads = r.MemberID, r.Generation, r.LeaderID == r.MemberID
	return true
}

func (m *staticMember) heartbeat(c *simCluster, e env.Env, at int) int16 {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 4, "g", m.id, &m.instance, m.generation
	return c.must(e, at, req).(*kmsg.HeartbeatResponse).ErrorCode
}

// However shortly after its answer a coordinator loses power, its successor
// knows every static member that was answered, and fences the one that it
// replaced.
func TestStaticMembersAreKnownToTheNextCoordinator(t *testing.T) {
	change := func(cfg *broker.Config) {
		cfg.GroupInitialRebalanceDelay = 0
		cfg.BrokerSession, cfg.BrokerHeartbeat = 2*time.Second, 300*time.Millisecond
	}
	answered := 0
	runSim(t, 3, change, func(c *simCluster, e env.Env) {
		c.ready(e)
		at := c.coordinator(e, "g")
		members := []*staticMember{{instance: "a"}, {instance: "b"}}
		require.True(t, members[0].join(c, e, at, ""))
		second := e.Go("second", func() { members[1].join(c, e, at, "") })
		e.Sleep(time.Second)
		require.True(t, members[0].join(c, e, at, members[0].id))
		second.Wait()
		for _, m := range members {
			if !m.leads {
				continue
			}
			sync := kmsg.NewPtrSyncGroupRequest()
			sync.Version, sync.Group, sync.MemberID, sync.InstanceID, sync.Generation = 5, "g", m.id, &m.instance, m.generation
			require.Zero(t, c.must(e, at, sync).(*kmsg.SyncGroupResponse).ErrorCode)
		}
		for round := range 16 {
			at = c.coordinator(e, "g")
			before := []staticMember{*members[0], *members[1]}
			var back [2]bool
			var tasks []env.Task
			if round%2 == 0 { // nobody can replicate what is promised
				c.nodes[(at+1)%3].Pause()
				c.nodes[(at+2)%3].Pause()
			}
			for i, m := range members {
				tasks = append(tasks, e.Go("back", func() { back[i] = m.join(c, e, at, "") }))
			}
			e.Sleep(time.Duration(round) * 200 * time.Microsecond)
			c.nodes[at].PowerOff()
			c.lives[at] = nil
			if round%2 == 0 {
				c.nodes[(at+1)%3].Resume()
				c.nodes[(at+2)%3].Resume()
			}
			for _, task := range tasks {
				task.Wait()
			}
			next := c.coordinator(e, "g")
			for i, m := range members {
				if back[i] {
					answered++
					require.Zero(t, m.heartbeat(c, e, next), "round %d: %s was told it is %s", round, m.instance, m.id)
					require.Equal(t, kerr.FencedInstanceID.Code, before[i].heartbeat(c, e, next))
				}
			}
			c.nodes[at].PowerOn()
			c.boot(at)
			c.ready(e)
		}
	})
	require.NotZero(t, answered)
	require.Less(t, answered, 32, "no coordinator died before its answer")
}
