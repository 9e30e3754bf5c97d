package replication

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestScenarios plays the histories in testdata. A file holds commands
//
//	scenario [replicas=3] [min-isr=2]   plays the steps under all rules
//	hazard rule=NAME …                  plays them without one rule, then with it
//
// and its golden text is what every replica did. Regenerate with -rewrite.
// The steps, one a line (N is a broker):
//
//	append N [COUNT]              the leader N appends records
//	fetch N                       N fetches: request, answer and all
//	ask N                         N sends a fetch, which stays under way
//	deliver KIND N [to=M]         the oldest message of that kind arrives: fetch (from N),
//	                              reading (for N), answer (to N), proposal (from N), verdict (to N)
//	metadata N [next]             N hears the newest metadata, or the next it missed
//	sync                          all hear the newest
//	elect, fence, unfence, crash N
//	restart N [lose=COUNT]        N comes back, without its last records
//	unanswered N                  the leader N hears nothing of its proposal and sends it again
//	min-isr COUNT                 min.insync.replicas changes
//	lag N                         the lag time passes, and the leader N looks who is behind
//	trim N OFFSET                 the leader N drops records below
//	status
func TestScenarios(t *testing.T) {
	hazards := Guard(0)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			replicas, minISR := 3, 2
			d.MaybeScanArgs(t, "replicas", &replicas)
			d.MaybeScanArgs(t, "min-isr", &minISR)
			play := func(without Guard) *world {
				w := newWorld(replicas, minISR, without)
				for _, n := range w.nodes {
					w.metadata(n.id, 0)
				}
				w.trace = &strings.Builder{}
				for line := range strings.Lines(d.Input) {
					w.say("%s", strings.TrimSpace(line))
					if err := w.step(strings.Fields(line)); err != nil {
						d.Fatalf(t, "%s: %v", strings.TrimSpace(line), err)
					}
				}
				return w
			}
			switch d.Cmd {
			case "scenario":
				w := play(0)
				require.Empty(t, w.broken)
				return w.trace.String()
			case "hazard":
				var name string
				d.ScanArgs(t, "rule", &name)
				at := slices.Index(guardNames[:], name)
				if at < 0 {
					d.Fatalf(t, "unknown rule %q; the rules are %v", name, AllGuards)
				}
				without, with := play(1<<at), play(0)
				require.NotEmpty(t, without.broken, "the history is harmless without %s:\n%s", name, without.trace)
				require.Empty(t, with.broken)
				hazards |= 1 << at
				return "--- without the rule\n" + without.trace.String() + "--- with the rule\n" + with.trace.String()
			}
			d.Fatalf(t, "unknown command %q; want scenario or hazard", d.Cmd)
			return ""
		})
	})
	// The controller refuses what GuardEligible keeps back, so that nothing is lost.
	require.Equal(t, AllGuards&^GuardEligible, hazards, "rules without a hazard: %v", AllGuards&^GuardEligible&^hazards)
}

// step plays one line.
func (w *world) step(words []string) error {
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "sync":
		for _, n := range w.nodes {
			if n.up && n.cursor < len(w.history)-1 {
				w.metadata(n.id, len(w.history)-1)
			}
		}
		return nil
	case "status":
		w.trace.WriteString(w.status())
		return nil
	case "deliver":
		return w.stepDeliver(words[1:])
	}
	if len(words) < 2 {
		return fmt.Errorf("which broker?")
	}
	if words[0] == "min-isr" {
		minISR, err := strconv.ParseInt(words[1], 10, 32)
		if err == nil {
			w.setMinISR(int32(minISR))
		}
		return err
	}
	id64, err := strconv.ParseInt(words[1], 10, 32)
	if err != nil || id64 < 1 || int(id64) > len(w.nodes) {
		return fmt.Errorf("there is no broker %q", words[1])
	}
	id, count := int32(id64), 1
	if len(words) > 2 && words[2] != "next" {
		if count, err = strconv.Atoi(strings.TrimPrefix(words[2], "lose=")); err != nil {
			return err
		}
	}
	switch words[0] {
	case "append":
		for range count {
			w.append(id)
		}
	case "fetch":
		w.stepFetch(id)
	case "ask":
		w.sendFetch(id)
	case "metadata":
		version := len(w.history) - 1
		if len(words) > 2 {
			version = min(w.node(id).cursor+1, version)
		}
		w.metadata(id, version)
	case "elect":
		w.prefer(id)
	case "fence":
		w.fence(id)
	case "unfence":
		w.unfence(id)
	case "crash":
		w.crash(id)
	case "restart":
		if len(words) < 3 {
			count = 0
		}
		w.restart(id, int64(count))
	case "lag":
		w.lag(id)
	case "unanswered":
		w.unanswered(id)
	case "trim":
		n := w.node(id)
		n.log, n.start = n.log[int64(count)-n.start:], int64(count)
		w.carry(n, n.state.LogChanged(n.ends(), nil))
	default:
		return fmt.Errorf("unknown step")
	}
	return nil
}

// stepFetch sends a fetch and brings each message it causes straight on.
func (w *world) stepFetch(id int32) {
	if n := w.node(id); n.state.Role() != RoleFollower || n.state.Leader() == noLeader {
		w.say("  %d: has nobody to fetch from", id)
		return
	}
	w.sendFetch(id)
	for kind := msgFetch; kind <= msgAnswer; {
		at := len(w.msgs) - 1
		for at >= 0 && (w.msgs[at].kind < kind || w.msgs[at].kind > msgAnswer || w.msgs[at].fetch.Replica != id) {
			at--
		}
		if at < 0 {
			return
		}
		kind = w.msgs[at].kind + 1
		w.deliver(at)
	}
}

func (w *world) stepDeliver(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("deliver what of whom?")
	}
	kind, ok := map[string]messageKind{"fetch": msgFetch, "reading": msgReading, "answer": msgAnswer, "proposal": msgProposal, "verdict": msgVerdict}[words[0]]
	if !ok {
		return fmt.Errorf("unknown kind of message")
	}
	for at, m := range w.msgs {
		who := m.from
		if kind == msgAnswer || kind == msgVerdict {
			who = m.to
		}
		if m.kind == kind && strconv.Itoa(int(who)) == words[1] && (len(words) < 3 || words[2] == "to="+strconv.Itoa(int(m.to))) {
			w.deliver(at)
			return nil
		}
	}
	w.say("  there is none")
	return nil
}
