package program

import (
	"slices"

	"github.com/weirlab/weir/linearizability"
)

// pollBatches reads what has arrived, by the batch, and takes it down. runs
// and intended are scratch.
func (r *consuming) pollBatches() {
	started := r.e.Now()
	got := r.k.PollBatches(pollTimeout)
	now := r.e.Now()
	w := r.w
	for i := range got.Partitions {
		p := &got.Partitions[i]
		r.runs, r.intended, r.bytes = r.runs[:0], r.intended[:0], 0
		var records []linearizability.Record
		n, epoch := int64(0), int32(linearizability.None)
		for j := range p.Batches {
			b := &p.Batches[j]
			epoch = b.LeaderEpoch()
			next := b.From()
			err := b.Each(func(offset int64, payload []byte) {
				n++
				next = offset + 1
				v := r.take(payload)
				if w.cfg.History.Mode == linearizability.RecordBatches {
					r.runs = linearizability.AppendRun(r.runs, offset, v)
				} else if v == linearizability.None || w.cfg.History.Keeps(v) {
					records = append(records, linearizability.Record{Offset: offset, Value: v})
				}
			})
			if err != nil { // what follows is nothing that a producer wrote
				r.runs = linearizability.AppendRun(r.runs, next, linearizability.None)
				records = append(records, linearizability.Record{Offset: next, Value: linearizability.None})
			}
		}
		w.consumed.Add(n)
		if len(r.intended) > 0 {
			w.read.Add(int64(len(r.intended)))
			w.meter.ConsumedBatch(r.intended, now-w.origin, r.bytes)
		}
		op := linearizability.Op{
			Time: now, Type: linearizability.OK, Broker: linearizability.None, LeaderEpoch: epoch,
		}
		if w.cfg.History.Mode == linearizability.RecordBatches {
			op.Runs = slices.Clone(r.runs)
		} else {
			op.Records = records
		}
		w.rec.Complete(r.invokePoll(started, p.TopicPartition, p.Position, r.session(p.Session)), op)
	}
	r.recordErrors(got.Errors, started, now)
}

// take parses a record's value and measures it.
func (r *consuming) take(payload []byte) int64 {
	v, by, intended, ok := r.w.parse(payload)
	if !ok {
		return linearizability.None
	}
	if by != nil {
		r.intended = append(r.intended, intended)
		r.bytes += int64(len(payload))
	}
	return v
}
