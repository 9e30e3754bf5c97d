package quorum

import (
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// never is later than any time.
const never = time.Duration(1<<63 - 1)

// Core is one node of the quorum. It is not safe for concurrent use.
type Core struct {
	cfg   Config
	voter bool
	rand  *env.Rand
	now   time.Duration
	out   []Output

	role   Role
	hard   HardState
	nextID uint64

	// The local log.
	end     int64 // offset of the next record
	flushed int64 // everything below is durable
	epochs  epochs
	hw      int64
	// The log begins at the end of the snapshot base; snapshot is the newest.
	base, snapshot SnapshotID

	// Unattached, Prospective, Candidate and Resigned: when to try next.
	electionAt time.Duration
	// Prospective and Candidate: the answers so far, own included.
	votes map[int32]bool
	// Prospective and Candidate: requests to send again.
	revote map[int32]time.Duration

	// Everyone but a leader: the fetch that is under way, or when to send one.
	fetchID    uint64 // 0 if none
	fetchTo    int32
	fetchAt    time.Duration // never while waiting for a flush
	discoverAt int           // whom to ask next for the leader
	misses     int           // how many fetches in a row found no leader
	// Follower: when to give the leader up, and whether it ever answered. The
	// patience differs from node to node, lest all stand for election at once.
	leaderLostAt time.Duration
	patience     time.Duration
	heard        bool
	leaderHW     int64
	download     *download  // the snapshot to fetch before the log, nil for none
	installing   SnapshotID // what the driver installs, zero for none

	// Leader.
	epochStart int64 // offset of this epoch's LeaderChange
	peers      map[int32]*peer
	held       []heldFetch // in order of arrival
}

// peer is what a leader knows about another node.
type peer struct {
	voter     bool
	end       int64 // offset of its last fetch: it holds everything below
	fetchedAt time.Duration
	toldHW    int64
	// BeginQuorumEpoch is sent at beginAt unless the voter fetches before.
	beginAt time.Duration
}

// heldFetch is a fetch that found nothing new.
type heldFetch struct {
	token uint64
	msg   Message
	until time.Duration
}

// New makes a node from what its disk holds: the hard state and the log, all of
// it durable.
func New(cfg Config, hard HardState, log Stored, now time.Duration, rand *env.Rand) *Core {
	c := &Core{cfg: cfg, voter: slices.Contains(cfg.Voters, cfg.ID), rand: rand, now: now,
		hard: hard, end: log.End, flushed: log.End, epochs: epochs(slices.Clone(log.Epochs)).based(log.Base),
		base: log.Base, snapshot: log.Snapshot, hw: log.Snapshot.End,
		electionAt: never, fetchAt: never, leaderLostAt: never}
	if last := c.epochs.last(); last > hard.Epoch {
		// Records are written only after the epoch is, so the file was lost.
		// Any vote given in that epoch is lost too: abstain from it.
		c.hard = HardState{Epoch: last, Leader: None, VotedFor: cfg.ID}
	}
	switch {
	case c.voter && c.hard.Leader == cfg.ID:
		c.role = Resigned
		c.electionAt = now + c.electionDelay()
		c.fetchAt = now
		if planted.Is("resume-leadership") {
			c.resume()
		}
	case c.hard.Leader != None && c.hard.Leader != cfg.ID:
		c.role = Follower
		c.startFollowing()
	default:
		c.role = Unattached
		c.startWaiting()
	}
	if len(cfg.Voters) == 1 && c.voter {
		c.electionAt = now
	}
	return c
}

// Step takes one input at time now, which never goes back, and says what is to
// be done. The slice is valid until the next Step.
func (c *Core) Step(now time.Duration, in Input) []Output {
	c.now = max(c.now, now)
	c.out = c.out[:0]
	switch in := in.(type) {
	case Tick:
	case Request:
		c.onRequest(in.Token, in.Msg)
	case Response:
		c.onResponse(in.Msg)
	case SendFailed:
		c.onSendFailed(in.Msg)
	case Propose:
		if c.role == Leader && in.Records > 0 {
			c.append(Batch{Base: c.end, Next: c.end + in.Records, Epoch: c.hard.Epoch, Data: in.Data})
		}
	case Flushed:
		c.onFlushed(in.End)
	case Snapshotted:
		c.onSnapshotted(in.ID)
	case Installed:
		c.onInstalled(in)
	case Resign:
		if c.role == Leader {
			c.resign()
		}
	case Stand:
		switch c.role {
		case Unattached, Resigned:
			c.electionAt = min(c.electionAt, c.now+in.After)
		case Follower:
			c.leaderGone(in.After)
		}
	}
	c.tick()
	return c.out
}

// Deadline is when the next Tick is due at the latest.
func (c *Core) Deadline() time.Duration {
	at := never
	switch c.role {
	case Leader:
		if len(c.cfg.Voters) > 1 {
			at = c.quorumLostAt()
		}
		for _, h := range c.held {
			at = min(at, h.until)
		}
		for _, id := range c.cfg.Voters {
			if p := c.peers[id]; p != nil {
				at = min(at, p.beginAt)
			}
		}
		return at
	case Follower:
		at = c.leaderLostAt
	default:
		at = c.electionAt
	}
	for _, id := range env.SortedKeys(c.revote) {
		at = min(at, c.revote[id])
	}
	if c.fetchID == 0 {
		at = min(at, c.fetchAt)
	}
	return at
}

// Role is what the node is doing.
func (c *Core) Role() Role { return c.role }

// State is the node's epoch, its leader and the node's vote.
func (c *Core) State() HardState { return c.hard }

// Leader is the leader of the present epoch, None if not known or resigned.
func (c *Core) Leader() int32 {
	if c.hard.Leader == c.cfg.ID && c.role != Leader {
		return None
	}
	return c.hard.Leader
}

// HighWatermark is the offset below which everything is known to be committed.
func (c *Core) HighWatermark() int64 { return c.hw }

// End is the offset of the next record.
func (c *Core) End() int64 { return c.end }

// EpochStartOffset is, on a leader, the offset of the record that began its epoch.
func (c *Core) EpochStartOffset() int64 { return c.epochStart }

// ReplicaProgress is what a leader knows of another node's log.
type ReplicaProgress struct {
	ID        int32
	Voter     bool
	End       int64         // -1 if it has not fetched yet
	FetchedAt time.Duration // time of the last fetch, negative if there was none
}

// Replicas are the nodes that a leader knows, itself excluded, by ascending id.
func (c *Core) Replicas() []ReplicaProgress {
	var out []ReplicaProgress
	if c.role != Leader {
		return nil
	}
	for _, id := range c.peerIDs() {
		p := c.peers[id]
		if !p.voter && c.now-p.fetchedAt > observerSilence {
			continue
		}
		out = append(out, ReplicaProgress{id, p.voter, p.end, p.fetchedAt})
	}
	return out
}

func (c *Core) peerIDs() []int32 { return env.SortedKeys(c.peers) }

func (c *Core) tick() {
	switch c.role {
	case Leader:
		c.tickLeader()
		return
	case Follower:
		if c.now >= c.leaderLostAt {
			if c.voter {
				c.becomeProspective()
			} else {
				// An observer asks the voters who leads now.
				c.hard.Leader = None
				c.setRole(Unattached)
				c.startWaiting()
			}
		}
	case Unattached, Resigned, Candidate, Prospective:
		if c.voter && c.now >= c.electionAt {
			c.becomeProspective()
		}
	}
	c.sendRevotes()
	if c.role != Leader && c.fetchID == 0 && c.now >= c.fetchAt {
		c.sendFetch()
	}
}

func (c *Core) emit(o Output) { c.out = append(c.out, o) }

func (c *Core) send(m Message) Message {
	c.nextID++
	m.From, m.ID = c.cfg.ID, c.nextID
	c.emit(Send{m})
	return m
}

// reply answers request m; answer needs only what the kind of answer adds.
func (c *Core) reply(token uint64, m, answer Message) {
	answer.Kind, answer.From, answer.To = m.Kind+1, c.cfg.ID, m.From
	answer.ID, answer.PreVote, answer.Offset = m.ID, m.PreVote, m.Offset
	if m.Kind == FetchSnapshotRequest {
		answer.Snapshot, answer.Position = m.Snapshot, m.Position
	}
	answer.Epoch, answer.Leader = c.hard.Epoch, c.Leader()
	readTo := answer.Offset // nothing
	if answer.Kind == FetchResponse && answer.Err == 0 && !answer.Diverging && answer.Snapshot.End == 0 {
		readTo = c.flushed
		if c.end > c.flushed && planted.Is("resume-leadership") {
			readTo = c.end
		}
	}
	c.emit(Reply{token, answer, readTo})
}

func (c *Core) electionDelay() time.Duration {
	return c.rand.Between(c.cfg.ElectionTimeout, 2*c.cfg.ElectionTimeout)
}

func (c *Core) majority() int { return len(c.cfg.Voters)/2 + 1 }

func (c *Core) persist(h HardState) {
	if h != c.hard {
		c.hard = h
		c.emit(Persist{h})
	}
}

// setRole changes role; what belongs to the old one is dropped.
func (c *Core) setRole(r Role) {
	was := c.role
	c.role = r
	if was == Leader {
		c.releaseHeld()
		c.peers = nil
	}
	c.votes, c.revote = nil, nil
	c.electionAt, c.leaderLostAt = never, never
	c.fetchID, c.fetchAt = 0, never
	c.download = nil
	c.heard, c.misses = false, 0
	c.emit(RoleChange{r, c.hard.Epoch, c.Leader()})
}

// becomeUnattached moves to an epoch without known leader.
func (c *Core) becomeUnattached(epoch int32) {
	c.becomeVoted(epoch, None)
}

// becomeVoted is becomeUnattached with a vote given in that epoch, or None.
func (c *Core) becomeVoted(epoch, votedFor int32) {
	c.persist(HardState{Epoch: epoch, Leader: None, VotedFor: votedFor})
	c.setRole(Unattached)
	c.startWaiting()
}

// startWaiting arms the timers of a node that knows no leader.
func (c *Core) startWaiting() {
	if c.voter {
		c.electionAt = c.now + c.electionDelay()
	}
	c.fetchAt = c.now
}

// adopt learns epoch and leader from a message, and reports whether the role
// changed.
func (c *Core) adopt(epoch, leader int32) bool {
	known := leader != c.cfg.ID && c.isVoter(leader)
	switch {
	case epoch < c.hard.Epoch || epoch > MaxEpoch:
		return false
	case epoch > c.hard.Epoch && known:
		c.persist(HardState{Epoch: epoch, Leader: leader, VotedFor: None})
	case epoch > c.hard.Epoch:
		c.becomeUnattached(epoch)
		return true
	case known && c.hard.Leader == None:
		c.persist(HardState{Epoch: epoch, Leader: leader, VotedFor: c.hard.VotedFor})
	case known && !c.mayLead(epoch, leader):
		c.contradiction(epoch, leader)
		return false
	case known && c.hard.Leader != leader:
		c.persist(HardState{Epoch: epoch, Leader: leader, VotedFor: c.hard.VotedFor})
	default:
		return false
	}
	c.setRole(Follower)
	c.startFollowing()
	return true
}
