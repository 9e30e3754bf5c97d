package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// MessageDelay is chosen messages that arrive late.
const MessageDelay Kind = "message-delay"

func messageDelay() *kind {
	return &kind{
		name: MessageDelay,
		what: "messages of one kind, to and from node if one is given, arrive later by a time, even if their sender gave up meanwhile; " +
			"those behind them on the same connection wait, those on others pass them",
		ends:     "messages that take as long as any",
		survives: "any number: nothing is ordered across connections, and epochs fence what comes too late",
		takes:    takesMessage | takesBy,
		may:      takesNode | takesCount,
		check: func(f Fault) error {
			if f.By <= 0 {
				return fmt.Errorf("by: a %s needs a time above zero, such as 300ms", f.Kind)
			}
			return checkMessage(f)
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("%s%s later by %v", counted(f.Count, string(f.Message)), f.ofWhom(h, names), f.By)
		},
		strike: with(func(m Messages, e env.Env, f Fault, h Hit) (*Strike, error) {
			return m.DelayMessages(e, f.Message, h.Nodes, f.Count, f.By)
		}),
		draws: []drawing{{name: "message-delay", what: "one of the messages that matter to replication, the quorum, producers or groups, 1 ms to 8 s later", draw: drawMessageDelay}},
	}
}

// ofWhom names the brokers of a fault that can do without.
func (f Fault) ofWhom(h Hit, names func(...int) string) string {
	if f.Node == "" {
		return ""
	}
	return " to and from " + f.struck(h, names)
}

func drawMessageDelay(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 6*time.Second)
	f := Fault{Kind: MessageDelay, At: at, For: length, Message: drawMessage(r), By: time.Millisecond << r.Intn(14), Count: drawCount(r)}
	f.By = r.Between(f.By/2, f.By).Round(time.Millisecond / 10)
	if r.Chance(1, 2) {
		f.Node = anyTarget(r, t)
	}
	return Plan{f}
}

// drawCount draws how often something happens: half of the time without end.
func drawCount(r *env.Rand) int64 {
	if r.Chance(1, 2) {
		return 0
	}
	return 1 + r.Int64n(4)
}
