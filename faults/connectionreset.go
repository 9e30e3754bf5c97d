package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// ConnectionReset is connections that the network resets.
const ConnectionReset Kind = "connection-reset"

func connectionReset() *kind {
	return &kind{
		name: ConnectionReset,
		what: "connections are reset: those between two lists of brokers, once; or those on which messages of one kind are sent, " +
			"to and from node if one is given, and the messages are lost",
		ends:     "no further resets",
		survives: "any number: who does not know whether a request arrived asks again, and producers are idempotent",
		may:      takesSides | takesMessage | takesNode | takesCount,
		check: func(f Fault) error {
			switch {
			case len(f.Between) > 0 && (f.Message != "" || f.Node != "" || f.Count != 0):
				return errors.New("between: and and: reset whatever connections there are; remove message:, node: and count:, or the lists")
			case len(f.Between) > 0:
				return nil
			}
			return checkMessage(f)
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			if len(h.Between) > 0 {
				return fmt.Sprintf("connections between %s and %s", names(h.Between...), names(h.And...))
			}
			return fmt.Sprintf("instead of %s%s", counted(f.Count, string(f.Message)), f.ofWhom(h, names))
		},
		strike: func(e env.Env, on Machines, f Fault, h Hit) (*Strike, error) {
			if f.Message == "" {
				return with(func(l Links, e env.Env, f Fault, h Hit) (*Strike, error) { return l.Reset(e, h.Between, h.And) })(e, on, f, h)
			}
			return with(func(m Messages, e env.Env, f Fault, h Hit) (*Strike, error) {
				return m.SnapAtMessages(e, f.Message, h.Nodes, f.Count)
			})(e, on, f, h)
		},
		draws: []drawing{
			{name: "connection-reset", what: "between two brokers, or up to three times instead of one of the messages that matter", peers: true, draw: drawConnectionReset},
			{name: "group-reset", what: "up to four times instead of one of the messages between groups and their coordinators", draw: drawGroupReset},
		},
	}
}

func drawConnectionReset(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 3*time.Second)
	f := Fault{Kind: ConnectionReset, At: at, For: length}
	if r.Chance(1, 3) {
		f.Between, f.And = drawPair(r, t)
		return Plan{f}
	}
	f.Message, f.Count = drawMessage(r), 1+r.Int64n(3)
	if r.Chance(1, 2) {
		f.Node = anyTarget(r, t)
	}
	return Plan{f}
}

func drawGroupReset(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 8*time.Second)
	return Plan{{Kind: ConnectionReset, At: at, For: length, Message: drawGroupMessage(r), Count: 1 + r.Int64n(4)}}
}

// drawPair draws two brokers.
func drawPair(r *env.Rand, t Topology) (one, other []Target) {
	order := r.Perm(len(t.Brokers))
	return []Target{Target(t.Brokers[order[0]])}, []Target{Target(t.Brokers[order[1]])}
}
