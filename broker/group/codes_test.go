package group

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/storage"
)

// retried is what Kafka's Java clients answer to with another try, by request:
// the response handlers in AbstractCoordinator and ConsumerCoordinator, and for
// the administrative ones CoordinatorStrategy's callers in clients.admin.internals
// (4.3). Anything else ends a consumer with an exception.
var retried = map[kmsg.Key][]*kerr.Error{
	kmsg.JoinGroup:      {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.MemberIDRequired, kerr.RebalanceInProgress},
	kmsg.SyncGroup:      {kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress},
	kmsg.Heartbeat:      {kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress},
	kmsg.LeaveGroup:     {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator},
	kmsg.OffsetCommit:   {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.RebalanceInProgress},
	kmsg.OffsetFetch:    {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator},
	kmsg.DescribeGroups: {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator},
	kmsg.DeleteGroups:   {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator},
	kmsg.OffsetDelete:   {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator},
}

// groupAPIs ask each group API once, in groups "g" with a member and "empty"
// with offsets only, and return the code that the client sees first.
var groupAPIs = map[kmsg.Key]func(c *Coordinator, member string, generation int32) int16{
	kmsg.JoinGroup: func(c *Coordinator, _ string, _ int32) int16 {
		// A static member that comes back is the join that writes.
		req := joinReq("g", "")
		req.Version, req.InstanceID = 5, kmsg.StringPtr("i")
		return c.HandleJoinGroup(req, "client", "").ErrorCode
	},
	kmsg.SyncGroup: func(c *Coordinator, member string, generation int32) int16 {
		return syncAlone(c, "g", member, generation).ErrorCode
	},
	kmsg.Heartbeat: func(c *Coordinator, member string, generation int32) int16 {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation, req.InstanceID = "g", member, generation, kmsg.StringPtr("i")
		return c.HandleHeartbeat(req).ErrorCode
	},
	kmsg.LeaveGroup: func(c *Coordinator, member string, _ int32) int16 {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 3, "g"
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: member}}
		return c.HandleLeaveGroup(req).ErrorCode
	},
	kmsg.OffsetCommit: func(c *Coordinator, _ string, _ int32) int16 { return commitOffset(c, "empty", "", -1, 5) },
	kmsg.OffsetFetch: func(c *Coordinator, _ string, _ int32) int16 {
		_, code := fetchOffset(c, "g")
		return code
	},
	kmsg.DescribeGroups: func(c *Coordinator, _ string, _ int32) int16 {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{"g"}
		return c.HandleDescribeGroups(req).Groups[0].ErrorCode
	},
	kmsg.DeleteGroups: func(c *Coordinator, _ string, _ int32) int16 {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{"empty"}
		return c.HandleDeleteGroups(req).Groups[0].ErrorCode
	},
	kmsg.OffsetDelete: func(c *Coordinator, _ string, _ int32) int16 { return deleteOffsets(c, "empty", "t").ErrorCode },
}

func syncAlone(c *Coordinator, group, member string, generation int32) *kmsg.SyncGroupResponse {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, group, member, generation
	req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: member, MemberAssignment: []byte("all of it")}}
	return c.HandleSyncGroup(req)
}

// logErrors are what an append of a coordinator may meet.
var logErrors = []*kerr.Error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut,
	kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.KafkaStorageError}

// No trouble of the log, and no change of coordinator, is told to a client in
// words that end it.
func TestEveryErrorIsOneThatClientsTryAgainAfter(t *testing.T) {
	for api, ask := range groupAPIs {
		t.Run(kmsg.NameForKey(int16(api)), func(t *testing.T) {
			require.NotEmpty(t, retried[api])
			allowed := func(code int16, when string) {
				t.Helper()
				require.True(t, code == 0 || slices.Contains(retried[api], kerr.TypedErrorForCode(code)), "%s: %v", when, kerr.ErrorForCode(code))
			}
			for _, trouble := range logErrors {
				w := newWorld(t)
				c := newCoordinator(t, w)
				lead(t, c, w)
				join := joinReq("g", "")
				join.Version, join.InstanceID = 5, kmsg.StringPtr("i")
				j := c.HandleJoinGroup(join, "client", "")
				require.Zero(t, j.ErrorCode)
				if api == kmsg.JoinGroup {
					require.Zero(t, syncAlone(c, "g", j.MemberID, j.Generation).ErrorCode)
				}
				require.Zero(t, commitOffset(c, "empty", "", -1, 5))
				w.Refuse(trouble.Code)
				code := ask(c, j.MemberID, j.Generation)
				allowed(code, trouble.Message)
				switch api {
				case kmsg.Heartbeat, kmsg.DescribeGroups: // write nothing
				default:
					require.NotZero(t, code, "%s is told of", trouble.Message)
				}
			}

			w := newWorld(t)
			allowed(ask(newCoordinator(t, w), "m", 1), "no coordinator")
			none := newCoordinator(t, w)
			none.SetPartitions(0)
			allowed(ask(none, "m", 1), "no topic yet")
			c := newCoordinator(t, w)
			w.Hold(true)
			_, _ = w.Append(0, w.Elect(0), barrier(), storage.AppendOptions{})
			c.Lead(0, w.Elect(1))
			allowed(ask(c, "m", 1), "loading")
			w.Hold(false)
		})
	}
}

// Records that are in the log and not committed in time are told of in time,
// and in the same words.
func TestAnswersDoNotWaitForEver(t *testing.T) {
	for _, api := range []kmsg.Key{kmsg.SyncGroup, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.DeleteGroups, kmsg.OffsetDelete} {
		t.Run(kmsg.NameForKey(int16(api)), func(t *testing.T) {
			w := newWorld(t)
			c := newCoordinator(t, w, func(cfg *Config) { cfg.CommitTimeout = 20 * time.Millisecond })
			lead(t, c, w)
			j := c.HandleJoinGroup(joinReq("g", ""), "client", "")
			require.Zero(t, commitOffset(c, "empty", "", -1, 5))
			w.Hold(true)
			require.Equal(t, kerr.CoordinatorNotAvailable.Code, groupAPIs[api](c, j.MemberID, j.Generation))
			w.Hold(false)
		})
	}
}
