package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// A heartbeat puts the member's deadline off and leaves the heap of deadlines
// alone, however many groups stand in it; time brings the heap up to date.
func TestAHeartbeatTouchesNoGroupButItsOwn(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 0
	s := newShard(t, &cfg)
	s.join(Join{NewMemberID: "a"})
	s.sync(Sync{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": []byte("1")}})
	s.commit()
	armed, ok := s.m.NextTick()
	require.True(t, ok)
	require.Equal(t, 10*time.Second, armed)

	s.now = 9 * time.Second
	s.do(func(m *machine, at at, ref Ref) turn {
		return m.request(at, ref, "g", false, Heartbeat{Ref: ref, MemberID: "a", Generation: 1})
	})
	again, _ := s.m.NextTick()
	require.Equal(t, armed, again)
	s.now = armed
	s.ticks()
	require.Equal(t, Stable, s.m.groups["g"].State)
	again, _ = s.m.NextTick()
	require.Equal(t, 19*time.Second, again)
	s.now = again
	s.ticks()
	require.Equal(t, Empty, s.m.groups["g"].State)
}

// BenchmarkHeartbeat is one heartbeat of one of so many groups, through the
// runtime.
func BenchmarkHeartbeat(b *testing.B) {
	for _, n := range []int{1, 4000} {
		b.Run(fmt.Sprintf("groups=%d", n), func(b *testing.B) {
			e := osenvtest.New(b, osenv.Options{Node: "bench", Seed: 1})
			log := coordinatortest.NewLog(e)
			cfg := DefaultConfig()
			cfg.InitialRebalanceDelay = 0
			c := NewCoordinator(e, cfg, log, metadata.Empty, nil, nil)
			c.SetPartitions(1)
			c.Lead(0, log.Elect(0))
			var j *kmsg.JoinGroupResponse
			for i := range n {
				for {
					if j = c.HandleJoinGroup(joinReq(fmt.Sprint(i), ""), "client", ""); j.ErrorCode == 0 {
						break
					}
					time.Sleep(time.Millisecond)
				}
				syncAlone(c, fmt.Sprint(i), j.MemberID, j.Generation)
			}
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.MemberID, req.Generation = fmt.Sprint(n-1), j.MemberID, j.Generation
			b.ReportAllocs()
			for b.Loop() {
				if code := c.HandleHeartbeat(req).ErrorCode; code != 0 {
					b.Fatal(code)
				}
			}
			c.Stop()
			c.Wait()
		})
	}
}
