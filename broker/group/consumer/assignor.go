package consumer

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirlab/weir/broker/metadata"
)

// The assignors of this package, by the names that members ask for.
const (
	Uniform = "uniform" // as even and as much as before as it can
	Range   = "range"   // the same ranges of all topics
	Simple  = "simple"  // that of share groups: partitions have as many members as the others
)

// Assignors are the names of all assignors that members may ask for, Kafka's default
// first.
func Assignors() []string { return []string{Uniform, Range} }

// subscriber is a member to an assignor.
type subscriber struct {
	id     string
	order  string              // what members are ordered by: static ones first, by their instances
	topics *subscription       // what may be assigned to it
	owned  []Partition         // the target until now
	next   []Partition         // the target from now on
	load   map[int][]Partition // next, by topic
}

// subscription is a set of indexes into the topics to be assigned. Members that are
// subscribed by nothing but the same expression share one.
type subscription struct {
	list []int
	has  map[int]bool
}

// assignable is a topic to an assignor.
type assignable struct {
	id         metadata.TopicID
	partitions int32
	takers     []*subscriber
}

// assign computes a target assignment of all members of a group: of partitions
// that exist, to members that are subscribed, each to one.
func (g *Group) assign(assignor string, topics *metadata.Image) map[string][]Partition {
	members := make([]*subscriber, 0, len(g.Members))
	var all []assignable
	index := map[string]int{}
	subscribed := func(names []string) *subscription {
		set := &subscription{has: map[int]bool{}}
		for _, name := range names {
			i, known := index[name]
			if !known {
				t := topics.Topic(name)
				if t == nil {
					continue
				}
				i = len(all)
				index[name] = i
				all = append(all, assignable{id: t.ID, partitions: int32(len(t.Partitions))})
			}
			set.list = append(set.list, i)
			set.has[i] = true
		}
		return set
	}
	shared := map[string]*subscription{} // by expression
	for _, id := range g.MemberIDs() {
		m := g.Members[id]
		s := &subscriber{id: id, order: "1" + id, owned: g.Targets[id], load: map[int][]Partition{}}
		if m.InstanceID != "" {
			s.order = "0" + m.InstanceID
		}
		if len(m.Topics) > 0 {
			s.topics = subscribed(g.topicsOf(m))
		} else if s.topics = shared[m.Expression]; s.topics == nil {
			s.topics = subscribed(g.topicsOf(m))
			shared[m.Expression] = s.topics
		}
		members = append(members, s)
	}
	slices.SortFunc(members, func(a, b *subscriber) int { return cmp.Compare(a.order, b.order) })
	for _, s := range members {
		for _, i := range s.topics.list {
			all[i].takers = append(all[i].takers, s)
		}
	}
	switch assignor {
	case Simple:
		g.assignSimple(members, all)
	case Range:
		assignRange(all)
	default:
		assignUniform(members, all)
	}
	out := make(map[string][]Partition, len(members))
	for _, s := range members {
		slices.SortFunc(s.next, Partition.Compare)
		out[s.id] = s.next
	}
	return out
}

// assignRange gives each topic's subscribers consecutive ranges in the order of
// the members, the first ones longer by one if it does not come out even. So
// members with the same subscription have the same partitions of topics with as
// many, and can join them.
func assignRange(topics []assignable) {
	for _, t := range topics {
		n := int32(len(t.takers))
		if n == 0 {
			continue
		}
		next := int32(0)
		for i, s := range t.takers {
			count := t.partitions / n
			if int32(i) < t.partitions%n {
				count++
			}
			for range count {
				s.next = append(s.next, Partition{t.id, next})
				next++
			}
		}
	}
}

// assignUniform leaves partitions where they are, gives those that nobody has to
// whoever has least of those that may, and then moves single ones from who has most
// to who has least until no move makes a topic's subscribers more even. With equal
// subscriptions nobody has two more than another then.
func assignUniform(members []*subscriber, topics []assignable) {
	byID := make(map[metadata.TopicID]int, len(topics))
	for i, t := range topics {
		byID[t.id] = i
	}
	size := map[*subscriber]int{}
	taken := map[Partition]bool{}
	give := func(s *subscriber, i int, p Partition) {
		s.load[i] = append(s.load[i], p)
		size[s]++
		taken[p] = true
	}
	for _, s := range members {
		for _, p := range s.owned {
			i, exists := byID[p.Topic]
			if exists && s.topics.has[i] && p.Number < topics[i].partitions && !taken[p] {
				give(s, i, p)
			}
		}
	}
	// The topics that fewest may take go first: others can make up for them.
	order := make([]int, len(topics))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(len(topics[a].takers), len(topics[b].takers)); c != 0 {
			return c
		}
		return Partition{Topic: topics[a].id}.Compare(Partition{Topic: topics[b].id})
	})
	for _, i := range order {
		t := &topics[i]
		for n := range t.partitions {
			if p := (Partition{t.id, n}); !taken[p] && len(t.takers) > 0 {
				give(least(t.takers, size), i, p)
			}
		}
	}
	// Nobody falls below an even share before all have given what is above it: others
	// would have to make up for that.
	share := len(taken) / max(1, len(members))
	for _, i := range order {
		for level(&topics[i], i, size, share+min(1, len(taken)%max(1, len(members))), share) {
		}
	}
	for moved := true; moved; {
		moved = false
		for _, i := range order {
			for level(&topics[i], i, size, 0, math.MaxInt) {
				moved = true
			}
		}
	}
	for _, s := range members {
		for _, i := range s.topics.list {
			s.next = append(s.next, s.load[i]...)
		}
	}
}

// least is the member that has fewest partitions, the first of equals.
func least(members []*subscriber, size map[*subscriber]int) *subscriber {
	return slices.MinFunc(members, func(a, b *subscriber) int { return cmp.Compare(size[a], size[b]) })
}

// level moves one partition of a topic from the member that has most to the one
// that has least, if they are more even then, and have more than above and less than
// below.
func level(t *assignable, i int, size map[*subscriber]int, above, below int) bool {
	var most *subscriber
	for _, s := range t.takers {
		if len(s.load[i]) > 0 && (most == nil || size[s] > size[most]) {
			most = s
		}
	}
	if most == nil {
		return false
	}
	to := least(t.takers, size)
	if size[most]-size[to] < 2 || size[most] <= above || size[to] >= below {
		return false
	}
	last := len(most.load[i]) - 1
	p := most.load[i][last]
	most.load[i] = most.load[i][:last]
	to.load[i] = append(to.load[i], p)
	size[most]--
	size[to]++
	return true
}
