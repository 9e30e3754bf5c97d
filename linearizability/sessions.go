package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// sessions is K7: while a consumer reads on without a new assignment or a
// seek, offsets go up, never below the position asked for, and pass over no
// record that is in the log.
func (c *court) sessions(p *partition) {
	type session struct{ process, number int64 }
	last := map[session]int64{}
	polls := slices.Clone(p.polls)
	slices.SortStableFunc(polls, func(a, b *PollOp) int { return cmp.Compare(a.Return, b.Return) })
	for _, poll := range polls {
		if poll.Outcome != OK {
			continue
		}
		k := session{poll.Process, poll.Session}
		begun := false
		poll.runsRead(func(r Run) {
			c.cur.Inputs += r.Count
			if !begun && r.Offset < poll.Position {
				c.found(p, 0, r.Offset, poll.Return, fmt.Sprintf("client %d asked for offset %d of %s and was given offset %d, at %s",
					poll.Process, poll.Position, p.tp, r.Offset, clock(poll.Return)))
			}
			begun = true
			from := max(poll.Position, 0)
			l, ok := last[k]
			if ok {
				if r.Offset <= l {
					c.found(p, 1, r.Offset, poll.Return, fmt.Sprintf("client %d had read offset %d of %s and was given offset %d again at %s, without a seek",
						poll.Process, l, p.tp, r.Offset, clock(poll.Return)))
				}
				from = l + 1
			}
			if missed := p.log.between(from, r.Offset); missed != nil && r.Offset > from {
				c.found(p, 2, missed.Offset, poll.Return, fmt.Sprintf("client %d was to read %s from offset %d and was given offset %d at %s: offset %d (value %d), which is in the log, was skipped",
					poll.Process, p.tp, from, r.Offset, clock(poll.Return), missed.Offset, missed.Value))
			}
			last[k] = max(l, r.end()-1)
		})
	}
}

// between returns the first record with an offset in [from, to), nil if there
// is none.
func (l *finalLog) between(from, to int64) *ScanRecord {
	if l.scan == nil || from >= to {
		return nil
	}
	if len(l.scan.Runs) > 0 {
		var missed *ScanRecord
		eachRun(l.scan.Runs, Run{Offset: from, Count: to - from}, func(_ Run, in *ScanRun, place int64) {
			if in != nil && missed == nil {
				r := in.record(place)
				missed = &r
			}
		})
		return missed
	}
	r := l.scan.Records
	i, _ := slices.BinarySearchFunc(r, from, func(r ScanRecord, o int64) int { return cmp.Compare(r.Offset, o) })
	if i < len(r) && r[i].Offset < to {
		return &r[i]
	}
	return nil
}
