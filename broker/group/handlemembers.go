package group

import (
	"bytes"
	"encoding/hex"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// maxWaitMillis bounds the timeouts that a member may ask for.
const maxWaitMillis = 1<<31 - 1

// HandleJoinGroup answers JoinGroup: it blocks until the next generation
// begins. clientID and remote, the peer's "host:port", are what DescribeGroups
// will show.
func (c *Coordinator) HandleJoinGroup(req *kmsg.JoinGroupRequest, clientID, remote string) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = req.Version
	resp.Generation = -1
	resp.MemberID = req.MemberID
	if req.Version < 7 {
		resp.Protocol = new(string) // null only from v7 on
	}
	in := Join{
		MemberID:          req.MemberID,
		InstanceID:        text(req.InstanceID),
		ClientID:          clientID,
		ClientHost:        hostOf(remote),
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
		// What is kept must not keep the rest of the request.
		in.Protocols = append(in.Protocols, Protocol{Name: req.Protocols[i].Name, Metadata: bytes.Clone(req.Protocols[i].Metadata)})
	}
	out, code := c.do(kmsg.JoinGroup, req.Group, func(m *machine, at at, ref Ref) turn {
		in.Ref = ref
		prefix := clientID
		if in.InstanceID != "" {
			prefix = in.InstanceID
		}
		in.NewMemberID = newMemberID(prefix, at.Rand)
		// Only a newcomer makes a group come into being.
		return m.request(at, ref, req.Group, req.MemberID == "", in)
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

// newMemberID makes a name that no other member ever has: as in Kafka, the
// client's and a random UUID.
func newMemberID(prefix string, r *env.Rand) string { return prefix + "-" + randomUUID(r) }

// randomUUID is one of version 4 (RFC 9562).
func randomUUID(r *env.Rand) string {
	var id [16]byte
	_, _ = r.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// HandleSyncGroup answers SyncGroup: it blocks until the leader's assignment
// is in the log.
func (c *Coordinator) HandleSyncGroup(req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version = req.Version
	in := Sync{
		MemberID: req.MemberID, InstanceID: text(req.InstanceID), Generation: req.Generation,
		ProtocolType: text(req.ProtocolType), Protocol: text(req.Protocol),
		Assignments: make(map[string][]byte, len(req.GroupAssignment)),
	}
	for i := range req.GroupAssignment {
		in.Assignments[req.GroupAssignment[i].MemberID] = bytes.Clone(req.GroupAssignment[i].MemberAssignment)
	}
	out, code := c.do(kmsg.SyncGroup, req.Group, func(m *machine, at at, ref Ref) turn {
		in.Ref = ref
		return m.request(at, ref, req.Group, false, in)
	})
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
	_, resp.ErrorCode = c.do(kmsg.Heartbeat, req.Group, func(m *machine, at at, ref Ref) turn {
		return m.request(at, ref, req.Group, false,
			Heartbeat{Ref: ref, MemberID: req.MemberID, InstanceID: text(req.InstanceID), Generation: req.Generation})
	})
	return resp
}

// HandleLeaveGroup answers LeaveGroup. Before v3 it names one member.
func (c *Coordinator) HandleLeaveGroup(req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	var leavers []Leaver
	if req.Version < 3 {
		leavers = []Leaver{{MemberID: req.MemberID}}
	} else {
		for i := range req.Members {
			leavers = append(leavers, Leaver{MemberID: req.Members[i].MemberID, InstanceID: text(req.Members[i].InstanceID)})
		}
	}
	out, code := c.do(kmsg.LeaveGroup, req.Group, func(m *machine, at at, ref Ref) turn {
		return m.request(at, ref, req.Group, false, Leave{Ref: ref, Members: leavers})
	})
	if code != 0 {
		resp.ErrorCode = code
		return resp
	}
	left := out.(Left)
	if req.Version < 3 {
		resp.ErrorCode = left.Codes[0]
		return resp
	}
	for i, code := range left.Codes {
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID, m.ErrorCode = req.Members[i].MemberID, req.Members[i].InstanceID, code
		resp.Members = append(resp.Members, m)
	}
	return resp
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
