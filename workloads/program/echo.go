package program

import (
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// echoes are what a client was in earlier generations of its group. Now and then one
// speaks up again, as a thread does that was left behind or a request that somebody
// else has sent again: with a heartbeat or a commit that the coordinator must refuse,
// for the client has been given its part in a newer generation since (K9).
type echoes struct {
	oneIn int64
	rand  *env.Rand
	past  []echo // the oldest first
}

// echo is a member as it was, and where it had read to.
type echo struct {
	who       client.GroupMetadata
	positions []client.OffsetCommit
	at        time.Duration // when the client last was that member
}

// mostEchoes is how many earlier generations are remembered.
const mostEchoes = 8

// note takes down who the client is as it commits.
func (s *echoes) note(who client.GroupMetadata, positions []client.OffsetCommit, at time.Duration) {
	if s == nil || who.Generation <= 0 {
		return
	}
	now := echo{who, slices.Clone(positions), at}
	if n := len(s.past); n > 0 && s.past[n-1].who.MemberID == who.MemberID && s.past[n-1].who.Generation == who.Generation {
		s.past[n-1] = now
		return
	}
	s.past = append(s.past, now)
	s.past = s.past[max(0, len(s.past)-mostEchoes):]
}

// outlived lists the echoes of the client as the member that it is now, in earlier
// generations. Others may live on in the group until their session is over.
func (s *echoes) outlived(now client.GroupMetadata) (list []echo) {
	for _, e := range s.past {
		if e.who.MemberID == now.MemberID && e.who.Generation < now.Generation {
			list = append(list, e)
		}
	}
	return list
}

// echo has somebody whom the client has replaced speak up, if chance has it so.
func (r *consuming) echo() {
	s := r.echoes
	if s == nil || s.oneIn == 0 || !s.rand.Chance(1, s.oneIn) {
		return
	}
	now := r.k.GroupMetadata()
	if now.Generation <= 0 {
		return
	}
	list := s.outlived(now)
	if len(list) == 0 {
		return
	}
	e := list[s.rand.Intn(len(list))]
	if s.rand.Chance(1, 2) {
		r.commitBy(e.positions, func(timeout time.Duration) client.CommitResult { return r.c.CommitAs(e.who, e.positions, timeout) })
		return
	}
	asked := r.e.Now()
	broker, err := r.c.HeartbeatAs(e.who, r.p.Consumer.ConsumerProtocol, r.w.requestTimeout())
	if err != nil {
		return // refused, or nobody knows
	}
	if log, ok := r.w.rec.(assignments); ok {
		log.AddAssignment(linearizability.Assignment{Group: r.p.Group, Process: r.p.process(r.index, 0), Topic: r.p.Topic,
			Member: e.who.MemberID, Generation: e.who.Generation, Time: r.e.Now(), Asked: asked, Stale: true, Was: e.at, Broker: broker})
	}
}
