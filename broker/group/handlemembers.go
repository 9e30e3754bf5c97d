package group

import (
	"encoding/hex"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxWaitMillis bounds the timeouts that a member may ask for.
const maxWaitMillis = 1<<31 - 1

// HandleJoinGroup answers JoinGroup: it blocks until the next generation
// begins. clientID and clientHost are what DescribeGroups will show.
func (c *Coordinator) HandleJoinGroup(req *kmsg.JoinGroupRequest, clientID, clientHost string) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = req.Version
	resp.Generation = -1
	resp.MemberID = req.MemberID
	if req.Version < 7 {
		resp.Protocol = new(string) // null only from v7 on
	}
	s, code := c.find(req.Group)
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	in := Join{
		MemberID:          req.MemberID,
		InstanceID:        text(req.InstanceID),
		ClientID:          clientID,
		ClientHost:        clientHost,
		SessionTimeout:    millis(req.SessionTimeoutMillis),
		RebalanceTimeout:  millis(req.RebalanceTimeoutMillis),
		ProtocolType:      req.ProtocolType,
		RequireMemberID:   req.Version >= 4,
		CanSkipAssignment: req.Version >= 9,
	}
	if req.Version < 1 || req.RebalanceTimeoutMillis <= 0 {
		in.RebalanceTimeout = in.SessionTimeout
	}
	for i := range req.Protocols {
		in.Protocols = append(in.Protocols, Protocol{Name: req.Protocols[i].Name, Metadata: req.Protocols[i].Metadata})
	}
	// Only a newcomer makes a group come into being.
	out, code := s.ask(req.Group, req.MemberID == "", func(ref Ref) Input {
		in.Ref = ref
		prefix := clientID
		if in.InstanceID != "" {
			prefix = in.InstanceID
		}
		in.NewMemberID = s.newMemberID(prefix)
		return in
	})
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	j := out.(Joined)
	resp.ErrorCode, resp.Generation, resp.MemberID = j.Code, j.Generation, j.MemberID
	resp.LeaderID, resp.SkipAssignment = j.Leader, j.SkipAssignment
	if j.Code == 0 {
		resp.ProtocolType, resp.Protocol = &j.ProtocolType, &j.Protocol
	}
	for _, m := range j.Members {
		member := kmsg.NewJoinGroupResponseMember()
		member.MemberID, member.ProtocolMetadata = m.ID, m.Metadata
		if m.InstanceID != "" {
			member.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		resp.Members = append(resp.Members, member)
	}
	return resp
}

// newMemberID makes a name that no other member ever has. mu is held.
func (s *shard) newMemberID(prefix string) string {
	var id [16]byte
	_, _ = s.ids.Read(id[:])
	return prefix + "-" + hex.EncodeToString(id[:])
}

// HandleSyncGroup answers SyncGroup: it blocks until the leader's assignment
// is in the log.
func (c *Coordinator) HandleSyncGroup(req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version = req.Version
	s, code := c.find(req.Group)
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	in := Sync{
		MemberID: req.MemberID, InstanceID: text(req.InstanceID), Generation: req.Generation,
		ProtocolType: text(req.ProtocolType), Protocol: text(req.Protocol),
		Assignments: make(map[string][]byte, len(req.GroupAssignment)),
	}
	for i := range req.GroupAssignment {
		in.Assignments[req.GroupAssignment[i].MemberID] = req.GroupAssignment[i].MemberAssignment
	}
	out, code := s.ask(req.Group, false, func(ref Ref) Input { in.Ref = ref; return in })
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	y := out.(Synced)
	resp.ErrorCode, resp.MemberAssignment = y.Code, y.Assignment
	if y.Code == 0 {
		resp.ProtocolType, resp.Protocol = &y.ProtocolType, &y.Protocol
	}
	return resp
}

// HandleHeartbeat answers Heartbeat.
func (c *Coordinator) HandleHeartbeat(req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.Version = req.Version
	s, code := c.find(req.Group)
	if code == 0 {
		code = s.done(req.Group, func(ref Ref) Input {
			return Heartbeat{Ref: ref, MemberID: req.MemberID, InstanceID: text(req.InstanceID), Generation: req.Generation}
		})
	}
	resp.ErrorCode = code
	return resp
}

// HandleLeaveGroup answers LeaveGroup.
func (c *Coordinator) HandleLeaveGroup(req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	s, code := c.find(req.Group)
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	if req.Version < 3 {
		resp.ErrorCode = s.done(req.Group, func(ref Ref) Input { return Leave{Ref: ref, MemberID: req.MemberID} })
		return resp
	}
	for i := range req.Members {
		m := &req.Members[i]
		out := kmsg.NewLeaveGroupResponseMember()
		out.MemberID, out.InstanceID = m.MemberID, m.InstanceID
		out.ErrorCode = s.done(req.Group, func(ref Ref) Input {
			return Leave{Ref: ref, MemberID: m.MemberID, InstanceID: text(m.InstanceID)}
		})
		switch out.ErrorCode {
		case kerr.NotCoordinator.Code, kerr.CoordinatorLoadInProgress.Code:
			resp.ErrorCode = out.ErrorCode
			resp.Members = nil
			return resp
		}
		resp.Members = append(resp.Members, out)
	}
	return resp
}

// done asks for something that is answered by a code alone.
func (s *shard) done(group string, input func(ref Ref) Input) int16 {
	out, code := s.ask(group, false, input)
	if code != 0 {
		return code
	}
	return out.(Done).Code
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func millis(ms int32) time.Duration {
	return time.Duration(min(max(ms, 0), maxWaitMillis)) * time.Millisecond
}
