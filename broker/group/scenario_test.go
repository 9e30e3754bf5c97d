package group

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
)

// TestScenarios runs the text scenarios in testdata/scenarios. Each command is one input
// to one group; the golden text is what the group wants done.
//
//	join id=m1 [instance=i] [ref=1] [session=10s] [rebalance=30s] [protocols=(range,sticky)] [skip] [need-id]
//	sync id=m1 gen=1 [ref=2] [assign=(m1:a,m2:b)]
//	heartbeat | leave | commit | stored [code=15 [appended]] | tick | wait=5s | show
//
// stored tells of the oldest store that is still open. // A newcomer is a join without id; new=name says what it will be called.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		cfg := DefaultConfig()
		g := New("g", &cfg)
		now := time.Duration(0)
		var stores []Store
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			arg := func(name, def string) string {
				for _, a := range d.CmdArgs {
					if a.Key == name {
						return strings.Join(a.Vals, ",")
					}
				}
				return def
			}
			number := func(name string, def int) int {
				n := def
				_, err := fmt.Sscan(arg(name, fmt.Sprint(def)), &n)
				require.NoError(t, err)
				return n
			}
			span := func(name, def string) time.Duration {
				v, err := time.ParseDuration(arg(name, def))
				require.NoError(t, err)
				return v
			}
			has := func(name string) bool { return arg(name, "no") != "no" || d.HasArg(name) }
			now += span("wait", "0s")
			var out []Output
			switch d.Cmd {
			case "config":
				cfg.InitialRebalanceDelay = span("initial-delay", "0s")
				return ""
			case "join":
				in := Join{
					Ref: Ref(number("ref", 1)), MemberID: arg("id", ""), NewMemberID: arg("new", ""),
					InstanceID: arg("instance", ""), ClientID: "c", SessionTimeout: span("session", "10s"),
					RebalanceTimeout: span("rebalance", "30s"), ProtocolType: arg("type", "consumer"),
					RequireMemberID: has("need-id"), CanSkipAssignment: has("skip"),
				}
				for _, p := range strings.Split(arg("protocols", "range"), ",") {
					in.Protocols = append(in.Protocols, Protocol{Name: p, Metadata: []byte(arg("topics", "t"))})
				}
				out = g.Step(now, in)
			case "sync":
				in := Sync{
					Ref: Ref(number("ref", 1)), MemberID: arg("id", ""), InstanceID: arg("instance", ""),
					Generation: int32(number("gen", 1)), Protocol: arg("protocol", ""), Assignments: map[string][]byte{},
				}
				for _, a := range strings.Split(arg("assign", ""), ",") {
					if who, what, ok := strings.Cut(a, ":"); ok {
						in.Assignments[who] = []byte(what)
					}
				}
				out = g.Step(now, in)
			case "heartbeat":
				out = g.Step(now, Heartbeat{Ref: 1, MemberID: arg("id", ""), InstanceID: arg("instance", ""), Generation: int32(number("gen", 1))})
			case "leave":
				out = g.Step(now, Leave{Ref: 1, Members: []Leaver{{MemberID: arg("id", ""), InstanceID: arg("instance", "")}}})
			case "stored":
				require.NotEmpty(t, stores, "%s: nothing is to be stored", d.Pos)
				code := int16(number("code", 0))
				if code == 0 || has("appended") {
					g.durable = stores[0].Value
				}
				out = g.Step(now, Stored{Seq: stores[0].Seq, Code: code, Appended: has("appended")})
				stores = stores[1:]
			case "tick":
				out = g.Step(now, Tick{})
			case "commit":
				return codeName(g.CheckCommit(now, arg("id", ""), arg("instance", ""), int32(number("gen", -1)))) + "\n"
			case "show":
				return show(g, now)
			default:
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			var b strings.Builder
			for _, o := range out {
				if s, ok := o.(Store); ok {
					stores = append(stores, s)
				}
				b.WriteString(describe(o) + "\n")
			}
			return b.String() + g.State.String() + "\n"
		})
	})
}

func codeName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(code).Message
}

func describe(o Output) string {
	switch o := o.(type) {
	case Joined:
		if o.Code != 0 {
			return fmt.Sprintf("#%d join %q: %s", o.Ref, o.MemberID, codeName(o.Code))
		}
		s := fmt.Sprintf("#%d join %q: generation %d, %s, leader %s", o.Ref, o.MemberID, o.Generation, o.Protocol, o.Leader)
		for _, m := range o.Members {
			s += " [" + m.ID + " " + string(m.Metadata) + "]"
		}
		if o.SkipAssignment {
			s += " skip assignment"
		}
		return s
	case Synced:
		if o.Code != 0 {
			return fmt.Sprintf("#%d sync: %s", o.Ref, codeName(o.Code))
		}
		return fmt.Sprintf("#%d sync: %s %q", o.Ref, o.Protocol, o.Assignment)
	case Left:
		s := "left:"
		for _, code := range o.Codes {
			s += " " + codeName(code)
		}
		return s
	case Done:
		return "done: " + codeName(o.Code)
	case Store:
		s := fmt.Sprintf("store generation %d", o.Value.Generation)
		for _, m := range o.Value.Members {
			s += fmt.Sprintf(" %s:%s", m.MemberID, m.Assignment)
		}
		return s
	}
	return "?"
}

func show(g *Group, now time.Duration) string {
	s := fmt.Sprintf("%s generation %d leader %q protocol %q", g.State, g.Generation, g.Leader, g.Protocol)
	for _, id := range g.memberIDs() {
		m := g.Members[id]
		s += fmt.Sprintf("\n  %s instance %q assignment %q", id, m.InstanceID, m.Assignment)
	}
	if at, ok := g.NextDeadline(); ok {
		s += fmt.Sprintf("\nnext deadline in %s", at-now)
	}
	return s + "\n"
}
