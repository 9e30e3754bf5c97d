package story

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// replica builds sightings of one broker, each a change of the one before.
type replica struct {
	s   Sighting
	all *[]Sighting
}

func (r *replica) at(when int64, change func(s *Sighting)) *replica {
	r.s.At = ms(when)
	change(&r.s)
	r.s.Epochs = append([]Span(nil), r.s.Epochs...)
	*r.all = append(*r.all, r.s)
	return r
}

func state(at int64, leader, epoch, partitionEpoch int32, isr, elr []int32) linearizability.PartitionState {
	return linearizability.PartitionState{Topic: "orders", Partition: 0, Time: ms(at), Leader: leader, LeaderEpoch: epoch, PartitionEpoch: partitionEpoch, Replicas: []int32{1, 2, 3}, ISR: isr, ELR: elr}
}

func sent(offset int64, call, answered int64, broker int32) linearizability.SendOp {
	return linearizability.SendOp{TP: linearizability.TopicPartition{Topic: "orders"}, Process: 7, Call: ms(call), Return: ms(answered), Ended: ms(answered),
		Value: 812, Offset: offset, Broker: broker, Acks: -1, Outcome: linearizability.OK}
}

func lines(states []linearizability.PartitionState, more ...Event) []Event {
	var all []Event
	for _, s := range states {
		all = append(all, Event{Time: s.Time, Node: "controller", Name: "partition", Partition: &s})
	}
	all = append(all, more...)
	for i := range all {
		all[i].Line = i + 1
	}
	return all
}

func truncation(at int64, broker int, from, to, hw, epoch float64) Event {
	return Event{Time: ms(at), Node: fmt.Sprintf("broker-%d", broker), Name: "truncate",
		Attrs: map[string]any{"topic": "orders", "partition": float64(0), "from": from, "to": to, "hw": hw, "epoch": epoch}}
}

func finding(code string, at int64, offset int64, sentence string) linearizability.Finding {
	return linearizability.Finding{Code: code, Sentence: sentence, Topic: "orders", Offset: offset, Time: ms(at), Count: 1}
}

// cutToItsOwnMark is KIP-101: a follower cuts its log to its own high watermark
// and is elected.
func cutToItsOwnMark() Case {
	states := []linearizability.PartitionState{
		state(0, 1, 0, 0, []int32{1, 2}, nil), state(5000, 1, 0, 1, []int32{1}, []int32{2}), state(6000, 2, 1, 2, []int32{2}, []int32{1}),
	}
	c := Case{Finding: finding("K2", 9000, 5, "offset 5 of orders-0 was acknowledged and is absent"),
		History: &linearizability.History{States: states, Sends: []linearizability.SendOp{sent(5, 1000, 1020, 1)}, Faults: []linearizability.Fault{
			{Kind: "pause", Brokers: []int32{3}, Start: ms(100), End: ms(200)},
			{Kind: linearizability.Crash, Brokers: []int32{2}, Start: ms(1100), End: ms(1200), Detail: "broker-2"},
		}},
		Events: lines(states, Event{Time: ms(1100), Node: "injector", Name: "fault-begins", Attrs: map[string]any{"kind": "crash", "detail": "broker-2"}}, truncation(1300, 2, 6, 5, 5, 0), truncation(6100, 1, 6, 5, 6, 1)),
		Messages: []Message{
			{Sent: ms(1018), Arrived: ms(1019), From: "broker-1", To: "broker-2", API: "Fetch", Answer: true, Offset: 5, End: 6, High: 5, Text: "offsets 5 to 5 of epoch 0, high watermark 5"},
			{Sent: ms(1030), Arrived: Never, From: "broker-1", To: "broker-2", API: "Fetch", Answer: true, Offset: -1, End: -1, High: 6, Text: "high watermark 6"},
		}}
	one := replica{s: Sighting{Broker: 1, Up: true, Leader: true, End: 5, High: 5, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	one.at(0, func(*Sighting) {}).at(1012, func(s *Sighting) { s.End = 6 }).at(1024, func(s *Sighting) { s.High = 6 }).
		at(6100, func(s *Sighting) { s.Leader, s.LeaderEpoch, s.End, s.High = false, 1, 5, 5 })
	two := replica{s: Sighting{Broker: 2, Up: true, End: 5, High: 5, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	two.at(0, func(*Sighting) {}).at(1020, func(s *Sighting) { s.End = 6 }).at(1100, func(s *Sighting) { s.Up = false }).
		at(1250, func(s *Sighting) { s.Up = true }).at(1300, func(s *Sighting) { s.End = 5 }).
		at(6000, func(s *Sighting) { s.Leader, s.LeaderEpoch = true, 1 }).
		at(7000, func(s *Sighting) { s.End, s.Epochs = 6, []Span{{0, 0}, {1, 5}} })
	return c
}

// lastOneStanding is KIP-966: the last member of the ISR loses power, and leads
// again.
func lastOneStanding() Case {
	states := []linearizability.PartitionState{
		state(0, 3, 0, 0, []int32{1, 2, 3}, nil), state(2000, 3, 0, 1, []int32{3}, nil), state(3100, -1, 0, 2, []int32{3}, nil), state(5000, 3, 1, 3, []int32{3}, nil),
	}
	c := Case{Finding: finding("K2", 9000, 8, "offset 8 of orders-0 was acknowledged and is absent"),
		History: &linearizability.History{States: states, Sends: []linearizability.SendOp{sent(8, 1000, 1020, 3)}, Faults: []linearizability.Fault{
			{Kind: linearizability.Partition, Brokers: []int32{1, 2}, Start: ms(1500), End: ms(4500), Detail: "no packets between broker-3 and broker-1, broker-2"},
			{Kind: linearizability.PowerLoss, Brokers: []int32{3}, Start: ms(3000), End: ms(4000), Detail: "broker-3", Lossy: true, Exact: true,
				Recovered: []linearizability.Recovered{{Broker: 3, Topic: "orders", LogEnd: 6, LostEnd: 9}}},
		}}, Events: lines(states, truncation(5100, 1, 9, 6, 9, 1))}
	for _, b := range []int32{1, 2} {
		r := replica{s: Sighting{Broker: b, Up: true, End: 8, High: 8, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
		r.at(0, func(*Sighting) {}).at(1012, func(s *Sighting) { s.End, s.High = 9, 9 })
		if b == 1 {
			r.at(5100, func(s *Sighting) { s.End, s.High, s.LeaderEpoch = 6, 6, 1 })
		}
	}
	three := replica{s: Sighting{Broker: 3, Up: true, Leader: true, End: 8, High: 8, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	three.at(0, func(*Sighting) {}).at(1010, func(s *Sighting) { s.End = 9 }).at(1016, func(s *Sighting) { s.High = 9 }).
		at(3000, func(s *Sighting) { s.Up = false }).at(4000, func(s *Sighting) { s.Up, s.Leader, s.End, s.High = true, false, 6, 6 }).
		at(5000, func(s *Sighting) { s.Leader, s.LeaderEpoch = true, 1 })
	return c
}

// divergenceCounted is KAFKA-13141: the fetch of a follower that is told that
// its log diverges counts as if it had copied what the leader has there.
func divergenceCounted() Case {
	states := []linearizability.PartitionState{
		state(0, 2, 1, 0, []int32{1, 2}, nil), state(3000, 1, 2, 1, []int32{1}, []int32{2}),
	}
	c := Case{Finding: finding("K2", 9000, 11, "offset 11 of orders-0 was acknowledged and is absent"),
		History: &linearizability.History{States: states, Sends: []linearizability.SendOp{sent(11, 1000, 1020, 2)}, Faults: []linearizability.Fault{
			{Kind: linearizability.Crash, Brokers: []int32{2}, Start: ms(1100), End: ms(8000), Detail: "broker-2"},
		}}, Events: lines(states),
		Messages: []Message{
			{Sent: ms(1010), Arrived: ms(1011), From: "broker-1", To: "broker-2", API: "Fetch", Offset: 12, Epoch: 1, High: -1, End: -1, Text: "offset 12, in epoch 1, last record of epoch 0"},
			{Sent: ms(1012), Arrived: ms(1013), From: "broker-2", To: "broker-1", API: "Fetch", Answer: true, Diverging: true, Offset: 10, High: 10, End: -1, Text: "diverging: epoch 0 ends at 10, high watermark 10"},
		}}
	one := replica{s: Sighting{Broker: 1, Up: true, LeaderEpoch: 1, End: 12, High: 10, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	one.at(0, func(*Sighting) {}).at(3000, func(s *Sighting) { s.Leader, s.LeaderEpoch = true, 2 })
	two := replica{s: Sighting{Broker: 2, Up: true, Leader: true, LeaderEpoch: 1, End: 11, High: 10, Epochs: []Span{{0, 0}, {1, 10}}}, all: &c.Replicas}
	two.at(0, func(*Sighting) {}).at(1002, func(s *Sighting) { s.End = 12 }).at(1012, func(s *Sighting) { s.High = 12 }).at(1100, func(s *Sighting) { s.Up = false })
	return c
}

// joinedTooEarly is KAFKA-7128 and KIP-497: a replica without what is committed
// is taken into the ISR, and the leader hears of it late.
func joinedTooEarly() Case {
	states := []linearizability.PartitionState{
		state(0, 1, 0, 0, []int32{1, 2}, nil), state(1500, 1, 0, 1, []int32{1, 2, 3}, nil), state(2500, 3, 1, 2, []int32{2, 3}, nil),
	}
	c := Case{Finding: finding("K12", 2600, 4, "broker 3 became leader of orders-0 with its log ending at offset 4"),
		History: &linearizability.History{States: states, Faults: []linearizability.Fault{{Kind: linearizability.Pause, Brokers: []int32{1}, Start: ms(2000), End: ms(3000)}}},
		Events:  lines(states),
		Messages: []Message{
			{Sent: ms(1400), Arrived: ms(1450), From: "broker-1", To: "broker-2", API: "AlterPartition", Offset: -1, High: -1, End: -1, ISR: []int32{1, 2, 3}, Text: "ISR [1 2 3], leader epoch 0, partition epoch 0"},
			{Sent: ms(1500), Arrived: ms(2400), From: "broker-2", To: "broker-1", API: "AlterPartition", Answer: true, Offset: -1, High: -1, End: -1, Text: "ISR [1 2 3], leader epoch 0, partition epoch 1"},
		}}
	one := replica{s: Sighting{Broker: 1, Up: true, Leader: true, End: 4, High: 4, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	one.at(0, func(*Sighting) {}).at(1000, func(s *Sighting) { s.End = 9 }).at(1100, func(s *Sighting) { s.High = 9 })
	two := replica{s: Sighting{Broker: 2, Up: true, End: 4, High: 4, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	two.at(0, func(*Sighting) {}).at(1050, func(s *Sighting) { s.End = 9 })
	three := replica{s: Sighting{Broker: 3, Up: true, End: 4, High: 4, Epochs: []Span{{0, 0}}}, all: &c.Replicas}
	three.at(0, func(*Sighting) {}).at(2500, func(s *Sighting) { s.Leader, s.LeaderEpoch = true, 1 })
	return c
}

// askedForAndPassed is KIP-497: the high watermark passes what a replica lacks
// that the leader has asked to take into the ISR.
func askedForAndPassed() Case {
	states := []linearizability.PartitionState{state(0, 1, 1, 0, []int32{1}, nil)}
	c := Case{Finding: finding("K12", 1100, 4, "broker 2 follows leader 1 of orders-0, which waits for it, with its log ending at offset 4"),
		History: &linearizability.History{States: states, Sends: []linearizability.SendOp{sent(4, 1000, 1120, 1)}}, Events: lines(states),
		Messages: []Message{{Sent: ms(900), Arrived: Never, From: "broker-1", To: "broker-3", API: "AlterPartition", Offset: -1, High: -1, End: -1, ISR: []int32{1, 2}, Text: "ISR [1 2], leader epoch 1, partition epoch 0"}}}
	one := replica{s: Sighting{Broker: 1, Up: true, Leader: true, LeaderEpoch: 1, End: 4, High: 4, Epochs: []Span{{1, 0}}}, all: &c.Replicas}
	one.at(0, func(*Sighting) {}).at(900, func(s *Sighting) { s.ISR = []int32{1, 2} }).at(1100, func(s *Sighting) { s.End, s.High = 9, 9 })
	two := replica{s: Sighting{Broker: 2, Up: true, LeaderEpoch: 1, End: 4, High: 4, Epochs: []Span{{1, 0}}}, all: &c.Replicas}
	two.at(0, func(*Sighting) {})
	return c
}

func told(s Story) string {
	var b strings.Builder
	for _, step := range s.Steps {
		mark := " "
		if step.Wrong {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s %7.3f  %-10s %s", mark, step.At.Seconds(), step.Node, step.Text)
		if step.Line > 0 {
			fmt.Fprintf(&b, " [line %d]", step.Line)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The stories of bugs that are known, read by a person who knows them.
func TestStoriesOfKnownBugs(t *testing.T) {
	for name, c := range map[string]Case{"B1": cutToItsOwnMark(), "B17": lastOneStanding(), "B7": divergenceCounted(), "B13": joinedTooEarly(), "B14": askedForAndPassed()} {
		t.Run(name, func(t *testing.T) {
			s := Tell(c)
			require.True(t, s.Told(), told(s))
			require.LessOrEqual(t, len(s.Steps), mostSteps)
			file := filepath.Join("testdata", name+".txt")
			if *rewrite {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(told(s)), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), told(s), "if this is meant, run go test ./linearizability/story -rewrite and look at the difference")
		})
	}
}

// Whatever is missing, there is a story that ends with the finding.
func TestStoriesOfLittle(t *testing.T) {
	for _, c := range []Case{
		{Finding: finding("K10", 5, linearizability.None, "stuck")},
		{Finding: linearizability.Finding{Code: "K10", Sentence: "stuck", Offset: linearizability.None}, History: cutToItsOwnMark().History},
		{Finding: finding("K2", 9000, 5, "stuck"), History: cutToItsOwnMark().History},
		{Finding: finding("K2", 9000, 5, "stuck"), Replicas: cutToItsOwnMark().Replicas},
		{Finding: finding("K2", 9000, 5, "stuck"), Messages: cutToItsOwnMark().Messages},
	} {
		s := Tell(c)
		require.NotEmpty(t, s.Steps)
		require.Equal(t, "stuck", s.Steps[len(s.Steps)-1].Text)
	}
}

// A long story is cut to what says most, and keeps what is wrong.
func TestStoriesAreShort(t *testing.T) {
	c := cutToItsOwnMark()
	for i := range int64(300) {
		c.History.Faults = append(c.History.Faults, linearizability.Fault{Kind: linearizability.Pause, Brokers: []int32{9}, Start: ms(1030 + i), End: ms(1400)})
		c.Replicas = append(c.Replicas, Sighting{Broker: 1, At: ms(7000 + 10*i), Up: true, LeaderEpoch: 1, End: 6 + i, Epochs: []Span{{0, 0}, {1, 5}}})
		c.Messages = append(c.Messages, Message{API: "Fetch", From: "broker-1", To: "broker-2", Sent: ms(1200), Arrived: Never})
	}
	e := Explain(c)
	require.Len(t, e.Story.Steps, mostSteps)
	require.Contains(t, told(e.Story), "cuts its log from offset 6 back to 5")
	require.Contains(t, told(e.Story), "was acknowledged and is absent")
	require.LessOrEqual(t, len(e.Messages), mostMessages)
	require.Equal(t, []string{"broker-1", "broker-2", "broker-3"}, e.Nodes())

	for i := range int64(20_000) {
		c.Replicas = append(c.Replicas, Sighting{Broker: 1, At: ms(20_000 + i), Up: true, LeaderEpoch: 1, End: 1000 + i})
	}
	require.LessOrEqual(t, len(Explain(c).Replicas), mostSightings+mostTicks)
}
