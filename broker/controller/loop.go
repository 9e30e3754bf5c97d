package controller

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

var errUnknownVoter = errors.New("controller: not a voter of this quorum")

// loop is the state of the one task that owns core and machine.
type loop struct {
	n    *Node
	core *quorum.Core

	machine   *machine
	committed *metadata.Image
	working   *metadata.Image // committed and what is appended on top; nil unless active
	active    bool            // leads, and everything before its epoch is committed
	settled   bool            // has done what a term begins with

	calls     map[uint64]*call // quorum requests inside the core, by token
	lastToken uint64
	pending   []pendingAnswer // in log order
	spreading []spreading

	snapshots snapshotting
	next      []quorum.Input // follow from the outputs of the present step

	dirty bool  // appended since the last sync
	fatal error // ends the loop
}

// pendingAnswer is an answer that waits until everything below need is committed.
type pendingAnswer struct {
	need  int64
	call  *call
	resp  kmsg.Response
	wrote bool // the request wrote something
}

func (l *loop) run() {
	n := l.n
	for {
		events, goOn := l.take()
		// The task may be late at any time, as after a slow sync.
		if d := n.lab.Late("controller/loop-late", 100*time.Millisecond); d > 0 {
			n.e.Sleep(d)
		}
		for _, event := range events {
			if l.fatal != nil {
				if c, ok := event.(*call); ok {
					c.answer(l.refusal(c))
				}
				continue
			}
			l.dispatch(event)
		}
		l.step(quorum.Tick{})
		l.settle()
		l.expireSessions()
		l.balance()
		l.maybeSnapshot()
		if !goOn {
			l.step(quorum.Resign{})
		}
		l.flush()
		l.spread()
		l.publishView()
		if l.fatal != nil || !goOn {
			break
		}
	}
	l.end()
	n.refuseAll()
	if l.fatal != nil && n.cfg.OnFatal != nil {
		n.cfg.OnFatal(l.fatal)
	}
}

// take waits for something to do. It reports false when the node is to stop.
func (l *loop) take() ([]any, bool) {
	n := l.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.inbox) == 0 && n.state == running {
		wait := l.deadline() - n.e.Now()
		if wait <= 0 {
			break
		}
		n.wake.WaitTimeout(wait)
	}
	// What is left is taken next time, in the same order.
	k := n.lab.Fewer("controller/take-fewer", int64(len(n.inbox)))
	events := n.inbox[:k:k]
	if n.inbox = n.inbox[k:]; len(n.inbox) == 0 {
		n.inbox = nil
	}
	return events, n.state == running
}

func (l *loop) deadline() time.Duration {
	if l.active && !l.settled {
		return 0
	}
	at := l.core.Deadline()
	if due := l.snapshotDue(); due != env.Forever {
		at = min(at, due)
	}
	if l.active {
		if end := l.machine.deadline(); end != env.Forever {
			at = min(at, end)
		}
		if end := l.machine.balanceDeadline(); end != env.Forever {
			at = min(at, end)
		}
		if end := l.spreadDeadline(); end != env.Forever {
			at = min(at, end)
		}
	}
	return at
}

func (l *loop) dispatch(event any) {
	switch event := event.(type) {
	case quorum.Response:
		l.step(event)
	case quorum.SendFailed:
		l.step(event)
	case quorum.Stand:
		l.step(event)
	case snapshotWritten:
		l.snapshotWritten(event)
	case *call:
		switch event.kind {
		case quorumCall:
			l.lastToken++
			l.calls[l.lastToken] = event
			l.step(quorum.Request{Token: l.lastToken, Msg: event.msg})
		case describeCall:
			event.answer(l.describe(event.req))
		default:
			l.command(event)
		}
	}
}

// command lets the machine judge a request and proposes what it wants written.
func (l *loop) command(c *call) {
	// As one does that has just lost its term; whoever asked asks again.
	if !l.active || l.n.lab.Seldom("controller/command-refused") {
		c.answer(notController(c.req))
		return
	}
	t := newTxn(l.working, l.core.End())
	var resp kmsg.Response
	if c.kind == moveCall {
		resp = l.machine.moveLeader(t, c.req.(*kmsg.ElectLeadersRequest), c.to)
	} else {
		resp = l.machine.handle(l.n.e.Now(), t, c.req)
	}
	if resp == nil {
		c.answer(nil)
		return
	}
	l.propose(t, c, resp)
}

// settle begins a controller's term with what only a new controller changes.
func (l *loop) settle() {
	if !l.active || l.settled || l.fatal != nil {
		return
	}
	l.settled = true
	t := newTxn(l.working, l.core.End())
	if t.img().ClusterID() == "" {
		t.add(&metadata.ClusterIDRecord{ClusterID: l.n.newClusterID()})
	}
	l.machine.settleMinISR(t, t.img().Topics())
	l.propose(t, nil, nil)
}

func (l *loop) expireSessions() {
	if !l.active || l.fatal != nil {
		return
	}
	now := l.n.e.Now()
	if end := l.machine.deadline(); end == env.Forever || now < end {
		return
	}
	if l.n.lab.Rare("controller/expire-late") {
		return // the next look comes at once, and by then a heartbeat may have come
	}
	t := newTxn(l.working, l.core.End())
	l.machine.expire(now, t)
	for _, r := range t.records {
		if s, ok := r.(*metadata.BrokerStateRecord); ok && s.Fenced {
			l.n.e.Event("session-expired", env.Int("broker", s.BrokerID), env.Int("epoch", s.BrokerEpoch))
		}
	}
	l.propose(t, nil, nil)
}

// propose appends what a transaction wrote and keeps the answer until it, and
// everything it was judged by, is committed.
func (l *loop) propose(t *txn, c *call, resp kmsg.Response) {
	if t.err != nil {
		l.fail(fmt.Errorf("controller: inconsistent change: %w", t.err))
	}
	if l.fatal == nil && len(t.records) > 0 {
		t.ed.SetOffset(t.next()-1, l.core.State().Epoch)
		l.working, _ = t.ed.Done()
		l.step(quorum.Propose{Records: int64(len(t.records)), Data: encodeRecords(t.records, l.wallMillis())})
	}
	switch {
	case c == nil:
	case !l.active || l.fatal != nil: // lost while proposing
		c.answer(notController(c.req))
	case l.core.End() <= l.core.HighWatermark() || planted.Is("controller-answers-early"):
		c.answer(resp)
	default:
		l.pending = append(l.pending, pendingAnswer{l.core.End(), c, resp, len(t.records) > 0})
	}
}

func (l *loop) wallMillis() int64 { return l.n.e.Wall().UnixMilli() }

// step gives the core one input and carries out what it asks for.
func (l *loop) step(in quorum.Input) {
	if l.fatal != nil {
		return
	}
	before := l.core.Role()
	outputs := l.core.Step(l.n.e.Now(), in)
	l.tellLab(before, in, outputs)
	for _, out := range outputs {
		if err := l.carryOut(out); err != nil {
			l.fail(err)
			return
		}
	}
	for len(l.next) > 0 {
		in := l.next[0]
		l.next = l.next[1:]
		l.step(in)
	}
}

// flush makes appends durable and tells the core, which may append no more
// because of it.
func (l *loop) flush() {
	if !l.dirty || l.fatal != nil {
		return
	}
	l.dirty = false
	if err := l.n.log.Sync(); err != nil {
		l.fail(fmt.Errorf("controller: sync the metadata log: %w", err))
		return
	}
	l.step(quorum.Flushed{End: l.n.log.EndOffset()})
}

func (l *loop) carryOut(out quorum.Output) error {
	n := l.n
	switch out := out.(type) {
	case quorum.Persist:
		if err := writeQuorumState(n.e.FS(), n.dir, out.State); err != nil {
			return fmt.Errorf("controller: write the vote: %w", err)
		}
	case quorum.Send:
		n.enqueue(out.Msg)
	case quorum.Reply:
		return l.reply(out)
	case quorum.Append:
		return l.append(out)
	case quorum.Truncate:
		n.e.Event("truncate", env.Text("topic", metadata.ClusterMetadataTopic), env.Int("partition", int32(0)),
			env.Int("from", n.log.EndOffset()), env.Int("to", out.To), env.Int("hw", l.core.HighWatermark()))
		if err := n.log.TruncateTo(out.To); err != nil {
			return fmt.Errorf("controller: truncate the metadata log to %d: %w", out.To, err)
		}
		if end := n.log.EndOffset(); end != out.To {
			return fmt.Errorf("controller: the metadata log ends at %d after truncation to %d", end, out.To)
		}
	case quorum.StoreSnapshot:
		return l.snapshots.store.store(out.ID, out.Position, out.Data)
	case quorum.InstallSnapshot:
		return l.install(out.ID)
	case quorum.DropBefore:
		return l.dropBefore(out.Base)
	case quorum.Commit:
		return l.commit(out.HighWatermark)
	case quorum.RoleChange:
		n.e.Event("quorum", env.Text("role", out.Role.String()), env.Int("epoch", out.Epoch), env.Int("leader", out.Leader))
		l.stepDown()
	case quorum.Contradiction:
		n.e.Event("quorum-contradiction", env.Text("reason", out.Reason))
	case quorum.Violation:
		return fmt.Errorf("controller: quorum invariant violated: %s", out.Reason)
	}
	return nil
}

func (l *loop) append(out quorum.Append) error {
	b := out.Batch
	data := b.Data
	if b.LeaderChange {
		data = encodeLeaderChange(l.n.cfg.NodeID, l.n.cfg.Voters, l.wallMillis())
	}
	var res storage.AppendResult
	var err error
	if out.Local {
		res, err = l.n.log.AppendLeader(data, b.Epoch, storage.AppendOptions{ControlBatches: true, AnySize: true})
	} else {
		res, err = l.n.log.AppendFollower(data)
	}
	if err != nil {
		return fmt.Errorf("controller: append to the metadata log at %d: %w", b.Base, err)
	}
	if res.BaseOffset != b.Base || res.LastOffset != b.Next-1 {
		return fmt.Errorf("controller: the metadata log put [%d,%d) at [%d,%d]", b.Base, b.Next, res.BaseOffset, res.LastOffset)
	}
	l.dirty = true
	return nil
}

// reply answers a quorum request. Records are read here, by the task that
// alone may truncate the log.
func (l *loop) reply(out quorum.Reply) error {
	c := l.calls[out.Token]
	delete(l.calls, out.Token)
	if c == nil {
		return nil
	}
	if out.Msg.Kind == quorum.FetchSnapshotResponse && out.Msg.Err == 0 {
		l.readSnapshot(c, &out.Msg)
	}
	var records []byte
	if out.ReadTo > out.Msg.Offset {
		limit := int32(maxFetchBytes)
		if f, ok := c.req.(*kmsg.FetchRequest); ok && f.MaxBytes > 0 {
			limit = min(limit, f.MaxBytes)
		}
		limit = int32(l.n.lab.Fewer("controller/read-less", int64(limit))) // a batch comes in any case
		var err error
		if records, err = l.n.log.Read(out.Msg.Offset, out.ReadTo, limit, true); err != nil {
			c.answer(refusalToWire(c.req, kerr.KafkaStorageError))
			return fmt.Errorf("controller: read the metadata log at offset %d: %w", out.Msg.Offset, err)
		}
	}
	c.answer(responseToWire(c.req, out.Msg, l.n.log.StartOffset(), records))
	return nil
}

// readSnapshot fills in part of a snapshot. One that cannot be read is as good as
// not there.
func (l *loop) readSnapshot(c *call, m *quorum.Message) {
	limit := int64(maxFetchBytes)
	if f, ok := c.req.(*kmsg.FetchSnapshotRequest); ok && f.MaxBytes > 0 {
		limit = min(limit, int64(f.MaxBytes))
	}
	limit = l.n.lab.Fewer("controller/snapshot-piecemeal", limit) // the rest is asked for
	var err error
	m.Data, m.Size, err = l.snapshots.store.read(m.Snapshot, m.Position, limit)
	switch {
	case err != nil:
		m.Err = kerr.SnapshotNotFound.Code
	case m.Position >= m.Size:
		m.Err = kerr.PositionOutOfRange.Code
	}
}

// commit applies newly committed records and releases the answers that waited
// for them.
func (l *loop) commit(hw int64) error {
	img, delta, bytes, err := replay(l.n.log, l.committed, hw)
	if err != nil {
		return err
	}
	if err := l.n.checkCluster(img); err != nil {
		return err
	}
	l.tellPartitions(l.committed, img, delta)
	l.committed = img
	l.snapshots.bytes += bytes
	l.n.publish(img, delta)
	if l.core.Role() == quorum.Leader && !l.active && hw > l.core.EpochStartOffset() {
		l.active = true
		l.working = img
		l.machine.begin(l.n.e.Now(), img)
		l.n.e.Event("controller", env.Int("epoch", l.core.State().Epoch))
	}
	done := 0
	for done < len(l.pending) && l.pending[done].need <= hw {
		l.release(l.pending[done])
		done++
	}
	l.pending = l.pending[done:]
	return nil
}

// stepDown ends the controller's term, if there is one.
func (l *loop) stepDown() {
	l.active, l.settled = false, false
	l.working = nil
	for _, p := range l.pending {
		p.call.answer(notController(p.call.req))
	}
	l.pending = nil
	l.spread()
}

func (l *loop) fail(err error) {
	if l.fatal == nil {
		l.fatal = err
		l.n.e.Event("quorum-failed", env.Text("error", err.Error()))
	}
}

// end leaves nobody waiting.
func (l *loop) end() {
	l.stepDown()
	for _, token := range env.SortedKeys(l.calls) {
		l.calls[token].answer(l.refusal(l.calls[token]))
		delete(l.calls, token)
	}
	v := l.n.View()
	v.Role, v.Leader, v.Active = "stopped", false, false
	l.n.view.Store(&v)
}

// publishView makes role and offsets visible, if they changed.
func (l *loop) publishView() {
	n := l.n
	state := l.core.State()
	_, voter := n.voter(n.cfg.NodeID)
	v := View{NodeID: n.cfg.NodeID, Role: l.core.Role().String(), Observer: !voter, Leader: l.core.Role() == quorum.Leader,
		Active: l.active, Epoch: state.Epoch, LeaderID: l.core.Leader(), VotedFor: state.VotedFor, HighWatermark: l.core.HighWatermark(),
		LogStart: n.log.StartOffset(), LogEnd: l.core.End(), Log: n.log}
	old := n.view.Load()
	if old == nil || *old != v {
		n.view.Store(&v)
	}
	if n.cfg.OnLeader != nil && old != nil && (old.LeaderID != v.LeaderID || old.Epoch != v.Epoch) {
		n.cfg.OnLeader()
	}
}
