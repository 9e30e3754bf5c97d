package linearizability

import "fmt"

// duplicates is K3: under idempotence no value stands at two offsets. A
// producer that gave up its producer epoch and sent anew, or one without
// idempotence that retried, made its own duplicate.
func (c *court) duplicates(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	if c.runs() {
		c.duplicatesRuns(p)
		return
	}
	first := make(map[int64]*ScanRecord, len(p.log.scan.Records))
	for i := range p.log.scan.Records {
		r := &p.log.scan.Records[i]
		c.cur.Inputs++
		f := first[r.Value]
		if f == nil || r.Value == None {
			first[r.Value] = r
			continue
		}
		var s *SendOp
		if i, ok := c.byValue[r.Value]; ok {
			s = &c.h.Sends[i]
		}
		c.duplicate(p, f, r, s)
	}
}

// duplicate handles a value that stands in the log twice. s is its sending,
// nil if nobody sent it.
func (c *court) duplicate(p *partition, f, r *ScanRecord, s *SendOp) {
	switch {
	case f.ProducerID != None && (f.ProducerID != r.ProducerID || f.ProducerEpoch != r.ProducerEpoch):
		c.excused(p, r.Offset, "the producer began a new epoch and sent the record again, which ends the protection against duplicates")
	case f.ProducerID == None && s != nil && s.Attempts != 1:
		c.excused(p, r.Offset, "the producer is not idempotent and sent the record more than once")
	default:
		c.found(p, 0, r.Offset, 0, fmt.Sprintf("value %d of %s is in the log twice, at offsets %d and %d", r.Value, p.tp, f.Offset, r.Offset),
			describeCopy(f), describeCopy(r), describeSend(s))
	}
}

func describeCopy(r *ScanRecord) string {
	return fmt.Sprintf("offset %d: leader epoch %d, producer id %d, producer epoch %d, sequence %d", r.Offset, r.LeaderEpoch, r.ProducerID, r.ProducerEpoch, r.Sequence)
}

func describeSend(s *SendOp) string {
	if s == nil {
		return "nobody sent it"
	}
	return fmt.Sprintf("sent by client %d at %s in %s (idempotent: %v)", s.Process, clock(s.Call), attempts(s), s.Idempotent)
}

type producer struct {
	id    int64
	epoch int16
}

// sequences is K4: along the log, the sequence numbers of one producer epoch
// go up by one from the first that is retained.
func (c *court) sequences(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	switch c.h.Recording.mode() {
	case RecordBatches:
		c.sequencesRuns(p)
		return
	case RecordSampled:
		c.cur.Note = "of the records sampled, that they rise: what lies between is not known"
	}
	last := map[producer]*ScanRecord{}
	for i := range p.log.scan.Records {
		r := &p.log.scan.Records[i]
		if r.ProducerID == None {
			continue
		}
		c.cur.Inputs++
		k := producer{r.ProducerID, r.ProducerEpoch}
		l := last[k]
		last[k] = r
		if l == nil || r.Sequence == sequenceAfter(l.Sequence, 1) || c.h.Recording.mode() == RecordSampled && risen(l, r) {
			continue
		}
		c.sequenceBroken(p, k, l, r)
	}
}

// risen says whether a record's sequence number may be that of a later record
// of the same producer with others between: it rises with the offset, and no
// faster.
func risen(l, r *ScanRecord) bool {
	up := (int64(r.Sequence) - int64(l.Sequence)) & (1<<31 - 1)
	return up > 0 && up <= r.Offset-l.Offset
}

func (c *court) sequenceBroken(p *partition, k producer, l, r *ScanRecord) {
	c.found(p, 0, r.Offset, 0, fmt.Sprintf("in %s, producer %d epoch %d goes from sequence %d at offset %d to sequence %d at offset %d",
		p.tp, k.id, k.epoch, l.Sequence, l.Offset, r.Sequence, r.Offset))
}

// fifo is K4: records that one idempotent producer sent to a partition stand
// in the log in the order in which it sent them.
func (c *court) fifo(p *partition) {
	if p.log.scan == nil {
		c.noScan(p)
		return
	}
	if c.runs() {
		c.fifoRuns(p)
		return
	}
	// Sends stand in the order of invocation.
	rank := make(map[int64]int, len(p.sends))
	for i, s := range p.sends {
		rank[s.Value] = i
	}
	type session struct {
		process int64
		producer
	}
	last := map[session]int{}
	at := map[session]int64{}
	seen := map[int64]bool{}
	for i := range p.log.scan.Records {
		r := &p.log.scan.Records[i]
		n, ok := rank[r.Value]
		if !ok || r.ProducerID == None || seen[r.Value] {
			continue
		}
		seen[r.Value] = true
		s := p.sends[n]
		c.cur.Inputs++
		k := session{s.Process, producer{r.ProducerID, r.ProducerEpoch}}
		if before, ok := last[k]; ok && n < before {
			c.disordered(p, r.Offset, s, p.sends[before], at[k])
			continue
		}
		last[k], at[k] = n, r.Offset
	}
}

// disordered is the finding that s stands at an offset behind b, which was sent
// after it.
func (c *court) disordered(p *partition, offset int64, s, b *SendOp, at int64) {
	c.found(p, 0, offset, s.Call, fmt.Sprintf(
		"client %d sent value %d to %s at %s, before value %d at %s, yet it stands behind it: offset %d after %d",
		s.Process, s.Value, p.tp, clock(s.Call), b.Value, clock(b.Call), offset, at))
}
