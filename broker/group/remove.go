package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// removal is an offset that is to go, or a whole group.
type removal struct {
	group string
	tp    TopicPartition
	whole bool // the group; tp says nothing
}

// removalsPerBatch bounds the records of one append.
const removalsPerBatch = 1000

// remove takes offsets and groups out of the log and, with it, out of memory.
// ref, if there is one, is answered in the end.
func (m *machine) remove(wallMillis int64, list []removal, ref *Ref) turn {
	var t turn
	now, later := list[:min(len(list), removalsPerBatch)], list[min(len(list), removalsPerBatch):]
	for _, r := range now {
		if g := m.groups[r.group]; r.whole && g != nil {
			t.Records = append(t.Records, g.tombstones(wallMillis)...)
		} else if !r.whole {
			t.Records = append(t.Records, storage.Record{TimestampMillis: wallMillis, Key: offsetKey(r.group, r.tp)})
		}
	}
	t.Applied = func(int64) { m.removed(now) }
	switch {
	case len(later) > 0:
		t.Next = func(at at) turn { return m.remove(at.WallMillis, later, ref) }
		if ref != nil {
			t.Then = func(_ at, o coordinator.Outcome) turn {
				if o.Code == 0 || o.Appended {
					return turn{} // the last batch answers
				}
				return done(*ref, clientCode(kmsg.DeleteGroups, o.Code))
			}
		}
	case ref != nil:
		t.Answers = done(*ref, 0).Answers
	}
	return t
}

func (m *machine) removed(list []removal) {
	for _, r := range list {
		g := m.groups[r.group]
		switch {
		case g == nil:
			continue
		case r.whole:
			g.State = Dead
			m.weight -= g.weighed
			delete(m.groups, g.ID)
			m.timers.Remove(g.ID)
			continue
		}
		m.unpend(place{r.group, r.tp})
		delete(g.Offsets, r.tp)
		if g.traceless() {
			delete(m.groups, g.ID)
		}
	}
}

// orphans lists a group's offsets in topics that are gone.
func (m *machine) orphans(g *Group, gone func(topic string) bool) (list []removal) {
	for _, tp := range g.kept() {
		if gone(tp.Topic) {
			list = append(list, removal{group: g.ID, tp: tp})
		}
	}
	return list
}

// gone reports that there is no topic of that name.
func (m *machine) gone(topic string) bool { return m.image().Topic(topic) == nil }

// topicsDeleted removes the offsets that all groups have in deleted topics.
func (m *machine) topicsDeleted(at at, topics []string) turn {
	var list []removal
	for _, id := range env.SortedKeys(m.groups) {
		list = append(list, m.orphans(m.groups[id], func(topic string) bool { return slices.Contains(topics, topic) })...)
	}
	return m.remove(at.WallMillis, list, nil)
}

// expired lists the offsets that nobody has needed for as long as they are
// kept (KIP-211): those of a group that has no members, and those of topics
// that the members of a stable one do not consume. An empty group goes with
// its last offset. Offsets of a topic that was deleted while nobody coordinated
// the group go too; not as soon as they are loaded, since whoever took them
// may have had newer metadata then than this broker.
func (m *machine) expired(wallMillis int64) (list []removal) {
	retention := m.cfg.OffsetsRetention.Milliseconds()
	for _, id := range env.SortedKeys(m.groups) {
		g := m.groups[id]
		var since int64
		switch {
		case retention <= 0 || len(g.pending) > 0:
			list = append(list, m.orphans(g, m.gone)...)
			continue
		case g.shares():
			continue // it has none, and stays until it is deleted
		case g.consumer != nil: // by their age alone, as in Kafka
		case g.State == Empty && g.ProtocolType == "": // offsets only
		case g.State == Empty:
			since = g.emptySince
		case g.State == Stable && g.ProtocolType == consumerProtocol:
		default:
			list = append(list, m.orphans(g, m.gone)...)
			continue
		}
		left := g.kept()
		left = slices.DeleteFunc(left, func(tp TopicPartition) bool {
			o, ok := g.Offsets[tp]
			old := ok && g.unstable[tp] == 0 && wallMillis-max(since, o.CommitTimestamp) >= retention
			if m.gone(tp.Topic) || old && (!g.subscribes(tp.Topic) || planted.Is("expire-what-is-consumed")) {
				list = append(list, removal{group: id, tp: tp})
				return true
			}
			return false
		})
		if len(left) == 0 && g.empty() {
			list = append(list, removal{group: id, whole: true})
		}
	}
	return list
}

// deleteGroup removes a group that has no members.
func (m *machine) deleteGroup(at at, ref Ref, id string) turn {
	g := m.groups[id]
	switch {
	case g == nil:
		return done(ref, kerr.GroupIDNotFound.Code)
	case !g.empty():
		return done(ref, kerr.NonEmptyGroup.Code)
	}
	list := m.orphans(g, func(string) bool { return true })
	return m.remove(at.WallMillis, append(list, removal{group: id, whole: true}), &ref)
}

// deleteOffsets removes offsets of a group (KIP-496) and says of each of them
// what became of it. The records are written, if any, by the turn.
func (m *machine) deleteOffsets(at at, ref Ref, id string, tps []TopicPartition) (t turn, codes map[TopicPartition]int16) {
	g := m.groups[id]
	switch {
	case g == nil:
		return done(ref, kerr.GroupIDNotFound.Code), nil
	case g.consumer == nil && g.State != Empty && g.ProtocolType != consumerProtocol:
		return done(ref, kerr.NonEmptyGroup.Code), nil
	}
	codes = make(map[TopicPartition]int16)
	var list []removal
	for _, tp := range tps {
		if _, twice := codes[tp]; twice {
			continue
		}
		codes[tp] = 0
		if _, ok := g.Offsets[tp]; g.subscribes(tp.Topic) {
			codes[tp] = kerr.GroupSubscribedToTopic.Code
		} else if ok || g.unstable[tp] > 0 {
			list = append(list, removal{group: id, tp: tp})
		}
	}
	return m.remove(at.WallMillis, list, &ref), codes
}
