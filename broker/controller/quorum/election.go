package quorum

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

func (c *Core) onRequest(token uint64, m Message) {
	if code := c.refuse(m); code != 0 {
		c.reply(token, m, Message{Err: code})
		return
	}
	switch m.Kind {
	case VoteRequest:
		c.onVote(token, m)
	case BeginRequest:
		c.onBegin(token, m)
	case EndRequest:
		c.onEnd(token, m)
	case FetchRequest:
		c.onFetch(token, m)
	case FetchSnapshotRequest:
		c.onFetchSnapshot(token, m)
	}
}

func (c *Core) onVote(token uint64, m Message) {
	if m.PreVote && m.Epoch > c.hard.Epoch {
		c.becomeUnattached(m.Epoch)
	}
	upToDate := m.LastEpoch > c.epochs.last() || m.LastEpoch == c.epochs.last() && m.Offset >= c.end
	if !upToDate && planted.Is("vote-for-anyone") {
		upToDate = true
	}
	var grant bool
	switch {
	case m.PreVote:
		// A follower that hears its leader would make the election fail, and
		// says so before anyone raises the epoch (KIP-996).
		grant = upToDate && c.role != Leader && (c.role != Follower || !c.heard)
	case m.Epoch > c.hard.Epoch:
		if grant = upToDate; grant {
			c.becomeVoted(m.Epoch, m.From)
		} else {
			c.becomeUnattached(m.Epoch)
		}
	case c.hard.VotedFor == m.From:
		// The first request may have been a stranger's, about another log.
		grant = upToDate
	case c.hard.Leader == None && (c.hard.VotedFor == None || planted.Is("vote-twice")):
		if grant = upToDate; grant {
			c.becomeVoted(m.Epoch, m.From)
		}
	}
	if grant && !m.PreVote && c.fetchID == 0 {
		// The new leader will be in touch; asking around would be noise.
		c.fetchAt = c.now + c.cfg.FetchMaxWait
	}
	c.reply(token, m, Message{Granted: grant})
}

// becomeProspective asks whether an election could be won. A node that has a
// leader keeps fetching from it: it may have been slow, not dead.
func (c *Core) becomeProspective() {
	fetchID, fetchTo, fetchAt, download := c.fetchID, c.fetchTo, c.fetchAt, c.download
	if c.role != Prospective {
		c.setRole(Prospective)
		c.fetchID, c.fetchTo, c.fetchAt, c.download = fetchID, fetchTo, fetchAt, download
		if c.fetchID == 0 && c.fetchAt == never && c.flushed == c.end {
			c.fetchAt = c.now
		}
	}
	c.electionAt = c.now + c.electionDelay()
	c.startVoting()
}

func (c *Core) becomeCandidate() {
	if c.hard.Epoch >= MaxEpoch {
		c.emit(Violation{fmt.Sprintf("no epoch is left after %d: the metadata quorum must be formatted anew", c.hard.Epoch)})
		return
	}
	c.persist(HardState{Epoch: c.hard.Epoch + 1, Leader: None, VotedFor: c.cfg.ID})
	c.setRole(Candidate)
	c.electionAt = c.now + c.electionDelay()
	c.startVoting()
}

func (c *Core) startVoting() {
	c.votes = map[int32]bool{c.cfg.ID: true}
	c.revote = map[int32]time.Duration{}
	if c.countVotes() {
		return
	}
	for _, id := range c.cfg.Voters {
		if id != c.cfg.ID {
			c.sendVote(id)
		}
	}
}

func (c *Core) sendVote(to int32) {
	c.send(Message{Kind: VoteRequest, To: to, Epoch: c.hard.Epoch, Leader: None,
		PreVote: c.role == Prospective, LastEpoch: c.epochs.last(), Offset: c.end})
}

func (c *Core) sendRevotes() {
	for _, id := range env.SortedKeys(c.revote) {
		if c.now >= c.revote[id] {
			delete(c.revote, id)
			c.sendVote(id)
		}
	}
}

func (c *Core) onVoteResponse(m Message) {
	if c.adopt(m.Epoch, m.Leader) || m.Epoch > c.hard.Epoch {
		return
	}
	if m.Epoch < c.hard.Epoch && m.Err == 0 {
		return
	}
	if m.PreVote != (c.role == Prospective) || !m.PreVote && c.role != Candidate {
		return
	}
	if m.Err != 0 {
		if c.revote != nil {
			c.revote[m.From] = c.now + c.cfg.RetryBackoff
		}
		return
	}
	c.votes[m.From] = m.Granted
	c.countVotes()
}

// countVotes acts on a decided election and reports whether it was won.
func (c *Core) countVotes() bool {
	yes, no := 0, 0
	for _, id := range c.cfg.Voters {
		if granted, answered := c.votes[id]; !answered {
			continue
		} else if granted {
			yes++
		} else {
			no++
		}
	}
	switch {
	case yes >= c.majority() && c.role == Prospective:
		c.becomeCandidate()
		return true
	case yes >= c.majority():
		c.becomeLeader()
		return true
	case no > len(c.cfg.Voters)-c.majority():
		// Lost. The winner, if there is one, will be heard of before this.
		c.revote = nil
		c.electionAt = min(c.electionAt, c.now+c.rand.Between(c.cfg.RetryBackoff, max(c.cfg.RetryBackoff, c.cfg.ElectionTimeout/2)))
	}
	return false
}

func (c *Core) onBegin(token uint64, m Message) {
	c.adopt(m.Epoch, m.From)
	c.reply(token, m, Message{})
}

func (c *Core) onEnd(token uint64, m Message) {
	c.adopt(m.Epoch, m.From)
	if c.role == Follower && c.hard.Leader == m.From && c.voter {
		// Each waits for those preferred to it, so that they do not split the vote.
		wait := c.electionDelay()
		for i, id := range m.Successors {
			if id == c.cfg.ID {
				wait = min(wait, time.Duration(i)*2*c.cfg.RetryBackoff)
			}
		}
		c.leaderGone(wait)
	}
	c.reply(token, m, Message{})
}

// leaderGone says that the leader followed does not lead any more: from now on
// others may be elected, and after wait this node stands itself.
func (c *Core) leaderGone(wait time.Duration) {
	c.heard = false
	c.leaderLostAt = min(c.leaderLostAt, c.now+wait)
}

func (c *Core) onSendFailed(m Message) {
	switch m.Kind {
	case VoteRequest:
		if m.Epoch == c.hard.Epoch && c.revote != nil && m.PreVote == (c.role == Prospective) {
			c.revote[m.To] = c.now + c.cfg.RetryBackoff
		}
	case FetchRequest, FetchSnapshotRequest:
		if m.ID == c.fetchID {
			c.fetchID = 0
			c.retryFetch()
		}
	}
	// BeginQuorumEpoch repeats by itself, EndQuorumEpoch is a courtesy.
}

func (c *Core) onResponse(m Message) {
	switch m.Kind {
	case VoteResponse:
		c.onVoteResponse(m)
	case FetchResponse:
		c.onFetchResponse(m)
	case FetchSnapshotResponse:
		c.onFetchSnapshotResponse(m)
	default:
		c.adopt(m.Epoch, m.Leader)
	}
}
