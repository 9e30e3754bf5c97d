package coordinator

import (
	"time"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

const (
	loadRetry = 200 * time.Millisecond

	// maxSkippedTold bounds the events of one load about records it cannot read.
	maxSkippedTold = 10
)

// load makes the machine what the log says, trying until it succeeds (true) or
// the shard is over.
func (s *shard[M, O]) load() bool {
	e, name := s.r.env, s.r.cfg.Name
	if s.pause > 0 && s.over.Wait(s.pause) {
		return false
	}
	for {
		l := loading[M, O]{s: s, machine: s.r.cfg.Machine(s.partition, s.epoch)}
		// Loading takes time, and what was loaded is the same if it is loaded again.
		if d := s.r.lab.Late("coordinator/load-late", time.Second); d > 0 && s.over.Wait(d) {
			return false
		}
		err := s.r.log.Load(s.partition, s.epoch, l.batch)
		if err == nil && s.r.lab.Rare("coordinator/load-again") {
			continue
		}
		if s.over.IsSet() {
			return false
		}
		if err == nil {
			s.machine, s.settled = l.machine, l.end
			s.mu.Lock()
			s.written, s.committed = l.end, l.end
			s.mu.Unlock()
			e.Event(name+"-loaded", env.Int("partition", s.partition), env.Int("epoch", s.epoch),
				env.Int("records", l.records), env.Int("skipped", l.skipped))
			return true
		}
		e.Event(name+"-load-failed", env.Int("partition", s.partition), env.Int("epoch", s.epoch), env.Text("error", err.Error()))
		if s.over.Wait(loadRetry) {
			return false
		}
	}
}

// loading is one attempt to read the log.
type loading[M Machine[O], O any] struct {
	s                *shard[M, O]
	machine          M
	end              int64
	records, skipped int64
}

// batch takes one batch of the log. What cannot be read is stepped over: no
// later replay could do better, and what stands beside it must not wait for
// ever.
func (l *loading[M, O]) batch(b storage.Batch) {
	l.end = b.NextOffset()
	if b.IsControl() {
		if marker, ok := b.Marker(); ok {
			l.machine.ReplayMarker(marker)
		}
		return
	}
	var by Producer
	if b.IsTransactional() {
		by = Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch(), Transactional: true}
	}
	next := b.BaseOffset()
	for rec, err := range b.Records() {
		if err == nil {
			next = rec.Offset
			err = l.machine.Replay(rec, by)
		}
		l.records++
		if err != nil {
			l.skip(next, err)
		}
		next++
	}
}

func (l *loading[M, O]) skip(offset int64, err error) {
	if l.skipped++; l.skipped <= maxSkippedTold {
		l.s.r.env.Event(l.s.r.cfg.Name+"-record-skipped", env.Int("partition", l.s.partition),
			env.Int("offset", offset), env.Text("error", err.Error()))
	}
}
