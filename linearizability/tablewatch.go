package linearizability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// KeyedRecord is a record of a compacted log as a reader with read_committed has it.
type KeyedRecord struct {
	Key     string
	Offset  int64
	Deleted bool // it is a tombstone
}

// kept is what a reader of one replica's compacted log has kept, who keeps the last
// record of each key and was there from the beginning.
type kept struct {
	last    map[string]KeyedRecord
	upTo    int64 // it has read what is below
	written int64 // up to where the log was in the last picture
	cleaned int64 // below it the log was clean when it was compared last
	since   time.Duration
	cuts    uint64
}

// compacted holds the cleaner of each replica to what compaction promises (K14), at
// once and for internal topics too: who reads the log anew has of each key what one
// has kept who read it before it was cleaned. Only tombstones may be gone, and those
// only once no replica has an older record of their key without them (KIP-534, and
// what "tombstones by time alone" does otherwise).
func (w *Watcher) compacted(p *watched, replicas []*ReplicaView, v *ClusterView) {
	if !p.topic.Compacted {
		return
	}
	for _, r := range replicas {
		if r.Log == nil || r.Failed {
			continue
		}
		m := p.kept[r.Broker]
		_, written := r.Log.Producers()
		if m == nil || written < m.upTo || r.Log.Cuts() > m.cuts || slices.ContainsFunc(p.faults, func(f Fault) bool { return f.Start >= m.since && f.distrusts(r.Broker) }) {
			m = &kept{last: map[string]KeyedRecord{}, since: v.Time, cuts: r.Log.Cuts()}
			p.kept[r.Broker] = m
		}
		if r.Cleaned > m.cleaned {
			w.compareKept(p, r, m, replicas, v)
			m.cleaned = r.Cleaned
		}
		m.read(r, r.Stable)
		m.written, m.cuts = written, r.Log.Cuts()
	}
}

// read keeps what comes next, up to an offset.
func (m *kept) read(r *ReplicaView, to int64) {
	from := max(m.upTo, r.LogStart)
	if to = min(to, r.LogEnd); from >= to {
		return
	}
	if err := r.Log.Keyed(from, to, func(k KeyedRecord) { m.last[k.Key] = k }); err != nil {
		m.last, m.upTo = map[string]KeyedRecord{}, 0 // it begins anew when it can be read
		return
	}
	m.upTo = to
}

func (w *Watcher) compareKept(p *watched, r *ReplicaView, m *kept, replicas []*ReplicaView, v *ClusterView) {
	// What supersedes a record may have come since the last picture.
	anew := &kept{last: map[string]KeyedRecord{}}
	if anew.read(r, r.Stable); anew.upTo < m.upTo {
		return
	}
	w.c.turn(wCompacted)
	for _, key := range slices.Sorted(maps.Keys(m.last)) {
		was := m.last[key]
		if was.Offset < r.LogStart {
			delete(m.last, key)
			continue
		}
		w.c.cur.Inputs++
		is, ok := anew.last[key]
		switch {
		case ok && (is.Offset == was.Offset || is.Offset >= m.upTo):
		case ok:
			w.c.found(&p.partition, int64(r.Broker), was.Offset, v.Time, fmt.Sprintf(
				"broker %d has cleaned %s up to offset %d, and whoever reads it anew with read_committed has offset %d of key %q at %s, not offset %d as before",
				r.Broker, p.tp, r.Cleaned, is.Offset, key, clock(v.Time), was.Offset))
			return
		case !was.Deleted:
			w.c.found(&p.partition, int64(r.Broker), was.Offset, v.Time, fmt.Sprintf(
				"broker %d has cleaned %s up to offset %d, and whoever reads it anew with read_committed has nothing of key %q at %s, which is at offset %d",
				r.Broker, p.tp, r.Cleaned, key, clock(v.Time), was.Offset))
			return
		default:
			delete(m.last, key)
			w.needed(p, r, was, replicas, v.Time)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(anew.last), cmp.Compare[string]) {
		if _, ok := m.last[key]; !ok && anew.last[key].Offset < m.upTo {
			w.c.found(&p.partition, int64(r.Broker), anew.last[key].Offset, v.Time, fmt.Sprintf(
				"broker %d has cleaned %s up to offset %d, and whoever reads it anew with read_committed has offset %d of key %q at %s, of which there was nothing before",
				r.Broker, p.tp, r.Cleaned, anew.last[key].Offset, key, clock(v.Time)))
			return
		}
	}
}

// needed finds a replica that needs a tombstone which another has removed: it has a
// record of the key and has not come to the tombstone yet.
func (w *Watcher) needed(p *watched, by *ReplicaView, gone KeyedRecord, replicas []*ReplicaView, at time.Duration) {
	if len(p.states) == 0 {
		return
	}
	w.c.turn(wTombstones)
	for _, id := range p.states[len(p.states)-1].Replicas {
		m := p.kept[id]
		if id == by.Broker || m == nil {
			continue
		}
		w.c.cur.Inputs++
		end := m.written
		if i := slices.IndexFunc(replicas, func(r *ReplicaView) bool { return r.Broker == id }); i >= 0 {
			end = replicas[i].LogEnd
		}
		if has, ok := m.last[gone.Key]; ok && !has.Deleted && has.Offset < gone.Offset && end <= gone.Offset {
			w.c.found(&p.partition, int64(by.Broker), gone.Offset, at, fmt.Sprintf(
				"broker %d has removed the tombstone of key %q at offset %d of %s, at %s, although the log of broker %d ends at offset %d with the key at offset %d: it will never hear that it is deleted",
				by.Broker, gone.Key, gone.Offset, p.tp, clock(at), id, end, has.Offset))
			return
		}
	}
	w.c.turn(wCompacted)
}
