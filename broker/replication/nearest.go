package replication

import (
	"cmp"
	"slices"
)

// Nearest is the follower that a consumer in the rack should read from at
// offset, -1 for the leader itself (KIP-392, Kafka's RackAwareReplicaSelector):
// if the leader is in another rack, the replica in the consumer's that is
// furthest and in sync. One that is not in sync would hold the consumer up, and
// the leader would send it there again.
func (s *State) Nearest(rack string, offset int64) int32 {
	if s.role != RoleLeader || rack == "" || rack == s.rack {
		return -1
	}
	var best *progress
	for i := range s.followers {
		p := &s.followers[i]
		if p.rack != rack || !p.active || !slices.Contains(s.isr, p.id) || offset > p.end || offset < p.start {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(p.end, best.end), cmp.Compare(p.caughtUpAt, best.caughtUpAt)) > 0 {
			best = p
		}
	}
	if best == nil {
		return -1
	}
	return best.id
}

// Tell takes the follower to be told the high watermark, and reports whether it
// should be told now: one that consumers may be sent to does not learn only with
// the next records that those before them are committed.
func (s *State) Tell(follower int32) bool {
	p := s.follower(follower)
	if p == nil || p.told >= s.hw || p.rack == "" || p.rack == s.rack {
		return false
	}
	p.told = s.hw
	return true
}
