package quorum

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

func (c *Core) becomeLeader() {
	c.persist(HardState{Epoch: c.hard.Epoch, Leader: c.cfg.ID, VotedFor: c.hard.VotedFor})
	c.setRole(Leader)
	c.peers = map[int32]*peer{}
	for _, id := range c.cfg.Voters {
		if id != c.cfg.ID {
			c.peers[id] = &peer{voter: true, end: -1, fetchedAt: -1, toldHW: -1, beginAt: c.now}
		}
	}
	c.held = nil
	c.epochStart = c.end
	c.electionAt = c.now // of this leader; check-quorum counts from here
	c.append(Batch{Base: c.end, Next: c.end + 1, Epoch: c.hard.Epoch, LeaderChange: true})
}

// quorumLostAt is when the last majority of voters, this one included, will
// have been silent for too long.
func (c *Core) quorumLostAt() time.Duration {
	var seen []time.Duration
	for _, id := range c.cfg.Voters {
		if p := c.peers[id]; p != nil {
			seen = append(seen, max(p.fetchedAt, c.electionAt))
		}
	}
	slices.SortFunc(seen, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	if at := seen[c.majority()-2] + c.cfg.FetchTimeout*3/2; at > c.now || !planted.Is("no-check-quorum") {
		return at
	}
	return never
}

func (c *Core) tickLeader() {
	if len(c.cfg.Voters) > 1 && c.now >= c.quorumLostAt() {
		c.resign()
		return
	}
	for _, id := range c.cfg.Voters {
		if p := c.peers[id]; p != nil && c.now >= p.beginAt {
			p.beginAt = c.now + c.cfg.FetchTimeout/2
			c.send(Message{Kind: BeginRequest, To: id, Epoch: c.hard.Epoch, Leader: c.cfg.ID})
		}
	}
	c.completeHeld()
}

// resign gives up leadership and says so to the others, the most complete logs
// first among the successors.
func (c *Core) resign() {
	var successors []int32
	for _, id := range c.cfg.Voters {
		if id != c.cfg.ID {
			successors = append(successors, id)
		}
	}
	slices.SortStableFunc(successors, func(a, b int32) int { return cmp.Compare(c.peers[b].end, c.peers[a].end) })
	c.setRole(Resigned)
	c.electionAt = c.now + c.electionDelay()
	c.fetchAt = c.now + c.cfg.RetryBackoff
	for _, id := range successors {
		c.send(Message{Kind: EndRequest, To: id, Epoch: c.hard.Epoch, Leader: c.cfg.ID, Successors: successors})
	}
}

// followed notes a request of a node that follows this leader. It answers those
// that are for another leader or epoch, and reports false.
func (c *Core) followed(token uint64, m Message) bool {
	switch {
	case m.Epoch < c.hard.Epoch:
		c.reply(token, m, Message{Err: kerr.FencedLeaderEpoch.Code})
		return false
	case m.Epoch > c.hard.Epoch:
		c.reply(token, m, Message{Err: kerr.UnknownLeaderEpoch.Code})
		return false
	case c.role != Leader:
		c.reply(token, m, Message{Err: kerr.NotLeaderForPartition.Code})
		return false
	}
	p := c.peers[m.From]
	if p == nil {
		p = c.observer(m.From)
	}
	p.fetchedAt = c.now
	if p.voter {
		p.beginAt = c.now + c.cfg.FetchTimeout
	}
	return true
}

func (c *Core) onFetch(token uint64, m Message) {
	if !c.followed(token, m) {
		return
	}
	p := c.peers[m.From]
	if c.beforeBeginning(m) {
		p.end = -1
		c.reply(token, m, Message{Snapshot: c.snapshot, HighWatermark: c.hw})
		return
	}
	if m.Offset > 0 {
		epoch, end := c.epochs.end(m.LastEpoch, c.end)
		if epoch != m.LastEpoch || end < m.Offset {
			// The offset speaks of another log: it must not count as replicated.
			p.end = -1
			c.reply(token, m, Message{Diverging: true, DivergeEpoch: epoch, DivergeEnd: end, HighWatermark: c.hw})
			return
		}
	}
	p.end = m.Offset
	if m.TellsHW { // the answer that told it more may have been lost
		p.toldHW = min(p.toldHW, m.HighWatermark)
	}
	c.dropHeld(m.From)
	c.held = append(c.held, heldFetch{token, m, c.now + min(m.MaxWait, c.cfg.FetchMaxWait)})
	c.advanceLeaderHW()
	c.completeHeld()
}

// advanceLeaderHW moves the high watermark to what a majority holds, once that
// includes the beginning of this epoch.
func (c *Core) advanceLeaderHW() {
	ends := make([]int64, 0, 8)
	for _, id := range c.cfg.Voters {
		if id == c.cfg.ID {
			ends = append(ends, c.flushed)
		} else {
			ends = append(ends, c.peers[id].end)
		}
	}
	slices.Sort(ends)
	if hw := ends[len(ends)-c.majority()]; hw > c.epochStart || hw > c.hw && planted.Is("commit-earlier-epochs") {
		c.raiseHW(hw)
	}
}

// completeHeld answers the fetches that have something to tell or waited long
// enough.
func (c *Core) completeHeld() {
	kept := c.held[:0]
	for _, h := range c.held {
		if p := c.peers[h.msg.From]; c.flushed > h.msg.Offset || c.hw > p.toldHW || c.now >= h.until {
			p.toldHW = c.hw
			c.reply(h.token, h.msg, Message{HighWatermark: c.hw})
			continue
		}
		kept = append(kept, h)
	}
	c.held = kept
}

// dropHeld answers an older fetch of a node that has sent a newer one.
func (c *Core) dropHeld(from int32) {
	for i, h := range c.held {
		if h.msg.From == from {
			c.held = slices.Delete(c.held, i, i+1)
			c.reply(h.token, h.msg, Message{HighWatermark: c.hw})
			return
		}
	}
}

// releaseHeld answers every held fetch when leadership ends.
func (c *Core) releaseHeld() {
	held := c.held
	c.held = nil
	for _, h := range held {
		c.reply(h.token, h.msg, Message{Err: kerr.NotLeaderForPartition.Code})
	}
}
