package transaction

import (
	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// findOverdue notes the open transactions whose time is up.
func (m *machine) findOverdue(at at) {
	for id, when, ok := m.due.First(); ok && when < wallInstant(at.WallMillis); id, when, ok = m.due.First() {
		m.due.Remove(id)
		m.overdue = append(m.overdue, id)
	}
}

// timeOut aborts a transaction whose time is up. If that cannot be, it is due
// again the next time.
func (m *machine) timeOut(at at, id string) turn {
	s := m.status(id)
	if s == nil || s.State != Ongoing {
		return turn{}
	}
	if !s.TimedOut(at.WallMillis) { // another one
		m.due.Set(id, wallInstant(s.deadline()))
		return turn{}
	}
	version := m.world.version()
	d := s.Fence(at.WallMillis, version, none)
	if d.NeedsID {
		d = s.Fence(at.WallMillis, version, m.world.spareID())
	}
	if d.Next != nil && planted.Is("time-out-without-epoch") {
		d.Next.Epoch, d.Next.LastEpoch, d.Next.ClientVersion, d.Next.NextID = s.Epoch, s.LastEpoch, s.ClientVersion, none
	}
	m.reached(id, "times out", d)
	if d.NeedsID {
		m.due.Set(id, wallInstant(s.deadline()))
		return turn{}
	}
	t := m.write(at, id, d.Next)
	ended := t.Then
	t.Then = func(at coordinator.At, o coordinator.Outcome) turn {
		if s := m.status(id); o.Code != 0 && !o.Appended && s != nil && s.State == Ongoing {
			m.due.Set(id, wallInstant(s.deadline()))
		}
		return ended(at, o)
	}
	return t
}

// expirationsPerBatch bounds the records of one append.
const expirationsPerBatch = 1000

// expired lists the transactional ids that nobody has used for as long as they
// are kept. One with an open or ending transaction stays.
func (m *machine) expired(wallMillis int64) (ids []string) {
	for _, id := range env.SortedKeys(m.txns) {
		t := m.txns[id]
		if t.State != Ongoing && !t.State.ending() && t.UpdatedMillis <= wallMillis-m.cfg.ExpireAfter.Milliseconds() {
			ids = append(ids, id)
		}
	}
	return ids
}

// expire takes transactional ids out of the log and, with it, out of memory.
func (m *machine) expire(wallMillis int64, ids []string) turn {
	now, later := ids[:min(len(ids), expirationsPerBatch)], ids[min(len(ids), expirationsPerBatch):]
	t := turn{Applied: func(int64) {
		for _, id := range now {
			m.forget(id)
		}
	}}
	for _, id := range now {
		t.Records = append(t.Records, storage.Record(tombstone(id, wallMillis)))
	}
	if len(later) > 0 {
		t.Next = func(at at) turn { return m.expire(at.WallMillis, later) }
	}
	return t
}
