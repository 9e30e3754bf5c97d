package controller

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/env"
)

// peerKey names one sender: fetches, which the other side holds, go their own
// way.
type peerKey struct {
	id    int32
	fetch bool
}

// peerQueue is what one sender has to send. Guarded by Node.mu.
type peerQueue struct {
	filled   env.Cond
	messages []quorum.Message
}

// farewellTimeout bounds the wait for each node that is told of the end of
// leadership by one that stops.
const farewellTimeout = 200 * time.Millisecond

// enqueue sends m by the peer's task, starting it if this is the first. Of
// each kind only the newest message waits: what it replaces is out of date.
func (n *Node) enqueue(m quorum.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := peerKey{m.To, m.Kind == quorum.FetchRequest || m.Kind == quorum.FetchSnapshotRequest}
	q := n.peers[key]
	if q == nil {
		q = &peerQueue{filled: n.e.NewCond(n.mu)}
		n.peers[key] = q
		name := "quorum-send-" + strconv.Itoa(int(key.id))
		if key.fetch {
			name = "quorum-fetch-" + strconv.Itoa(int(key.id))
		}
		n.senders = append(n.senders, n.e.Go(name, func() { n.sendLoop(q) }))
	}
	q.messages = slices.DeleteFunc(q.messages, func(old quorum.Message) bool { return old.Kind == m.Kind })
	q.messages = append(q.messages, m)
	q.filled.Signal()
}

// sendLoop sends one peer's messages one after another. When the node stops it
// sends what is left and ends.
func (n *Node) sendLoop(q *peerQueue) {
	for {
		n.mu.Lock()
		for len(q.messages) == 0 && n.state != stopped {
			q.filled.Wait()
		}
		over := n.state == stopped
		if over { // all that is left to say is that this node does not lead any more
			q.messages = slices.DeleteFunc(q.messages, func(m quorum.Message) bool { return m.Kind != quorum.EndRequest })
		}
		if len(q.messages) == 0 {
			n.mu.Unlock()
			return
		}
		m := q.messages[0]
		q.messages = slices.Delete(q.messages, 0, 1)
		n.mu.Unlock()

		n.exchangeOnce(m, over)
	}
}

// exchangeOnce sends a message and tells the loop what came of it. Messages and
// answers may be late and may get lost; what is lost the core asks again.
func (n *Node) exchangeOnce(m quorum.Message, over bool) {
	if d := n.lab.Late("controller/send-late", 100*time.Millisecond); d > 0 {
		n.e.Sleep(d)
	}
	lost := !over && n.lab.Seldom("controller/send-lost")
	var answer quorum.Message
	if !lost {
		var err error
		answer, err = n.exchange(m, over)
		lost = err != nil || n.lab.Seldom("controller/answer-lost")
	}
	if lost {
		n.post(quorum.SendFailed{Msg: m})
		return
	}
	if d := n.lab.Late("controller/answer-late", 200*time.Millisecond); d > 0 {
		n.e.Sleep(d)
	}
	n.post(quorum.Response{Msg: answer})
}

func (n *Node) exchange(m quorum.Message, over bool) (quorum.Message, error) {
	to, known := n.voter(m.To)
	if !known {
		return quorum.Message{}, errUnknownVoter
	}
	timeout := min(n.cfg.RequestTimeout, n.cfg.ElectionTimeout)
	if m.Kind == quorum.FetchRequest {
		timeout = n.cfg.FetchMaxWait + max(n.cfg.FetchTimeout/2, n.cfg.RetryBackoff)
	}
	if over {
		timeout = min(timeout, farewellTimeout)
	}
	resp, err := n.send(to, requestToWire(m, n.ClusterID()), timeout)
	if err != nil {
		return quorum.Message{}, err
	}
	return responseFromWire(m, resp)
}

func (n *Node) peerKeys() []peerKey {
	keys := make([]peerKey, 0, len(n.peers))
	for k := range n.peers { //weir:ordered sorted below
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b peerKey) int {
		if c := cmp.Compare(a.id, b.id); c != 0 || a.fetch == b.fetch {
			return c
		} else if a.fetch {
			return 1
		}
		return -1
	})
	return keys
}
