package quorum

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestScenarios plays the text scenarios in testdata. The expected text is the
// trace of everything that happened; -rewrite writes it anew.
//
//	new voters=3 observers=0 seed=1   a fresh quorum
//	disk n=1 epoch=2 leader=1 voted=1 log=(1,1,2)
//	                                  what a node's disk holds: one record for
//	                                  each epoch listed; the node starts from it
//	settle ms=1000                    let time pass without faults
//	crash n=1 [power]                 end a process; with power, unflushed records go
//	start n=1
//	cut n=1 | join n=1                isolate a node, connect it again
//	propose n=1 records=2             a client's records; n=leader for the present leader
//	resign n=1
//	stand n=1 [ms=100]                the leader is known to be gone
//	quiet                             as settle, but print only the outcome
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				voters, observers, seed := 3, 0, 1
				d.MaybeScanArgs(t, "voters", &voters)
				d.MaybeScanArgs(t, "observers", &observers)
				d.MaybeScanArgs(t, "seed", &seed)
				w = newWorld(uint64(seed), voters, observers)
				w.trace.Reset()
				return ""
			}
			w.trace.Reset()
			var n, ms int
			if d.HasArg("n") {
				if d.CmdArgs[0].Vals[0] == "leader" {
					n = int(w.leader().id)
				} else {
					d.ScanArgs(t, "n", &n)
				}
			}
			id := int32(n)
			d.MaybeScanArgs(t, "ms", &ms)
			switch d.Cmd {
			case "disk":
				w.setDisk(t, d, id)
			case "settle":
				w.settle(time.Duration(ms) * time.Millisecond)
			case "quiet":
				w.settle(time.Duration(ms) * time.Millisecond)
				w.trace.Reset()
				w.outcome()
			case "crash":
				w.crash(id, d.HasArg("power"))
			case "start":
				w.start(id)
			case "cut", "join":
				w.nodes[id].cut = d.Cmd == "cut"
			case "propose":
				records := 1
				d.MaybeScanArgs(t, "records", &records)
				w.propose(id, int64(records))
			case "resign":
				w.step(id, Resign{})
			case "stand":
				w.step(id, Stand{After: time.Duration(ms) * time.Millisecond})
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			require.Empty(t, w.violation)
			return w.trace.String()
		})
	})
}

func (w *world) setDisk(t *testing.T, d *datadriven.TestData, id int32) {
	n := w.nodes[id]
	var epoch, leader, voted int
	var log []int
	leader, voted = -1, -1
	d.ScanArgs(t, "epoch", &epoch)
	d.MaybeScanArgs(t, "leader", &leader)
	d.MaybeScanArgs(t, "voted", &voted)
	for _, arg := range d.CmdArgs {
		if arg.Key == "log" {
			for _, v := range arg.Vals {
				var e int
				_, err := fmt.Sscan(v, &e)
				require.NoError(t, err)
				log = append(log, e)
			}
		}
	}
	n.hard = HardState{Epoch: int32(epoch), Leader: int32(leader), VotedFor: int32(voted)}
	n.batches = nil
	for i, e := range log {
		n.batches = append(n.batches, Batch{Base: int64(i), Next: int64(i) + 1, Epoch: int32(e), Data: fmt.Appendf(nil, "e%d at %d", e, i)})
	}
	w.start(id)
}

// outcome prints every node in one line.
func (w *world) outcome() {
	for _, id := range w.ids {
		n := w.nodes[id]
		if !n.up {
			fmt.Fprintf(&w.trace, "n%d is down\n", id)
			continue
		}
		var log []string
		for _, b := range n.batches {
			log = append(log, fmt.Sprintf("[%d,%d)@%d", b.Base, b.Next, b.Epoch))
		}
		s := n.core.State()
		fmt.Fprintf(&w.trace, "n%d %v epoch=%d leader=%d hw=%d log=%s\n", id, n.core.Role(), s.Epoch, n.core.Leader(), n.hw, strings.Join(log, ""))
	}
}

// Section 5.4.2 of the Raft paper and KAFKA-12619: a record of an earlier epoch
// on a majority is not committed by that alone.
func TestEarlierEpochIsCommittedOnlyWithTheOwn(t *testing.T) {
	w := newWorld(1, 3, 0)
	n := w.nodes[1]
	n.hard = HardState{Epoch: 3, Leader: None, VotedFor: None}
	n.batches = []Batch{{Base: 0, Next: 1, Epoch: 1}, {Base: 1, Next: 2, Epoch: 2}}
	w.start(1)
	w.autoFlush = true
	for n.core.Role() != Leader {
		w.now = n.core.Deadline()
		w.step(1, Tick{})
		for len(w.net) > 0 {
			m := w.net[0].msg
			w.net = w.net[1:]
			if m.Kind == VoteRequest {
				w.step(1, Response{Message{Kind: VoteResponse, From: m.To, To: 1, ID: m.ID, Epoch: m.Epoch, Leader: None, PreVote: m.PreVote, Granted: true}})
			}
		}
	}
	require.Equal(t, int64(3), n.end(), "the record that begins the epoch is appended")
	epoch := n.core.State().Epoch
	w.step(1, Request{Token: 100, Msg: Message{Kind: FetchRequest, From: 2, To: 1, ID: 1, Epoch: epoch, LastEpoch: 2, Offset: 2}})
	require.Zero(t, n.hw, "n2 holds the record of epoch 2, but nothing of epoch %d", epoch)
	w.step(1, Request{Token: 101, Msg: Message{Kind: FetchRequest, From: 2, To: 1, ID: 2, Epoch: epoch, LastEpoch: epoch, Offset: 3}})
	require.Equal(t, int64(3), n.hw)
}

// KAFKA-13141: the fetch of a follower whose log differs says nothing about
// what it holds.
func TestDivergingFetchDoesNotCount(t *testing.T) {
	w := newWorld(1, 3, 0)
	w.settle(5 * time.Second)
	l := w.leader()
	w.propose(l.id, 1)
	epoch, end, hw := l.core.State().Epoch, l.end(), l.hw
	require.Less(t, hw, end)
	other := w.ids[l.id%3]
	w.net = nil
	w.step(l.id, Request{Token: 900, Msg: Message{Kind: FetchRequest, From: other, To: l.id, ID: 900, Epoch: epoch, LastEpoch: epoch - 1, Offset: end}})
	require.Equal(t, hw, l.hw)
	require.True(t, w.net[len(w.net)-1].msg.Diverging)
}
