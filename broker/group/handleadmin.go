package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

const (
	// noAuthorizedOperations says that they were not asked for.
	noAuthorizedOperations = -1 << 31

	classicType  = "classic"
	consumerType = "consumer"
	shareType    = "share"
)

// HandleDescribeGroups answers DescribeGroups. A group that does not exist is
// Dead, as in Kafka, and from v6 on also GROUP_ID_NOT_FOUND.
func (c *Coordinator) HandleDescribeGroups(req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		found, missing := kmsg.NewDescribeGroupsResponseGroup(), " not found."
		_, code := c.do(kmsg.DescribeGroups, id, func(m *machine, _ at, ref Ref) turn {
			g := m.groups[id]
			if g == nil || g.consumer != nil {
				found.State = Dead.String()
				if g != nil {
					missing = " is not a classic group."
				}
				if req.Version >= 6 {
					return done(ref, kerr.GroupIDNotFound.Code)
				}
				return done(ref, 0)
			}
			g.describe(&found)
			t := done(ref, 0)
			t.After = g.recorded
			return t
		})
		out := kmsg.NewDescribeGroupsResponseGroup()
		if code == 0 || code == kerr.GroupIDNotFound.Code {
			out = found
		}
		if out.ErrorCode = code; code == kerr.GroupIDNotFound.Code {
			out.ErrorMessage = kmsg.StringPtr("Group " + id + missing)
		}
		out.Group, out.AuthorizedOperations = id, noAuthorizedOperations
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func (g *Group) describe(out *kmsg.DescribeGroupsResponseGroup) {
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
}

// HandleListGroups answers ListGroups with the groups this broker coordinates.
// While some are being loaded it says so, and lists the others.
func (c *Coordinator) HandleListGroups(req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := kmsg.NewPtrListGroupsResponse()
	resp.Version = req.Version
	wanted := func(filter []string, value string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, value) })
	}
	for _, p := range c.shards.Partitions() {
		var listed []kmsg.ListGroupsResponseGroup
		_, code := c.shards.Do(p, func(m *machine, _ at, ref Ref) turn {
			for _, id := range env.SortedKeys(m.groups) {
				g := m.groups[id]
				if !wanted(req.TypesFilter, g.typeName()) || !wanted(req.StatesFilter, g.stateName()) {
					continue
				}
				out := kmsg.NewListGroupsResponseGroup()
				out.Group, out.ProtocolType, out.GroupState, out.GroupType = id, g.ProtocolType, g.stateName(), g.typeName()
				switch {
				case g.shares():
					out.ProtocolType = shareType
				case g.consumer != nil:
					out.ProtocolType = consumerProtocol
				}
				listed = append(listed, out)
			}
			return done(ref, 0)
		})
		switch code {
		case 0:
			resp.Groups = append(resp.Groups, listed...)
		case kerr.CoordinatorLoadInProgress.Code:
			resp.ErrorCode = code
		}
	}
	return resp
}

// deleteGroup deletes a group, and before that what share coordinators have of it.
func (c *Coordinator) deleteGroup(id string) int16 {
	for {
		var first []*metadata.Topic
		_, code := c.do(kmsg.DeleteGroups, id, func(m *machine, at at, ref Ref) turn {
			if first = m.deleteShare(id); len(first) > 0 {
				return done(ref, 0)
			}
			return m.deleteGroup(at, ref, id)
		})
		if code != 0 || len(first) == 0 {
			return code
		}
		if code := c.deleteShareState(id, first); code != 0 {
			return code
		}
	}
}

// HandleDeleteGroups answers DeleteGroups: it blocks until the removal of each
// group is committed in the log. Only a group without members can go.
func (c *Coordinator) HandleDeleteGroups(req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = id
		out.ErrorCode = c.deleteGroup(id)
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
