package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// evidence is a set of things that a check rests on.
type evidence uint32

const (
	ofSends evidence = 1 << iota
	ofPolls
	ofEnds           // ListOffsets
	ofOffsets        // of groups
	ofAssignments    // of partitions to members of groups
	ofTopics         // their settings
	ofFaults         // with what they took
	ofStates         // of partitions, as the controllers committed them
	ofElections      // all of them
	ofEpochs         // where they began
	ofMarks          // high watermarks
	ofLog            // the log that each partition ended with
	ofReplicas       // the logs that all its replicas ended with
	ofDrain          // consumers that read to the end
	ofHealing        // when the faults were over
	ofDress          // keys, headers and timestamps that follow from the values
	ofAdministration // what administrators were answered
	ofTransactions   // what their producers know, and the markers in the log
	ofConserved      // amounts that add up to nothing
	ofPipelines      // what consumes, transforms and produces
	ofKeys           // topics whose keys are written again and again
	ofShares         // what members of share groups were given, and said of it

	// What decides about excuses.
	ofLedger = ofTopics | ofFaults | ofStates | ofEpochs
)

// evidences says of each kind how it is counted, and how a run has none of it.
var evidences = []struct {
	what   evidence
	counts []string // names in Counts
	absent func(h *History) string
}{
	{ofSends, []string{"send", "send ok", "send fail", "send-batch", "send-batch ok", "send-batch fail"}, func(h *History) string { return noneOf(h.Manifest.Producers, "producer") }},
	{ofPolls, []string{"poll", "poll ok", "poll fail"}, func(h *History) string { return noneOf(h.Manifest.Consumers, "consumer") }},
	{ofEnds, []string{"list-offsets", "list-offsets ok", "list-offsets fail"}, func(h *History) string {
		if h.Manifest.Consumers > 0 && h.Manifest.Probes {
			return ""
		}
		return "nobody asked for the ends of partitions"
	}},
	{ofOffsets, []string{"commit", "commit ok", "commit fail", "fetch-offset", "fetch-offset ok", "fetch-offset fail"}, func(h *History) string { return noneOf(h.Manifest.Registers, "committer") }},
	{ofAssignments, []string{"assignment"}, func(h *History) string {
		if h.Manifest.Group {
			return ""
		}
		return "no consumer was a member of a group"
	}},
	{ofTopics, []string{"topic"}, nil},
	{ofFaults, []string{"fault"}, nil},
	{ofStates, []string{"partition-state"}, given(FactStates, "the metadata of partitions")},
	{ofElections, []string{"partition-state"}, given(FactElections, "every election")},
	{ofEpochs, []string{"epoch-start"}, given(FactEpochStarts, "where leaders begin their epochs")},
	{ofMarks, []string{"high-watermark"}, given(FactWatermarks, "high watermarks")},
	{ofLog, []string{"scan", "records scanned"}, nil},
	{ofReplicas, []string{"scan", "records scanned"}, given(FactReplicas, "the logs of all replicas")},
	{ofDrain, nil, func(h *History) string {
		if h.Closing.Drained || h.Manifest.Consumers+h.Manifest.Sharers == 0 {
			return ""
		}
		return "the consumers did not read to the end"
	}},
	{ofDress, []string{"poll ok", "scan", "records scanned", "flaw"}, func(h *History) string {
		if h.Manifest.Dressed {
			return ""
		}
		return "the records have no keys, headers and timestamps to check"
	}},
	{ofAdministration, []string{"administration"}, func(h *History) string { return noneOf(h.Manifest.Administrators, "administrator") }},
	{ofTransactions, []string{"transact", "transact ok", "transact fail", "init-transactions", "init-transactions ok", "init-transactions fail", "markers scanned"},
		func(h *History) string { return noneOf(h.Manifest.Transactional, "transactional producer") }},
	{ofConserved, nil, func(h *History) string {
		if len(h.Manifest.Conserved) > 0 {
			return ""
		}
		return "no transactions move amounts"
	}},
	{ofPipelines, nil, func(h *History) string {
		if len(h.Manifest.Pipelines) > 0 {
			return ""
		}
		return "nobody consumed, transformed and produced within transactions"
	}},
	{ofKeys, nil, func(h *History) string {
		if len(h.Manifest.Keyed) > 0 {
			return ""
		}
		return "no topic has keys that are written again"
	}},
	{ofShares, []string{"sharing"}, func(h *History) string { return noneOf(h.Manifest.Sharers, "member of a share group") }},
	{ofHealing, nil, func(h *History) string {
		if h.Closing.Patience > 0 {
			return ""
		}
		return "nobody noted when the cluster had healed"
	}},
}

func given(f Fact, what string) func(*History) string {
	return func(h *History) string {
		if h.Manifest.gives(f) {
			return ""
		}
		return "the target does not show " + what
	}
}

func noneOf(n int, who string) string {
	if n > 0 {
		return ""
	}
	return "no " + who + " took part"
}

// unfit says why nothing can be concluded from a history, "" if something can.
func (h *History) unfit() string {
	switch {
	case h.Manifest == nil:
		return "the history does not say what it ought to hold: its beginning is missing, or a version of Weir wrote it that did not say so"
	case h.CutShort != "":
		return "the history is cut short: " + h.CutShort
	case h.Closing == nil:
		return "the history was never closed: its end is missing"
	case h.Closing.Interrupted != "":
		return h.Closing.Interrupted
	}
	return ""
}

// contradiction says what the history holds although the run has none of it by
// its manifest, "" if nothing: one of the two is wrong, and a check that is
// skipped on the manifest's word would pass over what is there.
func (c *court) contradiction() string {
	for i := range evidences {
		e := &evidences[i]
		if e.absent == nil || len(e.counts) == 0 || e.what&(ofElections|ofReplicas) != 0 {
			continue // a target may show some of these and not all
		}
		why, names := e.absent(c.h), e.counts
		if e.what == ofDress {
			names = []string{"flaw"}
		}
		for _, name := range names {
			if n := max(c.held[name], c.h.Closing.Counts[name]); why != "" && n > 0 {
				return fmt.Sprintf("the manifest says that %s, but there are %d lines %q", why, n, name)
			}
		}
	}
	return ""
}

// weigh compares the evidence that a check needs, and that which it uses if
// there is any, with what there is. It says what the run has none of, so that
// the check has nothing to say, and what is missing.
func (c *court) weigh(needs, uses evidence) (absent, missing string) {
	var gaps []string
	told := map[string]bool{}
	for i := range evidences {
		e := &evidences[i]
		if (needs|uses)&e.what == 0 {
			continue
		}
		if e.absent != nil {
			if why := e.absent(c.h); why != "" {
				if needs&e.what != 0 {
					return why, ""
				}
				continue
			}
		}
		for _, name := range e.counts {
			if have, want := c.held[name], c.h.Closing.Counts[name]; have != want && !told[name] {
				told[name] = true
				gaps = append(gaps, fmt.Sprintf("%d of %d lines %q", have, want, name))
			}
		}
		if why := c.gaps(e.what); why != "" {
			gaps = append(gaps, why)
		}
	}
	if len(gaps) > 0 {
		return "", "the history holds " + strings.Join(gaps, ", ")
	}
	return "", ""
}

// gaps says what a whole history would hold beyond what was counted, "" if
// nothing.
func (c *court) gaps(e evidence) string {
	if e == ofTopics && len(c.h.Topics) == 0 {
		return "the settings of no topic"
	}
	if e == ofKeys {
		for _, name := range c.h.Manifest.Keyed {
			if t := c.h.topic(name); t.Keys == 0 {
				return "nothing of how many keys the topic " + name + " has"
			}
		}
	}
	for _, p := range c.parts {
		if p.topic.Partitions == 0 { // nobody described the topic
			if e == ofTopics {
				return fmt.Sprintf("operations on %s, but not the settings of its topic", p.tp)
			}
			continue
		}
		switch e {
		case ofStates, ofElections:
			if len(p.states) == 0 {
				return fmt.Sprintf("no state of %s", p.tp)
			}
		case ofLog:
			if !p.log.known() && !p.topic.Internal {
				return fmt.Sprintf("no final log of %s", p.tp)
			}
		case ofReplicas:
			var replicas []int32 // in the end: a reassignment may have changed them
			want := p.topic.ReplicationFactor
			if n := len(p.states); n > 0 && len(p.states[n-1].Replicas) > 0 {
				replicas = p.states[n-1].Replicas
				want = int32(len(replicas))
			}
			brokers := map[int32]bool{}
			for _, s := range p.logs {
				if replicas == nil || slices.Contains(replicas, s.Broker) {
					brokers[s.Broker] = true
				}
			}
			if n := int32(len(brokers)); n < want {
				return fmt.Sprintf("the final logs of %d of %d replicas of %s", n, want, p.tp)
			}
		}
	}
	return ""
}
