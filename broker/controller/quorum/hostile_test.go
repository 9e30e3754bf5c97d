package quorum

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
)

// ask gives a node one request and returns its answer, if it answers at once.
func (w *world) ask(id int32, m Message) Message {
	n := w.nodes[id]
	m.To = id
	n.token++
	n.calls[n.token] = m
	before := len(w.net)
	w.step(id, Request{Token: n.token, Msg: m})
	for i := before; i < len(w.net); i++ {
		if a := w.net[i].msg; !a.Kind.IsRequest() && a.To == m.From && a.ID == m.ID {
			w.net = append(w.net[:i:i], w.net[i+1:]...)
			return a
		}
	}
	return Message{}
}

func electedWorld(t *testing.T) (*world, *node) {
	w := newWorld(1, 3, 0)
	w.hostile = true
	w.settle(5 * time.Second)
	l := w.leader()
	require.NotNil(t, l)
	return w, l
}

func TestVotesAreGivenToVotersOnly(t *testing.T) {
	w, _ := electedWorld(t)
	for _, id := range w.ids {
		before := w.nodes[id].hard
		for _, preVote := range []bool{true, false} {
			for _, epoch := range []int32{before.Epoch, before.Epoch + 1, math.MaxInt32} {
				a := w.ask(id, Message{Kind: VoteRequest, From: 77, ID: 1 << 40, Epoch: epoch, PreVote: preVote, LastEpoch: epoch, Offset: 1 << 40})
				require.Equal(t, kerr.InconsistentVoterSet.Code, a.Err)
				require.False(t, a.Granted)
				require.Equal(t, before, w.nodes[id].hard)
			}
		}
	}
}

// An epoch that cannot be exceeded would end the quorum for good: it is on
// disk, and the next election overflows.
func TestEpochsFromTheWireCanBeExceeded(t *testing.T) {
	for _, kind := range []Kind{VoteRequest, BeginRequest, EndRequest} {
		for _, epoch := range []int32{math.MaxInt32, MaxEpoch, MaxEpoch - 1, 1 << 20, -1, math.MinInt32} {
			for _, preVote := range []bool{true, false} {
				w, l := electedWorld(t)
				for _, id := range w.ids {
					from := w.ids[id%3]
					a := w.ask(id, Message{Kind: kind, From: from, Leader: from, ID: 1 << 40, Epoch: epoch, PreVote: preVote, LastEpoch: l.core.State().Epoch, Offset: 1 << 40})
					require.NotZero(t, a.Err, "%v of epoch %d", kind, epoch)
					require.Less(t, w.nodes[id].hard.Epoch, int32(100))
				}
				w.heal()
				require.Empty(t, w.violation)
			}
		}
	}
}

func TestNoElectionAfterTheLastEpoch(t *testing.T) {
	cfg := newWorld(1, 1, 0).cfg
	cfg.ID = 1
	c := New(cfg, HardState{Epoch: MaxEpoch, Leader: None, VotedFor: None}, Stored{}, 0, env.NewRand(1, "core", ""))
	var violated bool
	for _, out := range c.Step(time.Hour, Tick{}) {
		_, isViolation := out.(Violation)
		violated = violated || isViolation
		p, isPersist := out.(Persist)
		require.False(t, isPersist, "%v", p)
	}
	require.True(t, violated)
}

// A stranger's request in a candidate's name, about a better log than the
// candidate has, must not win the candidate a vote later.
func TestVoteRepeatedForAWorseLogIsRefused(t *testing.T) {
	w, l := electedWorld(t)
	w.propose(l.id, 5)
	w.settle(2 * time.Second)
	voter, candidate := w.ids[l.id%3], w.ids[(l.id+1)%3]
	epoch := l.core.State().Epoch + 1
	a := w.ask(voter, Message{Kind: VoteRequest, From: candidate, ID: 1, Epoch: epoch, LastEpoch: epoch - 1, Offset: 1 << 40})
	require.True(t, a.Granted)
	a = w.ask(voter, Message{Kind: VoteRequest, From: candidate, ID: 2, Epoch: epoch, LastEpoch: epoch - 1, Offset: 1})
	require.Zero(t, a.Err)
	require.False(t, a.Granted, "the candidate's log lacks what is committed")
}

func TestObserversOfALeaderAreBounded(t *testing.T) {
	w, l := electedWorld(t)
	for i := range int32(5 * maxObservers) {
		w.now += time.Microsecond
		w.ask(l.id, Message{Kind: FetchRequest, From: 1000 + i, ID: uint64(i), Epoch: l.core.State().Epoch, LastEpoch: -1, MaxWait: time.Hour})
	}
	require.LessOrEqual(t, len(l.core.peers), maxObservers+2)
	require.LessOrEqual(t, len(l.core.held), maxObservers+2)
	require.NotNil(t, l.core.peers[w.ids[l.id%3]], "voters are never forgotten")
	w.net = nil
	w.heal()
	require.Empty(t, w.violation)
}

// TestHostileRequestsNeverEndTheQuorum: whatever strangers send, in whosever
// name, no node stops, what is committed stays, epochs stay near the honest
// ones, and the quorum works again when they are done. (In a voter's name they
// must not claim to hold records: only authentication can tell.)
func TestHostileRequestsNeverEndTheQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(t, "seed"), 3, rapid.IntRange(0, 1).Draw(t, "observers"))
		w.hostile = true
		sent := int32(0)
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			w.autoFlush = rapid.Bool().Draw(t, "flush")
			if rapid.Bool().Draw(t, "quiet") {
				w.autoFlush = true
				w.settle(3 * time.Second)
			}
			runFaults(w, rapid.IntRange(0, 40).Draw(t, "faults"))
			for range rapid.IntRange(1, 10).Draw(t, "requests") {
				sent++
				w.stranger(t)
			}
			if w.violation != "" {
				t.Fatalf("%s\n%s", w.violation, tail(w.trace.String(), 4000))
			}
		}
		elections := int32(len(w.leaders))
		w.heal()
		if w.violation != "" {
			t.Fatalf("%s\n%s", w.violation, tail(w.trace.String(), 6000))
		}
		for _, id := range w.ids {
			if e := w.nodes[id].hard.Epoch; e > (sent+elections+50)*maxEpochStep {
				t.Fatalf("n%d is at epoch %d after %d requests and %d elections", id, e, sent, elections)
			}
		}
	})
}

// stranger sends one request that nobody of the quorum sent.
func (w *world) stranger(t *rapid.T) {
	number := rapid.OneOf(rapid.Int32(), rapid.Int32Range(-3, 130), rapid.SampledFrom([]int32{math.MaxInt32, MaxEpoch, math.MinInt32}))
	offset := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2, 40))
	id := rapid.SampledFrom(w.ids).Draw(t, "to")
	m := Message{
		Kind:      rapid.SampledFrom([]Kind{VoteRequest, BeginRequest, EndRequest, FetchRequest}).Draw(t, "kind"),
		From:      rapid.OneOf(rapid.Int32Range(-1, 5), rapid.Int32()).Draw(t, "from"),
		ID:        1<<40 + uint64(len(w.net)),
		Epoch:     number.Draw(t, "epoch"),
		LastEpoch: number.Draw(t, "last epoch"),
		Offset:    offset.Draw(t, "offset"),
		PreVote:   rapid.Bool().Draw(t, "pre-vote"),
		MaxWait:   time.Duration(rapid.Int64().Draw(t, "wait")),
	}
	if rapid.Bool().Draw(t, "near") {
		m.Epoch = w.nodes[id].hard.Epoch + rapid.Int32Range(-1, 2).Draw(t, "ahead")
		m.LastEpoch = min(m.LastEpoch, m.Epoch)
	}
	m.Leader = m.From
	if m.Kind == FetchRequest && m.From >= 1 && m.From <= 3 {
		return
	}
	m.Successors = rapid.SliceOfN(rapid.Int32Range(-1, 4), 0, 4).Draw(t, "successors")
	if w.nodes[id].up {
		w.ask(id, m)
	}
}
