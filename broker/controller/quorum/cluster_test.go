package quorum

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
)

// world is a quorum in memory: every node's core and disk, and the messages on
// their way. Tests decide what happens next; world carries out what the cores
// ask for and holds the safety properties after every step.
type world struct {
	cfg   Config
	rand  *env.Rand
	now   time.Duration
	nodes map[int32]*node
	ids   []int32
	net   []flying
	trace bytes.Buffer // one line per thing that happened

	leaders   map[int32]int32 // epoch to its leader
	committed []Batch         // what any node said is committed
	proposals int
	violation string
	autoFlush bool
	hostile   bool // strangers speak in the names of voters

	snapshots     int  // one in so many random steps writes a snapshot, 0 for none
	dieInstalling int  // one in so many installations is fatal at each stage, 0 for none
	damage        bool // snapshots arrive damaged
	installs      int
}

type node struct {
	id   int32
	core *Core
	up   bool
	cut  bool

	// The disk.
	hard    HardState
	begin   int64 // where the log begins
	batches []Batch
	synced  int64 // end of what is flushed
	snaps   []snap
	part    []byte // of a snapshot that is being fetched

	hw      int64 // of this life
	applied int   // how many of the committed batches are in the state machine

	calls map[uint64]Message // requests held by the core
	token uint64
}

type flying struct{ msg Message }

// snap is a snapshot: every batch that it stands for, as JSON.
type snap struct {
	id   SnapshotID
	data []byte
}

func newWorld(seed uint64, voters int, observers int) *world {
	w := &world{rand: env.NewRand(seed, "world", ""), nodes: map[int32]*node{}, leaders: map[int32]int32{}, autoFlush: true,
		cfg: Config{ElectionTimeout: time.Second, FetchTimeout: 2 * time.Second, FetchMaxWait: 500 * time.Millisecond, RetryBackoff: 50 * time.Millisecond}}
	for i := range voters {
		w.cfg.Voters = append(w.cfg.Voters, int32(i+1))
	}
	for i := range voters + observers {
		id := int32(i + 1)
		w.ids = append(w.ids, id)
		w.nodes[id] = &node{id: id, hard: HardState{Leader: None, VotedFor: None}}
		w.start(id)
	}
	return w
}

func (n *node) end() int64 {
	if len(n.batches) == 0 {
		return n.begin
	}
	return n.batches[len(n.batches)-1].Next
}

func (w *world) start(id int32) {
	n := w.nodes[id]
	var starts epochs
	for _, b := range n.batches {
		starts.note(b.Epoch, b.Base)
	}
	cfg := w.cfg
	cfg.ID = id
	var ids []SnapshotID
	for _, s := range n.snaps {
		ids = append(ids, s.id)
	}
	stored, reset, err := Recover(ids, n.begin, n.end(), starts)
	if err != nil {
		w.fail("n%d: %v", id, err)
	}
	if reset {
		n.begin, n.batches = stored.Base.End, nil
		w.logf("n%d begins its log at %d", id, n.begin)
	}
	n.synced, n.hw, n.up, n.calls, n.part = n.end(), stored.Snapshot.End, true, map[uint64]Message{}, nil
	n.applied = w.contentOf(n, stored.Snapshot)
	n.core = New(cfg, n.hard, stored, w.now, env.NewRand(w.rand.Uint64(), "core", fmt.Sprint(id)))
	w.logf("n%d starts as %v epoch=%d end=%d", id, n.core.Role(), n.hard.Epoch, n.end())
}

// crash stops a node; what it had not flushed is lost if power goes too.
func (w *world) crash(id int32, power bool) {
	n := w.nodes[id]
	n.up = false
	if power {
		for n.end() > n.synced {
			n.batches = n.batches[:len(n.batches)-1]
		}
	}
	w.logf("n%d crashes power-loss=%v", id, power)
}

func (w *world) logf(format string, args ...any) {
	fmt.Fprintf(&w.trace, "%6d ms  %s\n", w.now.Milliseconds(), fmt.Sprintf(format, args...))
}

func (w *world) step(id int32, in Input) {
	n := w.nodes[id]
	if !n.up || w.violation != "" {
		return
	}
	var install SnapshotID
	for _, out := range n.core.Step(w.now, in) {
		if i, ok := out.(InstallSnapshot); ok {
			install = i.ID
			continue
		}
		w.carryOut(n, out)
	}
	if install.End > 0 {
		w.install(n, install)
	}
	w.check(n)
	if w.autoFlush && n.synced < n.end() {
		w.flush(id)
	}
}

func (w *world) flush(id int32) {
	n := w.nodes[id]
	n.synced = n.end()
	w.step(id, Flushed{End: n.synced})
}

func (w *world) carryOut(n *node, out Output) {
	switch out := out.(type) {
	case Persist:
		n.hard = out.State
		w.logf("n%d persists epoch=%d leader=%d voted=%d", n.id, out.State.Epoch, out.State.Leader, out.State.VotedFor)
	case Send:
		w.net = append(w.net, flying{out.Msg})
		w.logf("%v", out.Msg)
	case Reply:
		delete(n.calls, out.Token)
		m := out.Msg
		if out.ReadTo > m.Offset && m.Offset < n.begin {
			w.fail("n%d reads at %d from a log that begins at %d", n.id, m.Offset, n.begin)
		}
		for _, b := range n.batches {
			if b.Base >= m.Offset && b.Next <= out.ReadTo {
				m.Batches = append(m.Batches, b)
			}
		}
		if m.Kind == FetchSnapshotResponse && m.Err == 0 {
			w.readSnapshot(n, &m)
		}
		w.net = append(w.net, flying{m})
		w.logf("%v", m)
	case Append:
		b := out.Batch
		if b.Base != n.end() {
			w.fail("n%d appends at %d to a log that ends at %d", n.id, b.Base, n.end())
		}
		b.LeaderChange = false
		if b.Data == nil {
			b.Data = fmt.Appendf(nil, "leader %d of epoch %d", n.id, b.Epoch)
		}
		n.batches = append(n.batches, b)
		w.logf("n%d appends [%d,%d)@%d", n.id, b.Base, b.Next, b.Epoch)
	case StoreSnapshot:
		if out.Position != int64(len(n.part)) && out.Position != 0 {
			w.fail("n%d stores snapshot bytes at %d after %d", n.id, out.Position, len(n.part))
		}
		n.part = append(n.part[:out.Position:out.Position], out.Data...)
	case DropBefore:
		w.drop(n, out.Base)
	case Truncate:
		for n.end() > out.To && len(n.batches) > 0 {
			n.batches = n.batches[:len(n.batches)-1]
		}
		if n.end() != out.To {
			w.fail("n%d truncates to %d, inside a batch", n.id, out.To)
		}
		if out.To < n.hw {
			w.fail("n%d truncates to %d, below its high watermark %d", n.id, out.To, n.hw)
		}
		n.synced = min(n.synced, out.To)
		w.logf("n%d truncates to %d", n.id, out.To)
	case Commit:
		if out.HighWatermark <= n.hw || out.HighWatermark > n.synced {
			w.fail("n%d commits %d, after %d, with %d flushed", n.id, out.HighWatermark, n.hw, n.synced)
		}
		n.hw = out.HighWatermark
		w.commit(n)
		w.logf("n%d commits to %d", n.id, out.HighWatermark)
	case RoleChange:
		if out.Role == Leader {
			if other, twice := w.leaders[out.Epoch]; twice {
				w.fail("n%d leads epoch %d, which n%d led before", n.id, out.Epoch, other)
			}
			w.leaders[out.Epoch] = n.id
			w.checkComplete(n)
		}
		w.logf("n%d is %v epoch=%d leader=%d", n.id, out.Role, out.Epoch, out.Leader)
	case Contradiction:
		w.logf("n%d hears a contradiction: %s", n.id, out.Reason)
		if !w.hostile {
			w.fail("n%d: %s", n.id, out.Reason)
		}
	case Violation:
		w.fail("n%d: %s", n.id, out.Reason)
	}
}

func (w *world) fail(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf(format, args...)
		w.logf("VIOLATION %s", w.violation)
	}
}

// commit holds that what is committed at an offset is the same for everyone
// and for ever.
func (w *world) commit(n *node) {
	i := n.applied
	for _, b := range n.batches {
		if b.Next > n.hw {
			break
		}
		if i > 0 && b.Next <= w.committed[i-1].Next {
			continue
		}
		if i < len(w.committed) {
			c := w.committed[i]
			if c.Base != b.Base || c.Next != b.Next || c.Epoch != b.Epoch || !bytes.Equal(c.Data, b.Data) {
				w.fail("n%d committed [%d,%d)@%d %q where [%d,%d)@%d %q was committed", n.id, b.Base, b.Next, b.Epoch, b.Data, c.Base, c.Next, c.Epoch, c.Data)
				return
			}
		} else {
			w.committed = append(w.committed, b)
		}
		i++
		n.applied = i
	}
}

// checkComplete holds that a new leader has everything committed.
func (w *world) checkComplete(n *node) {
	own := 0
	for _, c := range w.committed {
		if c.Next <= n.begin {
			continue // in a snapshot, whose content was compared
		}
		i := own
		own++
		if i >= len(n.batches) || n.batches[i].Base != c.Base || n.batches[i].Epoch != c.Epoch {
			w.fail("n%d leads without the committed [%d,%d)@%d", n.id, c.Base, c.Next, c.Epoch)
			return
		}
	}
}

// check holds log matching: where two logs have the same epoch at an offset,
// they are equal up to there.
func (w *world) check(n *node) {
	for _, id := range w.ids {
		other := w.nodes[id]
		if other == n {
			continue
		}
		mine, theirs := after(n.batches, other.begin), after(other.batches, n.begin)
		shared := min(len(mine), len(theirs))
		for i := shared - 1; i >= 0; i-- {
			a, b := mine[i], theirs[i]
			if a.Base == b.Base && a.Epoch == b.Epoch {
				for j := range i + 1 {
					a, b := mine[j], theirs[j]
					if a.Base != b.Base || a.Next != b.Next || a.Epoch != b.Epoch || !bytes.Equal(a.Data, b.Data) {
						w.fail("n%d and n%d agree at offset %d but differ at %d", n.id, id, mine[i].Base, a.Base)
						return
					}
				}
				break
			}
		}
	}
}

// deliver brings the i-th message on its way to its addressee.
func (w *world) deliver(i int) {
	m := w.net[i].msg
	w.net = slices.Delete(w.net, i, i+1)
	to, from := w.nodes[m.To], w.nodes[m.From]
	if !to.up || to.cut || from.cut {
		w.lose(m)
		return
	}
	if m.Kind.IsRequest() {
		to.token++
		to.calls[to.token] = m
		w.step(m.To, Request{Token: to.token, Msg: m})
	} else {
		w.step(m.To, Response{Msg: m})
	}
}

// lose drops a message; a request's sender finds out.
func (w *world) lose(m Message) {
	w.logf("lost: %v", m)
	if m.Kind.IsRequest() {
		w.step(m.From, SendFailed{Msg: m})
		return
	}
	if n := w.nodes[m.To]; n.up {
		w.step(m.To, SendFailed{Msg: Message{Kind: m.Kind - 1, From: m.To, To: m.From, ID: m.ID, Epoch: m.Epoch, PreVote: m.PreVote}})
	}
}

// settle runs the world in order, without faults, for d: messages take 1 ms.
func (w *world) settle(d time.Duration) {
	for end := w.now + d; w.now < end && w.violation == ""; {
		for range len(w.net) {
			w.deliver(0)
		}
		if len(w.net) > 0 {
			w.now += time.Millisecond
			continue
		}
		next := end
		for _, id := range w.ids {
			if n := w.nodes[id]; n.up {
				next = min(next, n.core.Deadline())
			}
		}
		w.now = max(w.now+time.Millisecond, min(next, end))
		for _, id := range w.ids {
			if n := w.nodes[id]; n.up && n.core.Deadline() <= w.now {
				w.step(id, Tick{})
			}
		}
	}
}

// leader is the live leader of the newest epoch, nil if there is none.
func (w *world) leader() *node {
	var found *node
	for _, id := range w.ids {
		n := w.nodes[id]
		if n.up && !n.cut && n.core.Role() == Leader && (found == nil || n.core.State().Epoch > found.core.State().Epoch) {
			found = n
		}
	}
	return found
}

func (w *world) propose(id int32, records int64) {
	w.proposals++
	w.step(id, Propose{Records: records, Data: fmt.Appendf(nil, "proposal %d", w.proposals)})
}
