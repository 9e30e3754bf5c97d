package story

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// lead is how long before a story's record what the cluster went through is
// told too: what it still suffers from.
const lead = time.Second

// cluster tells of faults, elections and changes of the ISR while the record
// was there; without a record, of the last ones before the finding.
func (t *teller) cluster() {
	from, until := t.begin-lead, t.end
	if t.begin == 0 && t.sent == nil {
		from = t.Finding.Time - 10*time.Second
	}
	if t.lost > 0 {
		until = t.lost
		for _, s := range t.steps { // and what cut the record elsewhere
			if s.weight == essential {
				until = max(until, s.At)
			}
		}
	}
	for i := range t.History.Faults {
		t.tellFault(&t.History.Faults[i], from, until)
	}
	for i := 1; i < len(t.states); i++ {
		if s := t.states[i]; s.Time >= from && s.Time <= until {
			t.tellState(t.states[i-1], s)
		}
	}
	t.tellLateProposals(from, until)
}

func (t *teller) tellFault(f *linearizability.Fault, from, until time.Duration) {
	if f.Start > until || f.End < from && f.End != 0 || f.Start < from && f.End == 0 {
		return
	}
	weight := useful
	if f.Start >= from {
		weight = causal
	}
	if len(t.brokers) > 0 && !slices.ContainsFunc(f.Brokers, func(b int32) bool { return slices.Contains(t.brokers, b) }) {
		weight = aside
	}
	text := fmt.Sprintf("%s: %s", f.Kind, f.Detail)
	if f.Detail == "" {
		text = fmt.Sprintf("%s of %s", f.Kind, list(f.Brokers))
	}
	if f.End > f.Start {
		text += fmt.Sprintf(", until %s", clock(f.End))
	}
	for i := range f.Recovered {
		r := &f.Recovered[i]
		if r.Topic != t.tp.Topic || r.Partition != t.tp.Partition {
			continue
		}
		text += fmt.Sprintf("; it takes what broker %d had from offset %d on", r.Broker, r.LogEnd)
		if r.LogEnd <= t.offset {
			weight = essential
		}
	}
	node := "the cluster"
	if len(f.Brokers) == 1 {
		node = name(f.Brokers[0])
	}
	t.add(weight, f.Start, node, text, t.lines[faultKey(f.Start, string(f.Kind), f.Detail)])
}

// tellState tells of an election or of a change of the ISR, and whether whom it
// trusts has the record.
func (t *teller) tellState(before, s linearizability.PartitionState) {
	line := t.lines[stateKey(s)]
	sets := fmt.Sprintf("ISR %v", s.ISR)
	if len(s.ELR) > 0 {
		sets += fmt.Sprintf(", ELR %v", s.ELR)
	}
	gone := t.committed != Never && s.Time > t.committed // the record has to stay
	if s.LeaderEpoch > before.LeaderEpoch && s.Leader != linearizability.None {
		text := fmt.Sprintf("the controller makes broker %d leader in epoch %d (before: %s in epoch %d); %s", s.Leader, s.LeaderEpoch, list(existing(before.Leader)), before.LeaderEpoch, sets)
		heir := t.at(s.Leader, s.Time)
		if t.offset == linearizability.None || len(t.brokers) == 0 || heir.holds(t.offset, t.epoch) || !gone {
			t.add(causal, s.Time, "controller", text, line)
			return
		}
		trusted := "could not be elected cleanly"
		if slices.Contains(before.ISR, s.Leader) || slices.Contains(before.ELR, s.Leader) {
			trusted = fmt.Sprintf("counts as complete (ISR %v, ELR %v)", before.ISR, before.ELR)
		}
		lacks := fmt.Sprintf("its log ends at %d", heir.End)
		if epoch := heir.epochAt(t.offset); epoch != linearizability.None {
			lacks = fmt.Sprintf("it has a record of epoch %d there", epoch)
		}
		if !heir.Up {
			lacks = "it does not run"
		}
		t.wrong(s.Time, "controller", fmt.Sprintf("%s. It %s, but lacks the record: %s", text, trusted, lacks), line)
		return
	}
	var joined, left []int32
	for _, b := range s.ISR {
		if !slices.Contains(before.ISR, b) {
			joined = append(joined, b)
		}
	}
	for _, b := range before.ISR {
		if !slices.Contains(s.ISR, b) {
			left = append(left, b)
		}
	}
	switch {
	case len(joined) > 0:
		text := fmt.Sprintf("the controller takes %s into the ISR: %s, leader epoch %d", list(joined), sets, s.LeaderEpoch)
		for _, b := range joined {
			if r := t.at(b, s.Time); t.offset != linearizability.None && gone && r.Up && !r.holds(t.offset, t.epoch) {
				t.wrong(s.Time, "controller", fmt.Sprintf("%s. Broker %d lacks the record, which is committed: its log ends at %d", text, b, r.End), line)
				return
			}
		}
		t.add(causal, s.Time, "controller", text, line)
	case len(left) > 0:
		t.add(causal, s.Time, "controller", fmt.Sprintf("the controller takes %s out of the ISR: %s, leader epoch %d", list(left), sets, s.LeaderEpoch), line)
	case s.Leader != before.Leader:
		t.add(causal, s.Time, "controller", fmt.Sprintf("the partition has no leader: %s", sets), line)
	default:
		t.add(aside, s.Time, "controller", fmt.Sprintf("the eligible leader replicas change: %s", sets), line)
	}
}

func existing(broker int32) []int32 {
	if broker == linearizability.None {
		return nil
	}
	return []int32{broker}
}

// overdue is when an answer of the controller is late enough to be told of.
const overdue = 100 * time.Millisecond

// tellLateProposals tells of changes of the ISR whose leader learnt late, or
// never, what had become of them.
func (t *teller) tellLateProposals(from, until time.Duration) {
	for i := range t.Messages {
		m := &t.Messages[i]
		if m.API != "AlterPartition" || m.Sent < from || m.Sent > until {
			continue
		}
		took := m.Arrived - m.Sent
		switch late := m.Arrived == Never || took > overdue; {
		case !late:
		case m.Answer:
			t.add(causal, m.Sent, m.From, fmt.Sprintf("the controller's answer about the ISR (%s) %s", m.Text, whenArrives(m)), 0)
		default:
			t.add(causal, m.Sent, m.From, fmt.Sprintf("%s asks the controller for another ISR (%s); the request %s", m.From, m.Text, whenArrives(m)), 0)
		}
	}
}

func whenArrives(m *Message) string {
	if m.Arrived == Never {
		return "never arrives"
	}
	return "arrives only at " + clock(m.Arrived)
}

// Told says whether a story has the steps that make it one.
func (s *Story) Told() bool { return len(s.Steps) >= fewestTold }

// Nodes are the machines that steps and messages are about, in order.
func (e *Explanation) Nodes() []string {
	var brokers, others []string
	add := func(node string) {
		in := &others
		if strings.HasPrefix(node, "broker-") {
			in = &brokers
		}
		if !slices.Contains(*in, node) {
			*in = append(*in, node)
		}
	}
	for _, m := range e.Messages {
		add(m.From)
		add(m.To)
	}
	for _, s := range e.Story.Steps {
		if brokerOf(s.Node) != linearizability.None {
			add(s.Node)
		}
	}
	slices.Sort(brokers)
	slices.Sort(others)
	return append(brokers, others...)
}
