package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// noAuthorizedOperations says that they were not asked for.
const noAuthorizedOperations = -1 << 31

// HandleDescribeGroups answers DescribeGroups. A group that does not exist is
// Dead, as in Kafka, and from v6 on also GROUP_ID_NOT_FOUND.
func (c *Coordinator) HandleDescribeGroups(req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group = id
		out.AuthorizedOperations = noAuthorizedOperations
		s, code := c.find(id)
		if code == 0 {
			code = s.describe(&out, req.Version)
		}
		out.ErrorCode = code
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func (s *shard) describe(out *kmsg.DescribeGroupsResponseGroup, version int16) int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.usable(); code != 0 {
		return code
	}
	g := s.groups[out.Group]
	if g == nil {
		out.State = Dead.String()
		if version >= 6 {
			return kerr.GroupIDNotFound.Code
		}
		return 0
	}
	out.State, out.ProtocolType = g.State.String(), g.ProtocolType
	if g.State == Stable {
		out.Protocol = g.Protocol
	}
	for _, id := range g.memberIDs() {
		m := g.Members[id]
		member := kmsg.NewDescribeGroupsResponseGroupMember()
		member.MemberID, member.ClientID, member.ClientHost = m.ID, m.ClientID, m.ClientHost
		if m.InstanceID != "" {
			member.InstanceID = kmsg.StringPtr(m.InstanceID)
		}
		if g.State == Stable {
			member.ProtocolMetadata, member.MemberAssignment = m.metadata(g.Protocol), m.Assignment
		}
		out.Members = append(out.Members, member)
	}
	return 0
}

// HandleListGroups answers ListGroups with the groups this broker coordinates.
func (c *Coordinator) HandleListGroups(req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := kmsg.NewPtrListGroupsResponse()
	resp.Version = req.Version
	if len(req.TypesFilter) > 0 && !slices.Contains(req.TypesFilter, "classic") {
		return resp
	}
	for _, s := range c.all() {
		s.mu.Lock()
		if s.usable() == kerr.CoordinatorLoadInProgress.Code {
			resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		}
		for _, id := range env.SortedKeys(s.groups) {
			g := s.groups[id]
			if len(req.StatesFilter) > 0 && !slices.Contains(req.StatesFilter, g.State.String()) {
				continue
			}
			out := kmsg.NewListGroupsResponseGroup()
			out.Group, out.ProtocolType, out.GroupState, out.GroupType = id, g.ProtocolType, g.State.String(), "classic"
			resp.Groups = append(resp.Groups, out)
		}
		s.mu.Unlock()
	}
	return resp
}

// HandleDeleteGroups answers DeleteGroups: it blocks until the removal of each
// group is committed in the log. Only a group without members can go.
func (c *Coordinator) HandleDeleteGroups(req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = id
		s, code := c.find(id)
		if code == 0 {
			code = s.deleteGroup(id)
		}
		out.ErrorCode = code
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func (s *shard) deleteGroup(id string) int16 {
	s.mu.Lock()
	code := s.usable()
	g := s.groups[id]
	switch {
	case code != 0:
	case g == nil:
		code = kerr.GroupIDNotFound.Code
	case g.State != Empty || len(g.pending) > 0:
		code = kerr.NonEmptyGroup.Code
	case g.locked || g.commits > 0:
		code = kerr.CoordinatorLoadInProgress.Code
	}
	if code != 0 {
		s.mu.Unlock()
		return code
	}
	g.locked = true
	tps := sortedPartitions(g.Offsets)
	s.mu.Unlock()
	return s.remove(g, tps, true)
}
