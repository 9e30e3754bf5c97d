package state

import (
	"slices"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// redundant answers with the offset before which the log says nothing any more, once
// all that stands in for it is committed.
func (m *machine) redundant(_ at, ref ref) turn {
	before := m.anew
	for _, p := range m.parts { //weir:ordered the smallest
		before = min(before, p.at)
	}
	if before < m.end && planted.Is("share-state-pruned-too-far") {
		before = m.end
	}
	return turn{After: m.end, Answers: []answer{{Ref: ref, Value: output{offset: before}}}}
}

// chunk is how many records of upkeep a turn writes at most.
const chunk = 100

// cold writes a snapshot of every key whose last one is old, unless all of them were
// written because of that: then nothing is going on.
func (m *machine) cold(at at) turn {
	limit := at.WallMillis - m.cfg.ColdInterval.Milliseconds()
	if !m.busy() {
		return turn{}
	}
	var old []share.Key
	for _, key := range m.keys() {
		if m.parts[key].WriteMillis <= limit {
			old = append(old, key)
		}
	}
	return m.each(at, old, func(p *partition) *value {
		next := p.value
		next.Epoch, next.WriteMillis = next.Epoch+1, at.WallMillis
		return &next
	})
}

// busy reports whether a leader or a group has written the newest snapshot of any key.
func (m *machine) busy() bool {
	for _, p := range m.parts { //weir:ordered whether there is one
		if p.CreateMillis == p.WriteMillis {
			return true
		}
	}
	return false
}

// forget deletes what is known of topics.
func (m *machine) forget(at at, gone func(metadata.TopicID) bool) turn {
	list := slices.DeleteFunc(m.keys(), func(key share.Key) bool { return !gone(key.Topic) })
	return m.each(at, list, func(*partition) *value { return nil })
}

// lost deletes what is known of topics that are gone, as those that went while nobody
// kept them are: that are missing now and were when it was looked last. Metadata may be
// behind the log for a moment, but not for so long.
func (m *machine) lost(at at) turn {
	before := m.missing
	m.missing = map[metadata.TopicID]bool{}
	for key := range m.parts { //weir:ordered a set
		if m.image().TopicByID(key.Topic) == nil {
			m.missing[key.Topic] = true
		}
	}
	return m.forget(at, func(id metadata.TopicID) bool { return before[id] && m.missing[id] })
}

// each writes a snapshot or a tombstone of each key that there is, some in a turn.
func (m *machine) each(at at, keys []share.Key, next func(p *partition) *value) turn {
	keys = slices.DeleteFunc(keys, func(key share.Key) bool { return m.parts[key] == nil })
	if len(keys) == 0 {
		return turn{}
	}
	now, later := keys[:min(chunk, len(keys))], keys[min(chunk, len(keys)):]
	values := make([]*value, len(now))
	var t turn
	for i, key := range now {
		values[i] = next(m.parts[key])
		t.Records = append(t.Records, record(snapshotKind, key, values[i], at.WallMillis))
	}
	t.Applied = func(base int64) {
		for i, key := range now {
			m.apply(snapshotKind, key, values[i], base+int64(i))
		}
	}
	if len(later) > 0 {
		t.Next = func(at coordinator.At) turn { return m.each(at, later, next) }
	}
	return t
}

// upkeep is the task that keeps the logs short.
func (c *Coordinator) upkeep() {
	for !c.stopping.Wait(c.cfg.PruneInterval) {
		c.shards.Each(func(m *machine, at at) turn { return m.lost(at) })
		c.shards.Each(func(m *machine, at at) turn { return m.cold(at) })
		for _, p := range c.shards.Partitions() {
			if out, code := c.shards.Do(p, (*machine).redundant); code == 0 && out.offset > 0 {
				c.e.Event("share-state-pruned", env.Int("partition", p), env.Int("before", out.offset))
				c.deps.Prune(p, out.offset)
			}
		}
	}
}
