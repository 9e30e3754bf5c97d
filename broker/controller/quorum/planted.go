package quorum

// resume makes a node that led before it was restarted go on leading in the same
// epoch, as the planted bug B28 has it.
func (c *Core) resume() {
	c.role, c.electionAt, c.fetchAt = Leader, c.now, never
	c.epochStart = max(c.end-1, 0)
	c.peers = map[int32]*peer{}
	for _, id := range c.cfg.Voters {
		if id != c.cfg.ID {
			c.peers[id] = &peer{voter: true, end: -1, fetchedAt: -1, toldHW: -1, beginAt: c.now}
		}
	}
}
