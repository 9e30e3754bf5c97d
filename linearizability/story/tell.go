package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Story is how it came to a finding.
type Story struct {
	// Offset is the record that it follows, None if it follows none, and Epoch the
	// leader epoch that it was appended in, None if not known.
	Offset int64  `json:"offset"`
	Epoch  int32  `json:"epoch"`
	Steps  []Step `json:"steps"`
	// Lost is when the record was gone for whoever asks the leader, 0 if it never
	// was.
	Lost time.Duration `json:"lost,omitempty"`
}

// Step is one thing that happened.
type Step struct {
	At   time.Duration `json:"at"`
	Node string        `json:"node"` // "broker-2", "client 7", "controller"
	Text string        `json:"text"`
	// Wrong marks what Kafka rules out.
	Wrong bool `json:"wrong,omitempty"`
	// Line of events.jsonl that says so, 0 if it is read off something else.
	Line int `json:"line,omitempty"`

	weight int // what is left out first has the least
	order  int // among steps of the same time: causes first
}

// Bounds of the number of steps.
const (
	mostSteps  = 15
	fewestTold = 5
)

// weights of steps.
const (
	aside = iota + 1
	useful
	causal
	essential
)

// orders of steps at the same time.
const (
	sending = iota
	appending
	copying
	committing
	answering
	usual
	judging
)

// Tell tells the story of a case.
func Tell(c Case) Story {
	t := &teller{Case: c, tp: linearizability.TopicPartition{Topic: c.Finding.Topic, Partition: c.Finding.Partition}, offset: c.Finding.Offset, epoch: linearizability.None}
	if c.History == nil {
		t.History = &linearizability.History{}
	}
	t.prepare()
	if c.Finding.Topic != "" && t.offset != linearizability.None {
		t.record()
	}
	t.cluster()
	end := max(t.end, c.Finding.Time)
	for _, s := range t.steps {
		end = max(end, s.At)
	}
	t.add(essential, end, "the judge", c.Finding.Sentence, 0).order = judging
	return Story{Offset: t.offset, Epoch: t.epoch, Steps: t.chosen(), Lost: t.lost}
}

// teller is a story in the making.
type teller struct {
	Case
	tp     linearizability.TopicPartition
	offset int64
	epoch  int32

	brokers []int32 // that were seen
	seen    map[int32][]Sighting
	states  []linearizability.PartitionState
	lines   map[string]int // of faults and changes of metadata

	sent      *linearizability.SendOp
	begin     time.Duration // of what matters
	committed time.Duration // Never if it was not
	lost      time.Duration // 0 if it was not
	end       time.Duration
	steps     []Step
}

func (t *teller) prepare() {
	t.seen = map[int32][]Sighting{}
	for _, s := range t.Replicas {
		if t.seen[s.Broker] == nil {
			t.brokers = append(t.brokers, s.Broker)
		}
		t.seen[s.Broker] = append(t.seen[s.Broker], s)
	}
	slices.Sort(t.brokers)
	for _, s := range t.History.States {
		if s.Topic == t.tp.Topic && s.Partition == t.tp.Partition {
			t.states = append(t.states, s)
		}
	}
	t.lines = map[string]int{}
	for _, e := range t.Events {
		switch {
		case e.Partition != nil:
			t.lines[stateKey(*e.Partition)] = e.Line
		case e.Name == "fault-begins":
			t.lines[faultKey(e.Time, e.word("kind"), e.word("detail"))] = e.Line
		}
	}
	t.committed = Never
	t.end = t.Finding.Time
}

func stateKey(s linearizability.PartitionState) string {
	return fmt.Sprint(s.Topic, s.Partition, s.PartitionEpoch, s.LeaderEpoch)
}

func faultKey(at time.Duration, kind, detail string) string { return fmt.Sprint(at, kind, detail) }

func (t *teller) add(weight int, at time.Duration, node, text string, line int) *Step {
	t.steps = append(t.steps, Step{At: at, Node: node, Text: text, Line: line, weight: weight, order: usual})
	return &t.steps[len(t.steps)-1]
}

func (t *teller) wrong(at time.Duration, node, text string, line int) {
	t.add(essential, at, node, text, line).Wrong = true
}

// chosen are the steps that are told, in order of time.
func (t *teller) chosen() []Step {
	slices.SortStableFunc(t.steps, func(a, b Step) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.order, b.order)) })
	for weight := aside; weight < essential; weight++ {
		for i := len(t.steps) - 1; i >= 0 && len(t.steps) > mostSteps; i-- {
			if t.steps[i].weight == weight {
				t.steps = slices.Delete(t.steps, i, i+1)
			}
		}
	}
	if extra := len(t.steps) - mostSteps; extra > 0 { // too many that are essential: the middle says least
		t.steps = slices.Delete(t.steps, mostSteps-6, mostSteps-6+extra)
	}
	return t.steps
}

// at is how a replica stood at a time; not up if it was never seen.
func (t *teller) at(broker int32, when time.Duration) Sighting {
	s := Sighting{Broker: broker}
	for _, next := range t.seen[broker] {
		if next.At > when {
			break
		}
		s = next
	}
	return s
}

// state is the metadata in force at a time.
func (t *teller) state(when time.Duration) linearizability.PartitionState {
	var s linearizability.PartitionState
	for _, next := range t.states {
		if next.Time > when {
			break
		}
		s = next
	}
	return s
}

// record follows the record at the offset until it is gone.
func (t *teller) record() {
	t.findSend()
	t.findCommit()
	if t.sent != nil {
		t.begin = t.sent.Call
	}
	first := time.Duration(Never)
	for _, b := range t.brokers {
		for _, s := range t.seen[b] {
			if s.holds(t.offset, t.epoch) && (first == Never || s.At < first) {
				first = s.At
			}
		}
	}
	if t.sent == nil {
		t.begin = max(0, first)
	}
	t.findLoss()
	t.tellSend()
	t.tellCopies()
	t.tellCommit()
	t.tellCuts()
	t.tellRewrite()
}

// findSend finds who was told that its record is at the offset.
func (t *teller) findSend() {
	pick := func(op *linearizability.SendOp, offset int64) {
		if op.TP == t.tp && op.Outcome == linearizability.OK && offset == t.offset && (t.sent == nil || op.Return < t.sent.Return) {
			t.sent = op
		}
	}
	for i := range t.History.Sends {
		pick(&t.History.Sends[i], t.History.Sends[i].Offset)
	}
	for i := range t.History.Batches {
		b := &t.History.Batches[i]
		for _, r := range b.Runs {
			if t.offset >= r.Offset && t.offset < r.Offset+r.Count {
				one := b.SendOp
				one.Value, one.Offset = r.Value+t.offset-r.Offset, t.offset
				pick(&one, t.offset)
			}
		}
	}
}

// findCommit finds when a leader's high watermark passed the record first, and
// so in which epoch the record was appended.
func (t *teller) findCommit() {
	for _, b := range t.brokers {
		for _, s := range t.seen[b] {
			if s.Up && s.Leader && s.High > t.offset && (t.committed == Never || s.At < t.committed) {
				t.committed, t.epoch = s.At, s.epochAt(t.offset)
			}
		}
	}
	if t.committed != Never || t.sent == nil {
		return
	}
	for _, b := range t.brokers { // acks=1: whoever answered
		if s := t.at(b, t.sent.Return); s.Leader && s.holds(t.offset, linearizability.None) {
			t.epoch = s.epochAt(t.offset)
		}
	}
}

// findLoss finds when a leader did not have the record any more.
func (t *teller) findLoss() {
	from := max(t.begin, t.committed)
	if t.committed == Never && t.sent != nil {
		from = t.sent.Return
	}
	for _, b := range t.brokers {
		for _, s := range t.seen[b] {
			if s.At > from && s.Up && s.Leader && s.LeaderEpoch > t.epoch && !s.holds(t.offset, t.epoch) && s.Start <= t.offset && (t.lost == 0 || s.At < t.lost) {
				t.lost = s.At
			}
		}
	}
	t.end = max(t.end, t.lost)
}

func (t *teller) tellSend() {
	if t.sent == nil {
		return
	}
	s := t.sent
	value := ""
	if s.Value != linearizability.None {
		value = fmt.Sprintf(" (value %d)", s.Value)
	}
	client := fmt.Sprintf("client %d", s.Process)
	t.add(causal, s.Call, client, fmt.Sprintf("%s sends a record%s to %s with acks=%s", client, value, t.tp, acks(s.Acks)), 0).order = sending
	who := "the leader"
	if s.Broker != linearizability.None {
		who = name(s.Broker)
	}
	t.add(essential, s.Return, client, fmt.Sprintf("%s acknowledges it to %s: it is at offset %d", who, client, t.offset), 0).order = answering
}

func acks(a int16) string {
	if a == -1 {
		return "all"
	}
	return fmt.Sprint(a)
}

func name(broker int32) string { return fmt.Sprintf("broker-%d", broker) }

// list names brokers.
func list(ids []int32) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	switch len(ids) {
	case 0:
		return "no broker"
	case 1:
		return "broker " + words[0]
	}
	return "brokers " + strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// tellCopies tells who got the record before it was lost.
func (t *teller) tellCopies() {
	until := t.end
	if t.lost > 0 {
		until = t.lost
	}
	for _, b := range t.brokers {
		for i, s := range t.seen[b] {
			if s.At > until || !s.holds(t.offset, t.epoch) || s.At < t.begin {
				continue
			}
			if i > 0 && t.seen[b][i-1].holds(t.offset, t.epoch) {
				continue
			}
			if s.Leader {
				t.add(causal, t.beforeAnswer(s.At), name(b), fmt.Sprintf("broker %d, the leader in epoch %d, appends it at offset %d", b, s.LeaderEpoch, t.offset), 0).order = appending
			} else {
				t.add(useful, s.At, name(b), fmt.Sprintf("broker %d has copied it", b), 0).order = copying
			}
			break
		}
	}
}

// justSeen is how much later than it happens something may be seen.
const justSeen = 25 * time.Millisecond

// beforeAnswer is when something was seen that must have happened before the
// record was acknowledged.
func (t *teller) beforeAnswer(seen time.Duration) time.Duration {
	if t.sent != nil && seen > t.sent.Return && seen-t.sent.Return < justSeen {
		return t.sent.Return
	}
	return seen
}

// tellCommit tells how the record was committed, and whether by all who had to
// hold it.
func (t *teller) tellCommit() {
	if t.committed == Never {
		return
	}
	leader, isr := int32(linearizability.None), t.state(t.committed).ISR
	for _, b := range t.brokers {
		if s := t.at(b, t.committed); s.Up && s.Leader && s.High > t.offset && s.At == t.committed {
			leader = b
		}
	}
	var with, without []int32
	asked := t.at(leader, t.committed).ISR // with a proposed expansion
	for _, b := range t.brokers {
		s := t.at(b, t.committed)
		switch {
		case s.holds(t.offset, t.epoch):
			with = append(with, b)
		case s.Up && (slices.Contains(isr, b) || slices.Contains(asked, b)):
			without = append(without, b)
		}
	}
	text := fmt.Sprintf("the high watermark of broker %d, leader in epoch %d, passes it: it is committed, by %s; the ISR is %v", leader, t.at(leader, t.committed).LeaderEpoch, list(with), isr)
	if len(without) == 0 {
		at := t.committed
		if t.sent != nil && t.sent.Acks == -1 {
			at = t.beforeAnswer(at)
		}
		t.add(causal, at, name(leader), text, 0).order = committing
		return
	}
	var why []string
	for _, b := range without {
		s := t.at(b, t.committed)
		how := "which is in it"
		if !slices.Contains(isr, b) {
			how = fmt.Sprintf("which the leader has asked to take in (%v)", asked)
			t.tellAsking(leader, b)
		}
		switch epoch := s.epochAt(t.offset); {
		case epoch != linearizability.None:
			why = append(why, fmt.Sprintf("broker %d, %s, holds a record of epoch %d there", b, how, epoch))
		default:
			why = append(why, fmt.Sprintf("the log of broker %d, %s, ends at %d", b, how, s.End))
		}
	}
	t.wrong(t.committed, name(leader), text+", but "+strings.Join(why, ", and "), 0)
	t.tellProgress(without)
}

// tellAsking tells how a leader asked for a replica to be taken into the ISR.
func (t *teller) tellAsking(leader, replica int32) {
	var last *Message
	for i := range t.Messages {
		if m := &t.Messages[i]; m.API == "AlterPartition" && !m.Answer && m.From == name(leader) && m.Sent <= t.committed && slices.Contains(m.ISR, replica) {
			last = m
		}
	}
	if last != nil {
		t.add(causal, last.Sent, last.From, fmt.Sprintf("broker %d asks the controller to take broker %d into the ISR (%s)", leader, replica, last.Text), 0)
	}
}

// tellProgress tells what of a replica's fetches the leader may have taken for
// progress that it was not, and what of its own proposals it had not heard.
func (t *teller) tellProgress(without []int32) {
	for _, b := range without {
		var last *Message
		for i := range t.Messages {
			if m := &t.Messages[i]; m.Answer && m.Diverging && m.To == name(b) && m.Sent <= t.committed && m.Sent >= t.committed-5*time.Second {
				last = m
			}
		}
		if last != nil {
			t.add(causal, last.Sent, last.From, fmt.Sprintf("%s answers a fetch of broker %d that their logs diverge (%s)", last.From, b, last.Text), 0)
		}
	}
}

// tellCuts tells who lost the record from its log, and what it knew.
func (t *teller) tellCuts() {
	for _, e := range t.Events {
		if e.Name != "truncate" && e.Name != "restart-log" || !e.of(t.tp) || e.Time < t.begin || e.Time > t.end {
			continue
		}
		from, to := e.number("from"), e.number("to")
		if t.offset < to || t.offset >= from {
			continue
		}
		broker := brokerOf(e.Node)
		before := t.at(broker, e.Time-1)
		if t.epoch != linearizability.None && before.Up && !before.holds(t.offset, t.epoch) {
			continue // it held another record there
		}
		text := fmt.Sprintf("broker %d, follower in epoch %d, cuts its log from offset %d back to %d", broker, e.number("epoch"), from, to)
		if hw := e.number("hw"); hw != linearizability.None {
			text += fmt.Sprintf(": it believed everything below %d to be committed", hw)
		}
		if high, who := t.truth(e.Time); high > to {
			t.wrong(e.Time, e.Node, fmt.Sprintf("%s; %s had committed everything below %d", text, who, high), e.Line)
		} else {
			t.add(essential, e.Time, e.Node, text, e.Line)
		}
		t.tellBelief(broker, e.Time)
	}
	for _, b := range t.brokers {
		for i := 1; i < len(t.seen[b]); i++ {
			s := t.seen[b][i]
			if s.At < t.begin || s.At > t.end || !s.Up || t.seen[b][i-1].Up {
				continue
			}
			if s.holds(t.offset, t.epoch) {
				t.tellMemory(b, s, t.lastUp(b, i))
				continue
			}
			had := t.lastUp(b, i)
			if had != nil && had.holds(t.offset, t.epoch) {
				t.add(essential, s.At, name(b), fmt.Sprintf("broker %d comes back with its log ending at %d, not at %d: the record at %d is gone from its disk", b, s.End, had.End, t.offset), t.recoveryLine(b, s.At))
			}
		}
	}
}

// tellMemory tells of a replica that comes back with the record and does not know
// any more that it is committed.
func (t *teller) tellMemory(b int32, s Sighting, had *Sighting) {
	if had != nil && had.High > t.offset && s.High <= t.offset {
		t.add(causal, s.At, name(b), fmt.Sprintf("broker %d is back with its log up to %d; the high watermark that it had written down is %d", b, s.End, s.High), t.recoveryLine(b, s.At))
	}
}

// lastUp is the last sighting of a broker before the ith at which it ran.
func (t *teller) lastUp(broker int32, i int) *Sighting {
	for i--; i >= 0; i-- {
		if s := &t.seen[broker][i]; s.Up {
			return s
		}
	}
	return nil
}

func (t *teller) recoveryLine(broker int32, by time.Duration) int {
	line := 0
	for _, e := range t.Events {
		if e.Time > by {
			break
		}
		if e.Name == "recovered" && e.Node == name(broker) && e.of(t.tp) {
			line = e.Line
		}
	}
	return line
}

// truth is how much leaders had committed by a time, and which of them.
func (t *teller) truth(by time.Duration) (int64, string) {
	high, who := int64(0), ""
	for _, b := range t.brokers {
		for _, s := range t.seen[b] {
			if s.At <= by && s.Up && s.Leader && s.High > high {
				high, who = s.High, fmt.Sprintf("broker %d, leader in epoch %d,", b, s.LeaderEpoch)
			}
		}
	}
	return high, who
}

// tellBelief tells which message would have told a replica that the record was
// committed, or what it had heard last.
func (t *teller) tellBelief(broker int32, by time.Duration) {
	var late, heard *Message
	for i := range t.Messages {
		m := &t.Messages[i]
		if !m.Answer || m.To != name(broker) || m.Sent > by || m.High == linearizability.None {
			continue
		}
		switch {
		case m.Arrives(by):
			heard = m
		case m.High > t.offset && late == nil:
			late = m
		}
	}
	if heard != nil {
		t.add(useful, heard.Arrived, name(broker), fmt.Sprintf("the last answer that broker %d gets from %s tells it of high watermark %d", broker, heard.From, heard.High), 0)
	}
	if late == nil {
		return
	}
	how := "never arrives"
	if late.Arrived != Never {
		how = fmt.Sprintf("arrives only at %s", clock(late.Arrived))
	}
	t.add(causal, late.Sent, late.From, fmt.Sprintf("%s sends broker %d the answer that says so (high watermark %d); it %s", late.From, broker, late.High, how), 0)
}

// tellRewrite tells what came where the record was.
func (t *teller) tellRewrite() {
	var first *Sighting
	for _, b := range t.brokers {
		for i := range t.seen[b] {
			s := &t.seen[b][i]
			if s.At > t.begin && s.Up && s.Leader && s.epochAt(t.offset) > t.epoch && t.epoch != linearizability.None && (first == nil || s.At < first.At) {
				first = s
			}
		}
	}
	if first != nil {
		t.add(causal, first.At, name(first.Broker), fmt.Sprintf("broker %d writes offset %d anew, in epoch %d", first.Broker, t.offset, first.epochAt(t.offset)), 0)
		t.end = max(t.end, first.At)
	}
}

// brokerOf is the number in a broker's name, None if there is none.
func brokerOf(node string) int32 {
	var n int32
	if _, err := fmt.Sscanf(node, "broker-%d", &n); err != nil {
		return linearizability.None
	}
	return n
}

// clock writes a time as reports do.
func clock(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
