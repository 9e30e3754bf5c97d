package consumer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/metadata"
)

// drawGroup is a group with members subscribed to some of three topics, and targets
// of an assignment before.
func drawGroup(t *rapid.T, same bool) *Group {
	g := New("g")
	subscriptions := [][]string{{"t"}, {"u"}, {"t", "u"}, {"t", "u", "v"}, {"v"}, {"gone"}}
	all := rapid.SampledFrom(subscriptions).Draw(t, "topics")
	for i := range rapid.IntRange(1, 7).Draw(t, "members") {
		m := newMember(fmt.Sprintf("m%d", i))
		if m.Topics = all; !same {
			m.Topics = rapid.SampledFrom(subscriptions).Draw(t, "topics of one")
		}
		if rapid.Bool().Draw(t, "static") {
			m.InstanceID = fmt.Sprintf("i%d", 9-i)
		}
		g.Apply(Record{MemberMetadata, m.ID, &m.Metadata})
	}
	return g
}

// owners checks that a target gives each partition that somebody is subscribed to to
// one of those, and nothing else to anybody.
func owners(t *rapid.T, g *Group, targets map[string][]Partition, partitions map[string]int32, at At) {
	used := map[Partition]string{}
	for id, list := range targets {
		require.True(t, slices.IsSortedFunc(list, Partition.Compare))
		for _, p := range list {
			require.Empty(t, used[p], "%v is given twice", p)
			used[p] = id
			name := at.Topics.TopicByID(p.Topic).Name
			require.Contains(t, g.Members[id].Topics, name)
			require.Less(t, p.Number, partitions[name])
		}
	}
	want := 0
	for name, n := range partitions {
		if g.Subscribes(name) {
			want += int(n)
		}
	}
	require.Len(t, used, want)
}

func TestUniformIsBalancedAndSticky(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		same := rapid.Bool().Draw(t, "same")
		partitions := map[string]int32{"t": rapid.Int32Range(1, 9).Draw(t, "t"), "u": rapid.Int32Range(1, 9).Draw(t, "u"), "v": 2}
		at := At{Topics: topics(t, partitions)}
		g := drawGroup(t, same)
		targets := g.assign(Uniform, at.Topics)
		owners(t, g, targets, partitions, at)
		for id, list := range targets {
			g.Apply(Record{TargetOfMember, id, list})
		}
		require.Equal(t, targets, g.assign(Uniform, at.Topics), "what is balanced stays")
		if same {
			balanced(t, targets)
		}

		// One member goes: the others keep what they have, but for what evens them out.
		ids := g.MemberIDs()
		gone := rapid.SampledFrom(ids).Draw(t, "gone")
		lost := len(targets[gone])
		g.Apply(Record{Kind: TargetOfMember, Name: gone})
		g.Apply(Record{Kind: MemberMetadata, Name: gone})
		after := g.assign(Uniform, at.Topics)
		owners(t, g, after, partitions, at)
		if !same {
			return
		}
		if len(after) > 0 {
			balanced(t, after)
		}
		for id, list := range after {
			for _, p := range targets[id] {
				require.Contains(t, list, p, "nobody gives anything up when a member goes that had %d", lost)
			}
		}

		// One comes: what moves goes to it alone.
		g = drawFrom(g, after)
		m := newMember("new")
		m.Topics = g.anyTopics()
		g.Apply(Record{MemberMetadata, m.ID, &m.Metadata})
		grown := g.assign(Uniform, at.Topics)
		balanced(t, grown)
		for id, list := range grown {
			for _, p := range list {
				require.True(t, id == "new" || contains(after[id], p), "%v goes from one old member to another", p)
			}
		}
	})
}

func balanced(t *rapid.T, targets map[string][]Partition) {
	least, most := 1<<30, 0
	for _, list := range targets {
		least, most = min(least, len(list)), max(most, len(list))
	}
	require.LessOrEqual(t, most-least, 1)
}

func drawFrom(g *Group, targets map[string][]Partition) *Group {
	for id, list := range targets {
		g.Apply(Record{TargetOfMember, id, list})
	}
	return g
}

func (g *Group) anyTopics() []string {
	for _, m := range g.Members {
		return m.Topics
	}
	return []string{"t"}
}

func TestRangeGivesTheSameRangesOfAllTopics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int32Range(1, 9).Draw(t, "partitions")
		partitions := map[string]int32{"t": n, "u": n, "v": 2}
		at := At{Topics: topics(t, partitions)}
		g := drawGroup(t, rapid.Bool().Draw(t, "same"))
		targets := g.assign(Range, at.Topics)
		owners(t, g, targets, partitions, at)
		both := func(m *Member) bool { return slices.Contains(m.Topics, "t") && slices.Contains(m.Topics, "u") }
		for id, m := range g.Members {
			numbers := map[string][]int32{}
			for _, p := range targets[id] {
				name := at.Topics.TopicByID(p.Topic).Name
				if l := numbers[name]; len(l) > 0 {
					require.Equal(t, l[len(l)-1]+1, p.Number, "one range of a topic")
				}
				numbers[name] = append(numbers[name], p.Number)
			}
			alike := true // everybody takes both topics or none
			for _, o := range g.Members {
				alike = alike && (both(o) || !slices.Contains(o.Topics, "t") && !slices.Contains(o.Topics, "u"))
			}
			if both(m) && alike {
				require.Equal(t, numbers["t"], numbers["u"])
			}
		}
	})
}

// An assignment that gives a partition to two, as a damaged log may say, is mended.
func TestUniformMendsDoubles(t *testing.T) {
	g := New("g")
	at := At{Topics: topics(t, map[string]int32{"t": 2})}
	id := at.Topics.Topic("t").ID
	for _, m := range []string{"a", "b"} {
		g.Apply(Record{MemberMetadata, m, &Metadata{Topics: []string{"t"}}})
		g.Apply(Record{TargetOfMember, m, []Partition{{id, 0}}})
	}
	require.Equal(t, map[string][]Partition{"a": {{id, 0}}, "b": {{id, 1}}}, g.assign(Uniform, at.Topics))
}

func TestExpressionsAreBounded(t *testing.T) {
	for _, e := range []string{"", "t.*", "(a|b)+", "[a-z]{1,100}", `\d+-x`} {
		require.NoError(t, CheckExpression(e), "%q", e)
	}
	for _, e := range []string{"[", "(?=x)", "(x{100}){100}", "((((x{30}){30}){30}){30})", string(make([]byte, 5000))} {
		require.Error(t, CheckExpression(e), "%.20q", e)
	}
	got := Match([]string{"t|u", "t", "x.*"}, topics(t, map[string]int32{"t": 1, "tt": 1, "u": 1}), func(topic string) bool { return topic != "u" })
	require.Equal(t, map[string][]string{"t|u": {"t"}, "t": {"t"}, "x.*": nil}, got, "whole names, and what one may see")
}

// Who has much of the topic that is evened out first gives no more of it than the rest
// makes up for: else one of the old members would have to give it something back.
func TestUniformMovesNothingBetweenOldMembers(t *testing.T) {
	of := topics(t, map[string]int32{"t": 4, "u": 8, "v": 2})
	id := func(name string) metadata.TopicID { return of.Topic(name).ID }
	g := New("g")
	held := map[string][]Partition{}
	for _, name := range []string{"a", "b", "new"} {
		m := newMember(name)
		m.Topics = []string{"t", "u", "v"}
		g.Apply(Record{MemberMetadata, m.ID, &m.Metadata})
	}
	for n := range int32(8) {
		held["b"] = append(held["b"], Partition{id("u"), n})
	}
	held["a"] = append(held["a"], held["b"][7])
	held["b"] = held["b"][:7]
	for n := range int32(4) {
		held["a"] = append(held["a"], Partition{id("t"), n})
	}
	held["a"] = append(held["a"], Partition{id("v"), 0}, Partition{id("v"), 1})
	for name, list := range held {
		g.Apply(Record{TargetOfMember, name, list})
	}
	after := g.assign(Uniform, of)
	require.Len(t, after["new"], 4)
	for name, list := range held {
		require.Len(t, after[name], 5)
		for _, p := range after[name] {
			require.Contains(t, list, p)
		}
	}
}
