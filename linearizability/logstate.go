package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// logMemory is what a broker's log knew of itself in the last picture.
type logMemory struct {
	incarnation int64
	cuts        uint64
	start       int64
	written     int64 // up to where it was, synced or not
	epochs      []EpochEntry
	producers   []ProducerEntry
}

// logState compares what each log knows of itself with its batches (K13): its leader
// epochs, by which logs are compared and cut, and the producers, by whose sequence
// numbers retries are known. Both are kept apart from the batches, in memory and in
// files, and have to follow each cut and each failed write.
func (w *Watcher) logState(p *watched, replicas []*ReplicaView, v *ClusterView) {
	for _, r := range replicas {
		b := v.broker(r.Broker)
		if r.Log == nil || r.Failed || b == nil {
			continue
		}
		producers, written := r.Log.Producers()
		m := p.memory[r.Broker]
		if m == nil || m.incarnation != b.Incarnation || m.cuts != r.Log.Cuts() || written < m.written || r.LogStart > m.written {
			m = &logMemory{incarnation: b.Incarnation, cuts: r.Log.Cuts()} // it is another log now, or was cut
			p.memory[r.Broker] = m
		}
		w.epochCache(p, r, m, written, v.Time)
		w.producers(p, r, m, producers, written, v)
		m.start, m.written, m.producers = r.LogStart, written, producers
	}
}

// epochCache finds leader epochs that a log does not have. One that has no record yet
// begins where the log ends.
func (w *Watcher) epochCache(p *watched, r *ReplicaView, m *logMemory, written int64, at time.Duration) {
	epochs := r.Log.Epochs()
	if slices.Equal(epochs, m.epochs) && r.LogStart == m.start {
		return
	}
	m.epochs = epochs
	w.c.turn(wEpochCache)
	for _, e := range epochs {
		w.c.cur.Inputs++
		if e.StartOffset > written {
			w.c.found(&p.partition, int64(r.Broker), e.StartOffset, at, fmt.Sprintf(
				"the log of %s on broker %d ends at offset %d, but takes leader epoch %d to begin at %d, at %s", p.tp, r.Broker, written, e.Epoch, e.StartOffset, clock(at)))
			return
		}
		if r.Gaps || e.StartOffset < r.LogStart || e.StartOffset >= r.LogEnd {
			continue
		}
		var has BatchID
		if err := r.Log.Batches(e.StartOffset, r.LogEnd, func(b BatchID) bool { has = b; return false }); err != nil || has == (BatchID{}) {
			continue
		}
		if has.BaseOffset == e.StartOffset && has.LeaderEpoch != e.Epoch {
			w.c.found(&p.partition, int64(r.Broker), e.StartOffset, at, fmt.Sprintf(
				"the log of %s on broker %d takes leader epoch %d to begin at offset %d, but holds %s there, at %s", p.tp, r.Broker, e.Epoch, e.StartOffset, has, clock(at)))
			return
		}
	}
}

// producers finds producers that a log knows otherwise than its batches say, or has
// forgotten although it has cut nothing and their time is not over.
func (w *Watcher) producers(p *watched, r *ReplicaView, m *logMemory, known []ProducerEntry, written int64, v *ClusterView) {
	before := m.producers
	w.c.turn(wProducers)
	i := 0
	for _, e := range known {
		for i < len(before) && before[i].ID < e.ID {
			i++
		}
		if e.Sequence < 0 || i < len(before) && before[i] == e {
			continue
		}
		w.c.cur.Inputs++
		says := func(what string, args ...any) {
			w.c.found(&p.partition, int64(r.Broker), e.LastOffset, v.Time, fmt.Sprintf(
				"the log of %s on broker %d takes the last batch of producer %d to be offsets %d to %d, with sequence %d of epoch %d at its end, ",
				p.tp, r.Broker, e.ID, e.BaseOffset, e.LastOffset, e.Sequence, e.Epoch)+fmt.Sprintf(what, args...)+", at "+clock(v.Time))
		}
		switch {
		case e.LastOffset >= written:
			says("but it ends at %d", written)
			return
		case r.Gaps || e.BaseOffset < r.LogStart || e.LastOffset >= r.LogEnd:
			continue
		}
		if has, ok := r.Log.ProducerOf(e.BaseOffset, e.LastOffset); !ok {
			says("but has no such batch")
			return
		} else if has != e {
			says("but that batch is of producer %d, sequence %d, epoch %d", has.ID, has.Sequence, has.Epoch)
			return
		}
	}
	if v.ProducerExpiration <= 0 || v.Time >= v.ProducerExpiration {
		return
	}
	w.c.turn(wRemembers)
	i = 0
	for _, e := range before {
		w.c.cur.Inputs++
		for i < len(known) && known[i].ID < e.ID {
			i++
		}
		if i < len(known) && known[i].ID == e.ID {
			continue
		}
		w.c.found(&p.partition, int64(r.Broker), e.LastOffset, v.Time, fmt.Sprintf(
			"the log of %s on broker %d has forgotten producer %d at %s, whose last batch it took to end at offset %d with sequence %d of epoch %d, although it has cut nothing and remembers producers for %s",
			p.tp, r.Broker, e.ID, clock(v.Time), e.LastOffset, e.Sequence, e.Epoch, v.ProducerExpiration))
		return
	}
}
