package replication

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// This file is a cluster in miniature: real States, logs that are lists of
// (epoch, value), a controller that keeps the rules of KIP-497, KIP-903 and
// KIP-966, and a network whose messages arrive when the test says so, in any
// order. The text scenarios and the enumeration drive it.

const modelLag = 10 * time.Second

type entry struct {
	epoch int32
	value byte
}

type epochMark struct {
	epoch int32
	start int64
}

// node is one broker's replica.
type node struct {
	id     int32
	state  *State
	log    []entry
	start  int64 // log[0] has this offset
	epochs []epochMark
	up     bool
	life   int64 // broker epoch
	cursor int   // version of the metadata it has applied, index into history
	asking bool  // a fetch is under way
}

func (n *node) end() int64 { return n.start + int64(len(n.log)) }

func (n *node) ends() LogEnds {
	e := LogEnds{Start: n.start, End: n.end(), Epoch: -1}
	if len(n.epochs) > 0 {
		e.Epoch = n.epochs[len(n.epochs)-1].epoch
	}
	return e
}

func (n *node) assign(epoch int32) {
	if n.ends().Epoch < epoch {
		n.epochs = append(n.epochs, epochMark{epoch, n.end()})
	}
}

func (n *node) truncate(to int64) {
	switch {
	case to < n.start:
		n.log, n.start = nil, to
	case to < n.end():
		n.log = slices.Clone(n.log[:to-n.start])
	}
	for len(n.epochs) > 0 && n.epochs[len(n.epochs)-1].start >= n.end() {
		n.epochs = slices.Clone(n.epochs[:len(n.epochs)-1])
	}
}

func (n *node) append(entries ...entry) {
	for _, e := range entries {
		n.assign(e.epoch)
		n.log = append(slices.Clip(n.log), e)
	}
}

// epochEnd is storage.Log.EpochEnd.
func (n *node) epochEnd(epoch int32) (int32, int64) {
	if len(n.epochs) == 0 {
		return -1, -1
	}
	if epoch < n.epochs[0].epoch {
		return epoch, n.epochs[0].start
	}
	at := len(n.epochs) - 1
	for n.epochs[at].epoch > epoch {
		at--
	}
	if at == len(n.epochs)-1 {
		return n.epochs[at].epoch, n.end()
	}
	return n.epochs[at].epoch, n.epochs[at+1].start
}

type messageKind uint8

const (
	msgFetch    messageKind = iota + 1 // follower to leader
	msgReading                         // the leader has read the first record of its answer
	msgAnswer                          // leader to follower
	msgProposal                        // leader to controller
	msgVerdict                         // controller to leader
)

type message struct {
	kind     messageKind
	from, to int32
	life     int64 // of the node that an answer or verdict is for, or that a fetch came from
	fetch    FollowerFetch
	upTo     int64
	answer   FetchAnswer
	records  []entry
	proposal *Proposal
	verdict  ProposalAnswer
}

// world is the whole cluster.
type world struct {
	without Guard
	now     time.Duration
	nodes   []*node // by id - 1
	history []*Assignment
	elr     []int32
	active  []bool
	lifes   int64
	msgs    []message

	committed []entry // everything some leader's high watermark ever covered
	values    byte
	broken    string // the first violation

	trace *strings.Builder // nil while enumerating
}

func newWorld(replicas, minISR int, without Guard) *world {
	w := &world{without: without}
	first := &Assignment{Leader: 1, LeaderEpoch: 1, PartitionEpoch: 0, MinISR: int32(minISR)}
	for i := range replicas {
		id := int32(i + 1)
		w.lifes++
		w.nodes = append(w.nodes, &node{id: id, up: true, life: w.lifes, cursor: -1,
			state: NewState(id, modelLag, LogEnds{Epoch: -1}, 0).Without(without)})
		w.active = append(w.active, true)
		first.Replicas = append(first.Replicas, id)
		first.ISR = append(first.ISR, id)
	}
	w.decide(first)
	return w
}

func (w *world) node(id int32) *node { return w.nodes[id-1] }

func (w *world) current() *Assignment { return w.history[len(w.history)-1] }

func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

// carry does what a node's State asked for.
func (w *world) carry(n *node, out []Output) {
	for i := 0; i < len(out); i++ {
		o := out[i]
		w.say("  %d: %s", n.id, describe(o))
		switch o.Kind {
		case OutLead:
			n.assign(o.Epoch)
		case OutFollow:
			n.asking = false
		case OutTruncate:
			n.truncate(o.Offset)
			out = n.state.LogChanged(n.ends(), out)
		case OutRestartAt:
			n.log, n.epochs, n.start = nil, nil, o.Offset
			out = n.state.LogChanged(n.ends(), out)
		case OutHighWatermark:
			w.check(n)
		case OutPropose, OutRetry:
			w.msgs = append(w.msgs, message{kind: msgProposal, from: n.id, life: n.life, proposal: o.Proposal})
		}
	}
	w.check(n)
}

// check looks for a broken promise.
func (w *world) check(n *node) {
	hw := n.state.HighWatermark()
	if n.state.Role() == RoleLeader && hw > int64(len(w.committed)) && w.agrees(n, int64(len(w.committed))) {
		w.committed = append(slices.Clip(w.committed), n.log[int64(len(w.committed))-n.start:hw-n.start]...)
	}
	if hw > int64(len(w.committed)) {
		w.violated("replica %d takes %d records for committed, of which only %d are", n.id, hw, len(w.committed))
	} else if !w.agrees(n, hw) {
		w.violated("replica %d has other records than were committed below its high watermark %d", n.id, hw)
	}
	a := w.current()
	for _, id := range slices.Concat(a.ISR, w.elr) {
		if c := w.node(id); c.up && (c.end() < int64(len(w.committed)) || !w.agrees(c, int64(len(w.committed)))) {
			w.violated("replica %d may be elected but lacks committed records: it has %s of %s", id, c.content(), show(w.committed))
		}
	}
}

func (w *world) violated(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.say("  VIOLATION: %s", w.broken)
	}
}

// agrees reports whether a node holds the committed records below upTo.
func (w *world) agrees(n *node, upTo int64) bool {
	for o := n.start; o < min(upTo, n.end()); o++ {
		if n.log[o-n.start] != w.committed[o] {
			return false
		}
	}
	return true
}

// decide makes a the partition's metadata.
func (w *world) decide(a *Assignment) {
	a.Brokers = nil
	for i, n := range w.nodes {
		a.Brokers = append(a.Brokers, Broker{ID: n.id, Epoch: n.life, Active: w.active[i]})
	}
	w.history = append(w.history, a)
	w.say("  controller: leader %d epoch %d isr %s elr %s version %d", a.Leader, a.LeaderEpoch, idList(a.ISR), idList(w.elr), a.PartitionEpoch)
	w.check(w.nodes[0])
}

// setISR changes the ISR, keeps the ELR (KIP-966) and elects if the leader left.
func (w *world) setISR(isr []int32, lost int32) { w.change(isr, lost, w.current().MinISR, false) }

// setMinISR changes min.insync.replicas.
func (w *world) setMinISR(minISR int32) {
	w.change(w.current().ISR, 0, minISR, w.without&GuardMinISREpoch == 0)
}

// change changes the partition, in a new partition epoch if asked or needed.
func (w *world) change(isr []int32, lost int32, minISR int32, newEpoch bool) {
	old := w.current()
	a := *old
	a.MinISR = minISR
	oldELR, elr := w.elr, slices.Clone(w.elr)
	for _, id := range old.ISR {
		if !slices.Contains(isr, id) && !slices.Contains(elr, id) {
			elr = append(elr, id)
		}
	}
	elr = slices.DeleteFunc(elr, func(id int32) bool { return id == lost || slices.Contains(isr, id) })
	if len(isr) >= int(minISR) {
		elr = nil
	}
	w.elr = elr
	a.ISR = slices.Clone(isr)
	if a.Leader != noLeader && !slices.Contains(a.ISR, a.Leader) {
		w.elect(&a)
	}
	if newEpoch || !slices.Equal(a.ISR, old.ISR) || !slices.Equal(oldELR, w.elr) || a.LeaderEpoch != old.LeaderEpoch {
		a.PartitionEpoch++
	}
	w.decide(&a)
}

func (w *world) elect(a *Assignment) {
	a.LeaderEpoch++
	a.Leader = noLeader
	for _, id := range a.ISR {
		if w.active[id-1] {
			a.Leader = id
			return
		}
	}
	for _, id := range w.elr {
		if w.active[id-1] && len(a.ISR) == 0 {
			a.Leader, a.ISR = id, []int32{id}
			w.elr = slices.DeleteFunc(slices.Clone(w.elr), func(e int32) bool { return e == id })
			if len(a.ISR) >= int(a.MinISR) {
				w.elr = nil
			}
			return
		}
	}
}

// --- what the test can make happen ---

func (w *world) append(id int32) {
	n := w.node(id)
	w.values++
	n.append(entry{n.state.LeaderEpoch(), 'a' + w.values - 1})
	w.carry(n, n.state.Appended(w.now, n.ends(), nil))
}

// sendFetch makes a follower ask its leader.
func (w *world) sendFetch(id int32) {
	n := w.node(id)
	n.asking = true
	ends := n.state.Log()
	w.msgs = append(w.msgs, message{kind: msgFetch, from: id, to: n.state.Leader(), life: n.life, fetch: FollowerFetch{
		Replica: id, BrokerEpoch: n.life, LeaderEpoch: n.state.LeaderEpoch(), Offset: ends.End, LastEpoch: ends.Epoch}})
}

func (w *world) take(at int) message {
	m := w.msgs[at]
	w.msgs = slices.Delete(slices.Clone(w.msgs), at, at+1)
	return m
}

// deliver brings message number at to where it goes. Messages to the dead are lost.
func (w *world) deliver(at int) {
	m := w.take(at)
	switch m.kind {
	case msgFetch:
		w.deliverFetch(m)
	case msgReading:
		n := w.node(m.to)
		for o := m.fetch.Offset + int64(len(m.records)); o < min(m.upTo, n.end()); o++ {
			m.records = append(slices.Clip(m.records), n.log[o-n.start])
		}
		w.answer(m)
	case msgAnswer:
		w.deliverAnswer(m)
	case msgProposal:
		w.deliverProposal(m)
	case msgVerdict:
		if n := w.node(m.to); n.up && n.life == m.life {
			w.carry(n, n.state.ProposalAnswered(w.now, m.verdict, nil))
		}
	}
}

func (w *world) deliverFetch(m message) {
	n := w.node(m.to)
	if !n.up {
		w.release(m)
		return
	}
	m.fetch.FoundEpoch, m.fetch.FoundEnd = -1, -1
	if m.fetch.LastEpoch >= 0 {
		m.fetch.FoundEpoch, m.fetch.FoundEnd = n.epochEnd(m.fetch.LastEpoch)
	}
	out := n.state.Fetch(w.now, m.fetch, nil)
	w.carry(n, out)
	m.answer = FetchAnswer{AskedEpoch: m.fetch.LeaderEpoch, AskedOffset: m.fetch.Offset, AskedLast: m.fetch.LastEpoch,
		HighWatermark: n.state.HighWatermark(), LogStart: n.start, HighestEpoch: -1}
	switch verdict := out[0]; verdict.Kind {
	case OutReject:
		m.answer.Code = verdict.Code
		w.answer(m)
	case OutDiverging:
		m.answer.Diverging, m.answer.DivergingEpoch, m.answer.DivergingEnd = true, verdict.Epoch, verdict.Offset
		w.answer(m)
	default:
		m.kind, m.upTo = msgReading, n.end()
		if m.fetch.Offset < m.upTo {
			m.records = []entry{n.log[m.fetch.Offset-n.start]}
		}
		if m.fetch.Offset+1 >= m.upTo {
			w.answer(m)
			return
		}
		w.msgs = append(w.msgs, m)
	}
}

func (w *world) answer(m message) {
	m.kind, m.from, m.to = msgAnswer, m.to, m.from
	w.msgs = append(w.msgs, m)
}

// release lets a follower ask again whose request came to nothing.
func (w *world) release(m message) {
	id := m.fetch.Replica
	if n := w.node(id); n.life == m.life {
		n.asking = false
	}
}

func (w *world) deliverAnswer(m message) {
	n := w.node(m.to)
	if !n.up || n.life != m.life {
		return
	}
	n.asking = false
	m.answer.HasRecords = len(m.records) > 0
	for _, e := range m.records {
		m.answer.HighestEpoch = max(m.answer.HighestEpoch, e.epoch)
	}
	if m.answer.Diverging {
		m.answer.OwnEpoch, m.answer.OwnEnd = n.epochEnd(m.answer.DivergingEpoch)
	}
	out := n.state.Answered(m.answer, nil)
	if len(out) > 0 && out[0].Kind == OutAppend {
		if m.fetch.Offset != n.end() || m.records[0].epoch < n.ends().Epoch {
			w.say("  %d: the log refuses the records", n.id)
			return
		}
		n.append(m.records...)
		out = n.state.Appended(w.now, n.ends(), out)
		out = n.state.Replicated(m.answer, out)
	}
	w.carry(n, out)
}

func (w *world) deliverProposal(m message) {
	a, p := w.current(), m.proposal
	verdict := ProposalAnswer{Proposal: p}
	var isr []int32
	for _, member := range p.ISR {
		isr = append(isr, member.ID)
		if !w.active[member.ID-1] || member.Epoch >= 0 && member.Epoch != w.node(member.ID).life {
			verdict.Code = kerr.IneligibleReplica.Code
		}
	}
	switch {
	case p.LeaderEpoch != a.LeaderEpoch || m.from != a.Leader:
		verdict.Code = kerr.FencedLeaderEpoch.Code
	case p.PartitionEpoch != a.PartitionEpoch:
		verdict.Code = kerr.InvalidUpdateVersion.Code
	case verdict.Code == 0:
		w.change(isr, 0, a.MinISR, true)
	}
	if verdict.Code != 0 {
		w.say("  controller: refuses: %s", kerr.ErrorForCode(verdict.Code).(*kerr.Error).Message)
	}
	a = w.current()
	verdict.LeaderEpoch, verdict.PartitionEpoch, verdict.ISR = a.LeaderEpoch, a.PartitionEpoch, a.ISR
	w.msgs = append(w.msgs, message{kind: msgVerdict, to: m.from, life: m.life, verdict: verdict})
}

// metadata brings a node the metadata of one version, which may skip some.
func (w *world) metadata(id int32, version int) {
	n := w.node(id)
	n.cursor = version
	w.carry(n, n.state.Metadata(w.now, w.history[version], nil))
}

// fence makes the controller lose sight of a broker.
func (w *world) fence(id int32) {
	w.active[id-1] = false
	a := w.current()
	isr := slices.DeleteFunc(slices.Clone(a.ISR), func(i int32) bool { return i == id })
	w.setISR(isr, 0)
}

// unfence makes the controller see it again.
func (w *world) unfence(id int32) {
	w.active[id-1] = true
	a := *w.current()
	if a.Leader == noLeader {
		if w.elect(&a); a.Leader == noLeader {
			a.LeaderEpoch--
		} else {
			a.PartitionEpoch++
		}
	}
	w.decide(&a)
}

// prefer moves the leadership to a member of the ISR.
func (w *world) prefer(id int32) {
	a := *w.current()
	a.Leader, a.LeaderEpoch, a.PartitionEpoch = id, a.LeaderEpoch+1, a.PartitionEpoch+1
	w.decide(&a)
}

func (w *world) crash(id int32) { w.node(id).up = false }

// restart brings a broker back with a new registration, without its last lose
// records, and out of the ISR (KIP-966).
func (w *world) restart(id int32, lose int64) {
	n := w.node(id)
	hw := n.state.HighWatermark()
	n.truncate(n.end() - lose)
	w.lifes++
	n.up, n.asking, n.life = true, false, w.lifes
	n.state = NewState(id, modelLag, n.ends(), hw).Without(w.without)
	w.active[id-1] = true
	isr := slices.DeleteFunc(slices.Clone(w.current().ISR), func(i int32) bool { return i == id })
	w.setISR(isr, id)
	n.cursor = len(w.history) - 2
}

// unanswered makes a leader give up waiting for the answer to its proposal,
// which may still arrive at the controller, and send it again.
func (w *world) unanswered(id int32) {
	n := w.node(id)
	w.carry(n, n.state.ProposalAnswered(w.now, ProposalAnswer{Proposal: n.state.Pending(), Code: kerr.RequestTimedOut.Code}, nil))
}

// lag lets so much time pass that a leader drops followers behind its end.
func (w *world) lag(id int32) {
	w.now += modelLag + time.Millisecond
	n := w.node(id)
	w.carry(n, n.state.Tick(w.now, nil))
}

// --- showing ---

func describe(o Output) string {
	switch o.Kind {
	case OutLead:
		return fmt.Sprintf("leads epoch %d from offset %d", o.Epoch, o.Offset)
	case OutFollow:
		return fmt.Sprintf("follows %d in epoch %d", o.Leader, o.Epoch)
	case OutStartFetch:
		return fmt.Sprintf("fetches from %d in epoch %d", o.Leader, o.Epoch)
	case OutStopFetch:
		return "stops fetching"
	case OutTruncate:
		return fmt.Sprintf("truncates to %d", o.Offset)
	case OutRestartAt:
		return fmt.Sprintf("starts its log over at %d", o.Offset)
	case OutAppend:
		return "appends"
	case OutTrimTo:
		return fmt.Sprintf("trims to %d", o.Offset)
	case OutHighWatermark:
		return fmt.Sprintf("high watermark %d", o.Offset)
	case OutISR:
		return "isr changed"
	case OutPropose, OutRetry:
		var ids []int32
		for _, m := range o.Proposal.ISR {
			ids = append(ids, m.ID)
		}
		return fmt.Sprintf("proposes isr %s", idList(ids))
	case OutServe:
		return "serves the fetch"
	case OutDiverging:
		return fmt.Sprintf("answers: diverging after epoch %d, which ends at %d", o.Epoch, o.Offset)
	case OutReject:
		return "refuses: " + kerr.ErrorForCode(o.Code).(*kerr.Error).Message
	case OutIgnore:
		return "ignores it"
	case OutBackOff:
		return "backs off"
	}
	return "?"
}

func show(log []entry) string {
	if len(log) == 0 {
		return "-"
	}
	var b strings.Builder
	for i, e := range log {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d%c", e.epoch, e.value)
	}
	return b.String()
}

func (n *node) content() string {
	if n.start > 0 {
		return fmt.Sprintf("(from %d) %s", n.start, show(n.log))
	}
	return show(n.log)
}

func (w *world) status() string {
	var b strings.Builder
	for _, n := range w.nodes {
		down := ""
		if !n.up {
			down = " down"
		}
		fmt.Fprintf(&b, "%d: %-8s epoch %d hw %d log %s", n.id, n.state.Role(), n.state.LeaderEpoch(), n.state.HighWatermark(), n.content())
		if n.state.Role() == RoleLeader {
			fmt.Fprintf(&b, " isr %s maximal %s", idList(n.state.ISR()), idList(n.state.MaximalISR()))
		}
		b.WriteString(down + "\n")
	}
	a := w.current()
	fmt.Fprintf(&b, "controller: leader %d epoch %d isr %s elr %s version %d\n", a.Leader, a.LeaderEpoch, idList(a.ISR), idList(w.elr), a.PartitionEpoch)
	fmt.Fprintf(&b, "committed: %s\n", show(w.committed))
	return b.String()
}
