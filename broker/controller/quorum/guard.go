package quorum

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// This file says what is believed of what comes from the network. Anyone who
// reaches the port can send a request in any node's name, so nothing in a
// request enters durable state unless the protocol could have brought it about
// by now, and nothing in it can bring the quorum to a place it cannot leave.

// MaxEpoch is the largest epoch that is taken from others or stood for: the
// protocol's numbers have room for one more, so it can always be exceeded.
const MaxEpoch int32 = math.MaxInt32 - 1

// maxEpochStep is by how much one request may raise the epoch. An election
// raises it by one. A node that is further behind is told so by the answers to
// its own requests, which come from where the voters are configured to be.
const maxEpochStep = 100

// maxObservers bounds the nodes that are not voters and of which a leader
// keeps what they fetched. Above it, the one that was silent for longest goes;
// it is still served.
const maxObservers = 1024

// observerSilence is after how long a leader tells nobody of an observer any
// more (as Kafka's LeaderState).
const observerSilence = 5 * time.Minute

func (c *Core) isVoter(id int32) bool { return slices.Contains(c.cfg.Voters, id) }

// refuse checks a request before anything acts on it. It gives the error to
// answer with, 0 if there is none.
func (c *Core) refuse(m Message) int16 {
	switch {
	case m.From < 0 || m.From == c.cfg.ID || m.Epoch < 0:
		return kerr.InvalidRequest.Code
	case m.Kind == FetchRequest || m.Kind == FetchSnapshotRequest:
		// They change nothing durable, whatever their epoch.
		switch {
		case m.Offset < 0 || m.LastEpoch > m.Epoch:
			return kerr.InvalidRequest.Code
		case m.Position < 0:
			return kerr.PositionOutOfRange.Code
		}
		return 0
	case m.Epoch < c.hard.Epoch:
		return kerr.FencedLeaderEpoch.Code
	case !c.voter || !c.isVoter(m.From):
		return kerr.InconsistentVoterSet.Code
	case m.Epoch > MaxEpoch:
		return kerr.InvalidRequest.Code
	case m.Epoch-c.hard.Epoch > maxEpochStep:
		c.askNext(m.From)
		return kerr.InvalidRequest.Code
	}
	switch m.Kind {
	case VoteRequest:
		if m.Offset < 0 || m.LastEpoch > m.Epoch || m.Offset > 0 && m.LastEpoch < 0 {
			return kerr.InvalidRequest.Code // describes no log
		}
	case BeginRequest, EndRequest:
		if !c.mayLead(m.Epoch, m.From) {
			return kerr.InvalidRequest.Code
		}
	}
	return 0
}

// mayLead reports whether a voter may be the leader of an epoch, for all this
// node knows. A leader it has records of, or that it was itself, is a fact; one
// that it only heard of is not.
func (c *Core) mayLead(epoch, leader int32) bool {
	if epoch != c.hard.Epoch || c.hard.Leader == None || c.hard.Leader == leader {
		return true
	}
	return c.hard.Leader != c.cfg.ID && c.epochs.last() < epoch
}

// askNext makes a voter the next one to be asked for the leader.
func (c *Core) askNext(id int32) {
	if c.role == Leader || c.Leader() != None {
		return
	}
	c.discoverAt = slices.Index(c.cfg.Voters, id)
	if c.fetchID == 0 && c.flushed == c.end {
		c.fetchAt = min(c.fetchAt, c.now+c.cfg.RetryBackoff)
	}
}

// contradiction reports an answer that cannot be true beside what this node
// knows. Either a stranger misled the other node or there is a bug.
func (c *Core) contradiction(epoch, leader int32) {
	c.emit(Contradiction{fmt.Sprintf("node %d is said to lead epoch %d, which node %d led", leader, epoch, c.hard.Leader)})
}

// observer makes room for and returns a new peer that is not a voter.
func (c *Core) observer(id int32) *peer {
	observers, oldest := 0, None
	for _, r := range c.peerIDs() {
		p := c.peers[r]
		if p.voter {
			continue
		}
		observers++
		if oldest == None || p.fetchedAt < c.peers[oldest].fetchedAt {
			oldest = r
		}
	}
	if observers >= maxObservers {
		c.dropHeld(oldest)
		delete(c.peers, oldest)
	}
	p := &peer{end: -1, fetchedAt: -1, toldHW: -1, beginAt: never}
	c.peers[id] = p
	return p
}
