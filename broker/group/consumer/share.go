package consumer

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// Share groups (KIP-932) are groups whose partitions any number of members may have:
// membership, epochs and targets are as in any group here, and a member is in the
// newest target at once, since nobody has to wait for anybody. What they have more is
// the state of each partition, kept by the share coordinator: it is initialized
// before a member gets the partition.

// Sharing says which partitions of a share group have their state. One that belongs
// to a group is never changed, only replaced.
type Sharing struct {
	Initializing []SharedTopic // by topic id
	Initialized  []SharedTopic // by topic id
	Deleting     []SharedTopic // by topic id, without partitions
}

// SharedTopic is partitions of one topic.
type SharedTopic struct {
	ID             metadata.TopicID
	Name           string
	Partitions     []int32 // sorted
	TimestampMilli int64   // when they began to be so, ms since 1970; no record says it: 0 as a log is read
}

// InitializeRetryMillis is after how long partitions are initialized again of which
// nobody has said that they were (group.share.initialize.retry.interval.ms).
const InitializeRetryMillis = 30_000

func (g *Group) typeName() string {
	if g.Sharing != nil {
		return "share"
	}
	return "consumer"
}

func findTopic(list []SharedTopic, id metadata.TopicID) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(t SharedTopic, id metadata.TopicID) int { return bytes.Compare(t.ID[:], id[:]) })
}

func partitionsIn(list []SharedTopic, id metadata.TopicID) []int32 {
	if i, found := findTopic(list, id); found {
		return list[i].Partitions
	}
	return nil
}

// with is a list with more partitions, of a topic that has a name and a time now.
func with(list []SharedTopic, t SharedTopic) []SharedTopic {
	i, found := findTopic(list, t.ID)
	if !found {
		return slices.Insert(slices.Clone(list), i, t)
	}
	list = slices.Clone(list)
	t.Partitions = slices.Concat(list[i].Partitions, t.Partitions)
	slices.Sort(t.Partitions)
	t.Partitions = slices.Compact(t.Partitions)
	list[i] = t
	return list
}

// without is a list with fewer partitions, sorted ones, of a topic that goes with its
// last one.
func without(list []SharedTopic, id metadata.TopicID, partitions []int32) []SharedTopic {
	i, found := findTopic(list, id)
	if !found {
		return list
	}
	list = slices.Clone(list)
	left := slices.DeleteFunc(slices.Clone(list[i].Partitions), func(p int32) bool {
		_, goes := slices.BinarySearch(partitions, p)
		return goes
	})
	if list[i].Partitions = left; len(left) == 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// Partitions are those whose state is initialized.
func (s *Sharing) Partitions() (list []Partition) { return flat(s.Initialized) }

func flat(topics []SharedTopic) (list []Partition) {
	for _, t := range topics {
		for _, n := range t.Partitions {
			list = append(list, Partition{t.ID, n})
		}
	}
	return list
}

// byTopic groups a sorted list.
func byTopic(list []Partition) (topics []SharedTopic) {
	for _, p := range list {
		if n := len(topics); n == 0 || topics[n-1].ID != p.Topic {
			topics = append(topics, SharedTopic{ID: p.Topic})
		}
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, p.Number)
	}
	return topics
}

// subscribed are the topics that any member is subscribed to, by name.
func (g *Group) subscribed() []string {
	names := map[string]bool{}
	for _, m := range g.Members { //weir:ordered a set
		for _, t := range m.Topics {
			names[t] = true
		}
	}
	return env.SortedKeys(names)
}

// unassigned reports whether the target leaves out an initialized partition that
// there is and somebody is subscribed to.
func (g *Group) unassigned(topics *metadata.Image) bool {
	if g.Sharing == nil || len(g.Members) == 0 || len(g.Sharing.Initialized) == 0 {
		return false
	}
	names := g.subscribed()
	assigned := map[Partition]bool{}
	for _, list := range g.Targets { //weir:ordered a set
		for _, p := range list {
			assigned[p] = true
		}
	}
	for _, t := range g.Sharing.Initialized {
		known := topics.TopicByID(t.ID)
		if _, found := slices.BinarySearch(names, t.Name); !found || known == nil {
			continue
		}
		for _, n := range t.Partitions {
			if int(n) < len(known.Partitions) && !assigned[Partition{t.ID, n}] {
				return true
			}
		}
	}
	return false
}

// initialize writes that partitions begin to be initialized, of which somebody is
// subscribed to the topic.
func (s *step) initialize() (list []Partition) {
	if s.g.Sharing == nil {
		return nil
	}
	next := *s.g.Sharing
	for _, name := range s.g.subscribed() {
		t := s.at.Topics.Topic(name)
		if t == nil {
			continue
		}
		has, begun := partitionsIn(next.Initialized, t.ID), []int32(nil)
		if i, found := findTopic(next.Initializing, t.ID); found && s.at.WallMillis-next.Initializing[i].TimestampMilli < InitializeRetryMillis {
			begun = next.Initializing[i].Partitions
		}
		begins := SharedTopic{ID: t.ID, Name: name, TimestampMilli: s.at.WallMillis}
		for n := range int32(len(t.Partitions)) {
			_, is := slices.BinarySearch(has, n)
			if _, will := slices.BinarySearch(begun, n); !is && !will {
				begins.Partitions = append(begins.Partitions, n)
			}
		}
		if len(begins.Partitions) == 0 {
			continue
		}
		list = append(list, flat([]SharedTopic{begins})...)
		next.Initializing = with(next.Initializing, begins)
		next.Deleting = slices.DeleteFunc(slices.Clone(next.Deleting), func(d SharedTopic) bool { return d.ID == t.ID })
	}
	if len(list) > 0 {
		s.write(Record{Kind: ShareState, Value: &next})
	}
	return list
}

// Initialized takes in that partitions have their state.
func (g *Group) Initialized(at At, list []Partition) Outcome {
	return g.settle(at, list, func(next *Sharing, t SharedTopic) {
		next.Initialized = with(next.Initialized, t)
		next.Initializing = without(next.Initializing, t.ID, t.Partitions)
	})
}

// NotInitialized takes in that partitions could not be initialized: it is tried again
// with the next heartbeat.
func (g *Group) NotInitialized(at At, list []Partition) Outcome {
	return g.settle(at, list, func(next *Sharing, t SharedTopic) {
		next.Initializing = without(next.Initializing, t.ID, t.Partitions)
	})
}

// Alter writes that partitions are about to be initialized anew, of a group that has
// no members. They are in nobody's target until they are.
func (g *Group) Alter(at At, list []Partition) Outcome {
	s := g.begin(at, nil)
	if s.g.Epoch == 0 {
		s.write(Record{GroupEpoch, "", &Epoch{0, 0}})
	}
	next := *s.g.Sharing
	for _, t := range byTopic(slices.Compact(sortedPartitions(slices.Clone(list)))) {
		known := at.Topics.TopicByID(t.ID)
		if known == nil {
			continue
		}
		t.Name, t.TimestampMilli = known.Name, at.WallMillis
		next.Initializing = with(next.Initializing, t)
		next.Deleting = slices.DeleteFunc(slices.Clone(next.Deleting), func(d SharedTopic) bool { return d.ID == t.ID })
	}
	s.write(Record{Kind: ShareState, Value: &next})
	return Outcome{Records: s.records, GroupEpoch: s.g.Epoch}
}

// Has reports whether there may be state of a topic that can be deleted.
func (s *Sharing) Has(id metadata.TopicID) bool {
	_, initialized := findTopic(s.Initialized, id)
	_, deleting := findTopic(s.Deleting, id)
	return initialized || deleting
}

// Topics are those of which there may be state.
func (s *Sharing) Topics() (ids []metadata.TopicID) {
	for _, list := range [...][]SharedTopic{s.Initializing, s.Initialized, s.Deleting} {
		for _, t := range list {
			if !slices.Contains(ids, t.ID) {
				ids = append(ids, t.ID)
			}
		}
	}
	return ids
}

// Deleting takes in that the state of topics is about to be deleted: nobody gets
// their partitions until it is initialized again.
func (g *Group) Deleting(at At, topics []SharedTopic) Outcome {
	s := g.begin(at, nil)
	next := *g.Sharing
	for _, t := range topics {
		next.Initialized = slices.DeleteFunc(slices.Clone(next.Initialized), func(o SharedTopic) bool { return o.ID == t.ID })
		next.Initializing = slices.DeleteFunc(slices.Clone(next.Initializing), func(o SharedTopic) bool { return o.ID == t.ID })
		next.Deleting = with(next.Deleting, SharedTopic{ID: t.ID, Name: t.Name})
	}
	s.write(Record{Kind: ShareState, Value: &next})
	return Outcome{Records: s.records}
}

// Deleted takes in that the state of topics is deleted, or that they are gone.
func (g *Group) Deleted(at At, ids []metadata.TopicID) Outcome {
	if g.Sharing == nil {
		return Outcome{}
	}
	s := g.begin(at, nil)
	gone := func(t SharedTopic) bool { return slices.Contains(ids, t.ID) }
	next := Sharing{
		Initializing: slices.DeleteFunc(slices.Clone(g.Sharing.Initializing), gone),
		Initialized:  slices.DeleteFunc(slices.Clone(g.Sharing.Initialized), gone),
		Deleting:     slices.DeleteFunc(slices.Clone(g.Sharing.Deleting), gone),
	}
	if len(next.Initializing)+len(next.Initialized)+len(next.Deleting) < len(g.Sharing.Initializing)+len(g.Sharing.Initialized)+len(g.Sharing.Deleting) {
		s.write(Record{Kind: ShareState, Value: &next})
	}
	return Outcome{Records: s.records}
}

func (g *Group) settle(at At, list []Partition, change func(next *Sharing, t SharedTopic)) Outcome {
	s := g.begin(at, nil)
	next := *g.Sharing
	for _, t := range byTopic(slices.Compact(sortedPartitions(slices.Clone(list)))) {
		known := at.Topics.TopicByID(t.ID)
		if known == nil {
			next.Initializing = without(next.Initializing, t.ID, t.Partitions) // it is gone
			continue
		}
		t.Name, t.TimestampMilli = known.Name, at.WallMillis
		change(&next, t)
	}
	s.write(Record{Kind: ShareState, Value: &next})
	return Outcome{Records: s.records}
}

// share is how far a member of a share group is: in the target, with what it is
// subscribed to.
func (r *reconciliation) share() Current {
	c := r.m.Current
	if c.Epoch != r.epoch {
		c = c.at(r.epoch)
	} else if !r.changed {
		return c
	}
	c.State, c.Assigned, c.Revoking = Stable, nil, nil
	for _, p := range r.target {
		if r.subscribed[p.Topic] {
			c.Assigned = append(c.Assigned, Owned{Partition: p})
		}
	}
	return c
}

// assignSimple gives each initialized partition to members that are subscribed: to
// as many as there are for each partition, rounded up, among topics that the same
// members are subscribed to. It keeps what is and levels what members have, as
// assignUniform does.
func (g *Group) assignSimple(members []*subscriber, topics []assignable) {
	size := map[*subscriber]int{}
	has := map[*subscriber]map[Partition]bool{}
	for _, s := range members {
		has[s] = map[Partition]bool{}
	}
	classes, order := map[string][]int{}, []string{}
	for i := range topics {
		key := ""
		for _, s := range topics[i].takers {
			key += s.id + "\x00"
		}
		if classes[key] == nil {
			order = append(order, key)
		}
		classes[key] = append(classes[key], i)
	}
	for _, key := range order {
		takers := topics[classes[key][0]].takers
		var all []Partition
		for _, i := range classes[key] {
			for _, n := range partitionsIn(g.Sharing.Initialized, topics[i].id) {
				if n < topics[i].partitions {
					all = append(all, Partition{topics[i].id, n})
				}
			}
		}
		if len(takers) == 0 || len(all) == 0 {
			continue
		}
		sharing := (len(takers) + len(all) - 1) / len(all)
		for _, p := range sortedPartitions(all) {
			give := func(s *subscriber) { has[s][p] = true; size[s]++ }
			n := 0
			for _, s := range takers {
				if n < sharing && contains(s.owned, p) {
					give(s)
					n++
				}
			}
			for ; n < sharing; n++ {
				free := slices.DeleteFunc(slices.Clone(takers), func(s *subscriber) bool { return has[s][p] })
				give(least(free, size))
			}
		}
		for _, p := range all {
			for levelShared(takers, p, has, size) {
			}
		}
	}
	for _, s := range members {
		for p := range has[s] { //weir:ordered sorted by assign
			s.next = append(s.next, p)
		}
	}
}

// levelShared moves one partition from the member that has most of those that have
// it to the one that has least of those that do not, if they are more even then.
func levelShared(takers []*subscriber, p Partition, has map[*subscriber]map[Partition]bool, size map[*subscriber]int) bool {
	var most, to *subscriber
	for _, s := range takers {
		if has[s][p] && (most == nil || size[s] > size[most]) {
			most = s
		}
		if !has[s][p] && (to == nil || size[s] < size[to]) {
			to = s
		}
	}
	if most == nil || to == nil || size[most]-size[to] < 2 {
		return false
	}
	delete(has[most], p)
	has[to][p] = true
	size[most]--
	size[to]++
	return true
}

func (g *Group) shareTombstones(ids []string) (list []Record) {
	for _, kind := range [...]Kind{ShareCurrentOfMember, ShareTargetOfMember} {
		for _, id := range ids {
			list = append(list, Record{Kind: kind, Name: id})
		}
	}
	list = append(list, Record{Kind: ShareTargetEpoch})
	for _, id := range ids {
		list = append(list, Record{Kind: ShareMemberMetadata, Name: id})
	}
	return append(list, Record{Kind: ShareState}, Record{Kind: ShareGroupEpoch})
}

func (s *Sharing) append(dst []byte) []byte {
	for _, list := range [...][]SharedTopic{s.Initializing, s.Initialized} {
		dst = kbin.AppendCompactArrayLen(dst, len(list))
		for _, t := range list {
			dst = kbin.AppendCompactString(append(dst, t.ID[:]...), t.Name)
			dst = kbin.AppendCompactArrayLen(dst, len(t.Partitions))
			for _, n := range t.Partitions {
				dst = kbin.AppendInt32(dst, n)
			}
			dst = append(dst, 0)
		}
	}
	dst = kbin.AppendCompactArrayLen(dst, len(s.Deleting))
	for _, t := range s.Deleting {
		dst = append(kbin.AppendCompactString(append(dst, t.ID[:]...), t.Name), 0)
	}
	return append(dst, 0)
}

func (in *reader) sharing() *Sharing {
	s := &Sharing{}
	for _, list := range [...]*[]SharedTopic{&s.Initializing, &s.Initialized} {
		for n := in.length(19); n > 0 && in.Ok(); n-- {
			t := SharedTopic{ID: in.Uuid(), Name: in.CompactString(), Partitions: in.ints()}
			in.tags(nil)
			slices.Sort(t.Partitions)
			t.Partitions = slices.Compact(t.Partitions)
			*list = append(*list, t)
		}
	}
	for n := in.length(18); n > 0 && in.Ok(); n-- {
		s.Deleting = append(s.Deleting, SharedTopic{ID: in.Uuid(), Name: in.CompactString()})
		in.tags(nil)
	}
	in.tags(nil)
	for _, list := range [...]*[]SharedTopic{&s.Initializing, &s.Initialized, &s.Deleting} {
		slices.SortFunc(*list, func(a, b SharedTopic) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		*list = slices.CompactFunc(*list, func(a, b SharedTopic) bool { return a.ID == b.ID })
	}
	return s
}
