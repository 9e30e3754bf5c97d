package share

import (
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
)

// Session epochs that are no epochs (KIP-932).
const (
	EpochNew   int32 = 0  // opens a session
	EpochFinal int32 = -1 // closes it
)

// maxSessionPartitions is how many partitions all sessions may have together: some 32
// MiB.
const maxSessionPartitions = 250_000

// TopicPartition is a partition as share sessions name it.
type TopicPartition struct {
	Topic     metadata.TopicID
	Partition int32
}

// Conn is the sessions that were opened on a connection, and end with it.
type Conn struct {
	ls    *Leaders
	opens []*session
}

// Connect is for a connection on which no session has been opened.
func (ls *Leaders) Connect() *Conn { return &Conn{ls: ls} }

// Ended closes the sessions of a connection that is over (protocol.Attachment).
func (c *Conn) Ended() {
	c.ls.mu.Lock()
	defer c.ls.mu.Unlock()
	for _, s := range c.opens {
		if !s.closed {
			c.ls.close(s)
		}
	}
	c.opens = nil
}

// session is what one member fetches from this broker.
type session struct {
	group, member string
	epoch         int32 // of the request that comes next
	closed        bool
	order         []TopicPartition
	has           map[TopicPartition]bool
}

type member struct{ group, id string }

// sessions are all of a broker. The lock of Leaders guards them.
type sessions struct {
	limit      int
	all        map[member]*session
	ofGroup    map[string]int
	partitions int
}

func newSessions(limit int) sessions {
	return sessions{limit: limit, all: map[member]*session{}, ofGroup: map[string]int{}}
}

// Fetching is a request of a session: what it adds to the partitions that the member
// fetches, and what it takes away.
type Fetching struct {
	Group, Member string
	Epoch         int32
	Add, Forget   []TopicPartition
}

// Open takes a fetch of a session and returns the partitions to fetch from, those first
// whose turn it is, or an error code. A final one fetches nothing; the session is closed
// by Close once the request's acknowledgements are done.
func (ls *Leaders) Open(c *Conn, f Fetching) ([]TopicPartition, int16) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	all := &ls.sessions
	if f.Epoch == EpochNew {
		if s := all.all[member{f.Group, f.Member}]; s != nil {
			all.forget(s) // what it holds times out, unless the member acknowledges it
		}
		if len(all.all) >= all.limit || all.partitions+len(f.Add) > maxSessionPartitions {
			return nil, kerr.ShareSessionLimitReached.Code
		}
		s := &session{group: strings.Clone(f.Group), member: strings.Clone(f.Member), epoch: 1, has: map[TopicPartition]bool{}}
		all.all[member{s.group, s.member}] = s
		all.ofGroup[s.group]++
		all.update(s, f)
		c.opens = append(slices.DeleteFunc(c.opens, func(s *session) bool { return s.closed }), s)
		return slices.Clone(s.order), 0
	}
	s, code := all.find(f.Group, f.Member, f.Epoch)
	if code != 0 || f.Epoch == EpochFinal {
		return nil, code
	}
	all.update(s, f)
	if all.partitions > maxSessionPartitions {
		ls.close(s)
		return nil, kerr.ShareSessionNotFound.Code
	}
	n := len(s.order)
	if n == 0 {
		return nil, 0
	}
	turn := int(f.Epoch) % n
	return slices.Concat(s.order[turn:], s.order[:turn]), 0
}

// Acknowledging takes a request of a session that only acknowledges, and returns an
// error code.
func (ls *Leaders) Acknowledging(group, member string, epoch int32) int16 {
	if epoch == EpochNew {
		return kerr.InvalidShareSessionEpoch.Code
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	_, code := ls.sessions.find(group, member, epoch)
	return code
}

// find is a member's session, whose next request is to have the next epoch.
func (all *sessions) find(group, id string, epoch int32) (*session, int16) {
	s := all.all[member{group, id}]
	switch {
	case s == nil:
		return nil, kerr.ShareSessionNotFound.Code
	case epoch == EpochFinal:
		return s, 0
	case s.epoch != epoch:
		return nil, kerr.InvalidShareSessionEpoch.Code
	}
	if s.epoch == math.MaxInt32 {
		s.epoch = 0
	}
	s.epoch++
	return s, 0
}

func (all *sessions) update(s *session, f Fetching) {
	all.partitions -= len(s.order)
	for _, p := range f.Add {
		if !s.has[p] {
			s.has[p] = true
			s.order = append(s.order, p)
		}
	}
	for _, p := range f.Forget {
		delete(s.has, p)
	}
	s.order = slices.DeleteFunc(s.order, func(p TopicPartition) bool { return !s.has[p] })
	all.partitions += len(s.order)
}

// forget takes a session out.
func (all *sessions) forget(s *session) {
	s.closed = true
	delete(all.all, member{s.group, s.member})
	all.partitions -= len(s.order)
	if all.ofGroup[s.group]--; all.ofGroup[s.group] == 0 {
		delete(all.ofGroup, s.group)
	}
}

// Close closes a member's session: what the member holds is available again.
func (ls *Leaders) Close(group, id string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if s := ls.sessions.all[member{group, id}]; s != nil {
		ls.close(s)
	}
}

// close takes a session out and, in a task of its own, everything from its member. A
// group's last session takes its leaders along. mu is held.
func (ls *Leaders) close(s *session) {
	ls.sessions.forget(s)
	ls.begin("share: release", func() {
		for _, l := range ls.some(func(l *Leader) bool { return l.key.Group == s.group }) {
			if s.has[TopicPartition{l.key.Topic, l.key.Partition}] {
				l.Release(s.member)
			}
			if !ls.hasSessions(s.group) {
				l.retire()
				ls.drop(l, kerr.NotLeaderForPartition.Code)
			}
		}
	})
}

func (ls *Leaders) hasSessions(group string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.sessions.ofGroup[group] > 0
}
