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
		draws: []drawing{
			{name: "message-delay", what: "one of the messages that matter to replication, the quorum, producers or groups, 1 ms to 16 s later", draw: drawMessageDelay},
			{name: "group-delay", what: "one of the messages between groups and their coordinators, 100 ms to 8 s later", draw: drawGroupDelay},
			{name: "transaction-delay", what: "one of the messages of transactions, 100 ms to 8 s later, perhaps while a broker that may have sent it is paused", peers: true, draw: drawTransactionDelay},
			{name: "late-return", what: "what a broker's return to the ISR needs, 1.5 s to 14 s later, while it loses power", peers: true, lossy: true, draw: drawLateReturn},
		},
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
	f := Fault{Kind: MessageDelay, At: at, For: length, Message: drawMessage(r), By: time.Millisecond << r.Intn(15), Count: drawCount(r)}
	f.By = r.Between(f.By/2, f.By).Round(time.Millisecond / 10)
	if r.Chance(1, 2) {
		f.Node = anyTarget(r, t)
	}
	return Plan{f}
}

func drawGroupDelay(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 8*time.Second)
	f := Fault{Kind: MessageDelay, At: at, For: length, Message: drawGroupMessage(r), By: 100 * time.Millisecond << r.Intn(7), Count: drawCount(r)}
	f.By = r.Between(f.By/2, min(2*f.By, 8*time.Second)).Round(time.Millisecond)
	return Plan{f}
}

// verified is the answer by which a partition's leader hears from a coordinator that
// the partition belongs to a transaction.
const verified Message = "replica AddPartitionsToTxn answer"

// drawTransactionDelay draws a message of transactions that comes late, most often
// just the first few, so that who sent it has asked again by then and gone on to the
// next transaction (KAFKA-17754, KIP-890). Half of the time some broker is paused
// meanwhile, for so long that another takes its coordinators over.
func drawTransactionDelay(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 8*time.Second)
	f := Fault{Kind: MessageDelay, At: at, For: length, Message: drawTransactionMessage(r), By: 100 * time.Millisecond << r.Intn(7), Count: 1 + r.Int64n(4)}
	f.By = r.Between(f.By/2, min(2*f.By, 8*time.Second)).Round(time.Millisecond)
	if r.Chance(1, 4) {
		f.Count = 0
	}
	if r.Chance(1, 3) { // longer than whoever waits for it does
		f.By = r.Between(2*time.Second, 8*time.Second).Round(time.Millisecond)
	}
	if f.Message == verified && r.Chance(1, 2) {
		// Longer than the producer of the batch waits that is being verified, but not
		// than the broker does (KAFKA-14884): the transaction is over by then.
		f.By, f.Count = r.Between(2*time.Second, 4900*time.Millisecond).Round(time.Millisecond), 0
	}
	plan := Plan{f}
	if r.Chance(1, 2) {
		again := at + r.Between(0, length/2).Round(time.Millisecond)
		plan = append(plan, Fault{Kind: Pause, At: again, For: min(r.Between(time.Second, 9*time.Second).Round(time.Millisecond), d.HealBy-again), Node: anyTarget(r, t)})
	}
	return plan
}

// drawLateReturn draws a broker that is away for long enough to leave the ISR, and
// comes back. What the leader, the controller and the broker tell each other about
// that arrives late, and meanwhile the broker loses power, and perhaps is cut off
// from some other. What it looks for are proposals, answers and registrations that
// count for a life that is over (KIP-903).
func drawLateReturn(r *env.Rand, d Draw, t Topology) Plan {
	total := min(16*time.Second, d.HealBy-d.Start)
	at := r.Between(d.Start, d.HealBy-total).Round(time.Millisecond)
	between := func(lo, hi time.Duration) time.Duration {
		return r.Between(min(lo, total/2), min(hi, total/2)).Round(time.Millisecond)
	}
	node, other := drawPair(r, t)
	away := []Kind{Pause, Partition}[r.Intn(2)]
	back := at + between(3*time.Second, 7*time.Second)
	gone := Fault{Kind: away, At: at, For: back - at, Node: node[0]}
	if away == Partition {
		gone.Node, gone.Between = "", node
		for _, b := range t.Brokers {
			if Target(b) != node[0] {
				gone.And = append(gone.And, Target(b))
			}
		}
	}
	late := []Message{"AlterPartition request", "AlterPartition request", "AlterPartition request", "AlterPartition request", "AlterPartition request",
		"AlterPartition answer", "BrokerRegistration request", "BrokerRegistration answer", "BrokerHeartbeat answer", "quorum Fetch answer"}
	plan := Plan{gone, {Kind: MessageDelay, At: max(d.Start, back-between(0, 500*time.Millisecond)), For: between(time.Second, 4*time.Second),
		Message: late[r.Intn(len(late))], By: between(1500*time.Millisecond, 6*time.Second)}}
	if r.Chance(1, 3) { // longer than a leader waits for the answer, which then asks again
		plan[1].By = r.Between(10*time.Second, 14*time.Second).Round(time.Millisecond)
	}
	again := back + between(20*time.Millisecond, time.Second)
	plan = append(plan, Fault{Kind: PowerLoss, At: again, For: between(5*time.Millisecond, 900*time.Millisecond), Node: node[0]})
	if r.Chance(3, 4) {
		plan = append(plan, Fault{Kind: Partition, At: again, For: between(time.Second, 6*time.Second), Between: node, And: other})
	}
	for i := range plan {
		plan[i].For = max(time.Millisecond, min(plan[i].For, d.HealBy-plan[i].At))
	}
	return plan
}

// drawCount draws how often something happens: half of the time without end.
func drawCount(r *env.Rand) int64 {
	if r.Chance(1, 2) {
		return 0
	}
	return 1 + r.Int64n(4)
}
