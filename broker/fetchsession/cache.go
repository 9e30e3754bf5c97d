package fetchsession

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// Session epochs that are no epochs (KIP-227).
const (
	epochNew  = 0  // asks for a session to begin
	epochNone = -1 // asks for none
)

// idVersion is the first version of Fetch that names topics by id.
const idVersion = 13

// maxBytes is what all sessions may keep together, counted as partitionBytes and
// the topic's name for each partition.
const (
	maxBytes       = 64 << 20
	partitionBytes = 250
)

// eviction is how old a session is at least, or how long unused, before another
// one takes its place (Kafka's MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS, which
// cannot be set).
const eviction = 2 * time.Minute

// Cache is the sessions of a broker.
type Cache struct {
	slots int // max.incremental.fetch.session.cache.slots
	e     env.Env
	lab   *env.Lab
	rand  *env.Rand

	mu       env.Mutex
	sessions map[int32]*session
	bytes    int // of all sessions
}

// New returns an empty cache for so many sessions. The ids of its sessions are not those of the
// process before this one, whose clients must not come upon sessions of others.
func New(e env.Env, slots int) *Cache {
	return &Cache{slots: slots, e: e, lab: e.Lab(), rand: e.Rand("fetch-session", fmt.Sprint("since ", e.Now())), mu: e.NewMutex(), sessions: map[int32]*session{}}
}

// Usage is how many sessions there are, and how many bytes they keep.
func (c *Cache) Usage() (sessions, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions), c.bytes
}

// Turn is one fetch.
type Turn struct {
	// Request is the fetch with all of its partitions. It must not be changed.
	Request *kmsg.FetchRequest

	c        *Cache
	s        *session // nil for none
	epoch    int32    // that the session has during this turn
	begins   bool     // asks for a session
	follower bool
	full     kmsg.FetchRequest // what Request points at in a session
	memory   memory
}

// Release lets go of all but the memory for the next turn.
func (t *Turn) Release() {
	clear(t.memory.topics)
	clear(t.memory.partitions)
	*t = Turn{memory: t.memory}
}

// Open begins the turn that a request is, and returns the error to answer it
// with, 0 for none. t is overwritten, but for its memory.
func (c *Cache) Open(t *Turn, req *kmsg.FetchRequest, follower bool) int16 {
	*t = Turn{Request: req, c: c, follower: follower, memory: t.memory}
	if req.Version < 7 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.SessionEpoch == epochNew || req.SessionEpoch == epochNone {
		if s := c.sessions[req.SessionID]; s != nil {
			c.remove(s)
		}
		t.begins = req.SessionEpoch == epochNew
		return 0
	}
	s := c.sessions[req.SessionID]
	switch {
	case s == nil:
		return kerr.FetchSessionIDNotFound.Code
	case s.epoch != req.SessionEpoch:
		return kerr.InvalidFetchSessionEpoch.Code
	case s.byID != (req.Version >= idVersion):
		return kerr.FetchSessionTopicIDError.Code
	// Room may have been made for somebody else's session at any time.
	case c.lab.Rare("fetchsession/evicted"):
		c.remove(s)
		return kerr.FetchSessionIDNotFound.Code
	}
	before := s.bytes
	s.update(req)
	c.bytes += s.bytes - before
	switch {
	case len(s.order) == 0:
		c.remove(s) // and the answer, in full, is an empty one
		return 0
	case c.bytes > maxBytes:
		c.remove(s)
		return kerr.FetchSessionIDNotFound.Code
	}
	s.used = c.e.Now()
	s.epoch = epochAfter(s.epoch)
	t.s, t.epoch = s, s.epoch
	t.full = *req
	t.full.Topics = s.topics(&t.memory)
	t.Request = &t.full
	return 0
}

func epochAfter(epoch int32) int32 {
	if epoch == math.MaxInt32 {
		return 1
	}
	return epoch + 1
}

// Settle makes of the full answer to the turn's request, with the partitions in
// its order, the answer that is sent.
func (t *Turn) Settle(resp *kmsg.FetchResponse) {
	switch {
	case t.s != nil:
		t.c.mu.Lock()
		defer t.c.mu.Unlock()
		if t.s.epoch != t.epoch {
			// The client gave this fetch up and has sent another one meanwhile.
			*resp = kmsg.FetchResponse{Version: resp.Version, ErrorCode: kerr.InvalidFetchSessionEpoch.Code}
			return
		}
		resp.SessionID = t.s.id
		t.s.settle(resp)
	case t.begins:
		resp.SessionID = t.c.begin(t.Request, resp, t.follower)
	}
}

// begin makes a session of a fetch that was answered in full. It returns 0 if
// there is no room for one.
func (c *Cache) begin(req *kmsg.FetchRequest, resp *kmsg.FetchResponse, follower bool) int32 {
	s := newSession(req, resp)
	if s == nil {
		return 0
	}
	now := c.e.Now()
	s.began, s.used, s.follower, s.epoch = now, now, follower, 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes+s.bytes > maxBytes || len(c.sessions) >= c.slots && !c.makeRoom(s) {
		return 0
	}
	for s.id == 0 || c.sessions[s.id] != nil {
		s.id = int32(c.rand.Int64n(math.MaxInt32)) + 1
	}
	c.sessions[s.id] = s
	c.bytes += s.bytes
	return s.id
}

// makeRoom removes one session for a new one, if one may go for it. mu is held.
func (c *Cache) makeRoom(s *session) bool {
	if len(c.sessions) == 0 {
		return false
	}
	now := s.began
	all := make([]*session, 0, len(c.sessions))
	for _, id := range env.SortedKeys(c.sessions) {
		all = append(all, c.sessions[id])
	}
	oldest := slices.MinFunc(all, func(a, b *session) int { return cmp.Compare(a.used, b.used) })
	if now-oldest.used > eviction {
		c.remove(oldest)
		return true
	}
	var least *session
	for _, old := range all {
		yields := now-old.began > eviction || s.follower && !old.follower
		if yields && (least == nil || old.worth(least) < 0) {
			least = old
		}
	}
	if least == nil || least.worth(s) >= 0 {
		return false
	}
	c.remove(least)
	return true
}

// remove ends a session. A turn of it that is under way is answered all the
// same. mu is held.
func (c *Cache) remove(s *session) {
	delete(c.sessions, s.id)
	c.bytes -= s.bytes
}
