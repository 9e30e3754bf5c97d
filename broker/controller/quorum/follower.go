package quorum

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// startFollowing arms the timers of a follower.
func (c *Core) startFollowing() {
	c.patience = c.cfg.FetchTimeout + c.rand.Between(0, c.cfg.ElectionTimeout/4)
	c.leaderLostAt = c.now + c.patience
	c.leaderHW = 0
	if c.flushed == c.end {
		c.fetchAt = c.now
	}
}

// sendFetch asks the leader for records, or anyone for the leader.
func (c *Core) sendFetch() {
	to := c.Leader()
	if to == None {
		to = c.someoneElse()
	}
	if to == None || c.flushed < c.end || c.installing.End > 0 {
		c.fetchAt = never // a flush, or the end of the installation, arms it again
		return
	}
	m := Message{Kind: FetchRequest, To: to, Epoch: c.hard.Epoch, Leader: c.Leader(),
		LastEpoch: c.epochs.last(), Offset: c.end, MaxWait: c.cfg.FetchMaxWait}
	if d := c.download; d != nil {
		m = Message{Kind: FetchSnapshotRequest, To: to, Epoch: c.hard.Epoch, Leader: c.Leader(), Snapshot: d.id, Position: d.position}
	}
	m = c.send(m)
	c.fetchID, c.fetchTo, c.fetchAt = m.ID, to, never
}

// retryFetch fetches again after a pause, which grows while no leader is found.
func (c *Core) retryFetch() {
	pause := c.cfg.RetryBackoff << min(c.misses, 10)
	c.fetchAt = c.now + min(pause, max(c.cfg.RetryBackoff, c.cfg.ElectionTimeout/2))
	c.misses++
}

// someoneElse goes round the other voters.
func (c *Core) someoneElse() int32 {
	for range c.cfg.Voters {
		id := c.cfg.Voters[c.discoverAt%len(c.cfg.Voters)]
		c.discoverAt++
		if id != c.cfg.ID {
			return id
		}
	}
	return None
}

// takeAnswer notes the answer to a fetch of either kind, and reports false if
// there is no more to it. The next fetch is due after a backoff.
func (c *Core) takeAnswer(m Message) bool {
	mine := m.ID == c.fetchID
	if mine {
		c.fetchID = 0
	}
	if c.adopt(m.Epoch, m.Leader) || !mine {
		return false
	}
	c.retryFetch()
	return true
}

func (c *Core) fromLeader(m Message) bool { return m.From == c.Leader() && m.Epoch == c.hard.Epoch }

// refusedFetch draws its conclusions from an error.
func (c *Core) refusedFetch(m Message) {
	if m.Err == kerr.NotLeaderForPartition.Code && c.fromLeader(m) && m.Leader == None && c.voter && c.role == Follower {
		// It restarted or resigned, and will not lead this epoch again.
		c.leaderGone(c.rand.Between(0, c.cfg.ElectionTimeout/2))
	}
}

// hear notes a sign of life of the leader.
func (c *Core) hear() {
	if c.role != Follower {
		c.setRole(Follower)
		c.startFollowing()
	}
	c.heard, c.misses = true, 0
	c.leaderLostAt = c.now + c.patience
	c.fetchAt = c.now + c.cfg.RetryBackoff
}

func (c *Core) onFetchResponse(m Message) {
	if !c.takeAnswer(m) {
		return
	}
	if m.Err != 0 {
		c.refusedFetch(m)
		return
	}
	if !c.fromLeader(m) || m.Offset != c.end || c.role == Resigned {
		return
	}
	c.hear()
	if m.Snapshot.End > 0 {
		c.beginDownload(m.Snapshot)
		return
	}
	if m.Diverging {
		c.diverge(m.DivergeEpoch, m.DivergeEnd)
		return
	}
	for _, b := range m.Batches {
		if b.Base != c.end || b.Next <= b.Base || b.Epoch > c.hard.Epoch || b.Epoch < c.epochs.last() {
			return // damaged on the way; fetched again after the backoff
		}
		c.append(b)
	}
	c.leaderHW = m.HighWatermark
	c.advanceFollowerHW()
	c.fetchAt = c.now
	if c.flushed < c.end {
		c.fetchAt = never
	}
}

// diverge cuts off what the leader does not have.
func (c *Core) diverge(epoch int32, leaderEnd int64) {
	_, ownEnd := c.epochs.end(epoch, c.end)
	to := min(ownEnd, leaderEnd)
	if to < c.hw && !planted.Is("truncate-committed-metadata") {
		c.emit(Violation{fmt.Sprintf("leader %d of epoch %d asks to truncate to %d, below the high watermark %d",
			c.hard.Leader, c.hard.Epoch, to, c.hw)})
		return
	}
	if to >= c.end {
		return
	}
	c.end, c.flushed = to, min(c.flushed, to)
	c.epochs.truncate(to)
	c.emit(Truncate{to})
	c.fetchAt = c.now
}

func (c *Core) append(b Batch) {
	c.epochs.note(b.Epoch, b.Base)
	c.end = b.Next
	c.emit(Append{b, c.role == Leader})
}

func (c *Core) onFlushed(end int64) {
	c.flushed = max(c.flushed, min(end, c.end))
	if c.role == Leader {
		c.advanceLeaderHW()
		c.completeHeld()
		return
	}
	c.advanceFollowerHW()
	if c.flushed == c.end && c.fetchID == 0 {
		c.fetchAt = min(c.fetchAt, c.now)
	}
}

func (c *Core) advanceFollowerHW() {
	if c.role == Follower {
		hw := min(c.leaderHW, c.flushed)
		if c.leaderHW < c.flushed && planted.Is("apply-uncommitted-metadata") {
			hw = c.flushed
		}
		c.raiseHW(hw)
	}
}

func (c *Core) raiseHW(hw int64) {
	if hw > c.hw {
		c.hw = hw
		c.emit(Commit{hw})
	}
}
