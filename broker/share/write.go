package share

import "time"

// Unwritten reports whether there is anything that the coordinator should know and does
// not.
func (p *Partition) Unwritten() bool {
	if p.start != p.told {
		return true
	}
	for i := range p.runs {
		if r := &p.runs[i]; r.asked || r.stale {
			return true
		}
	}
	return false
}

// BeginWrite begins a write of all that is unwritten, and returns what to write. There
// is one write at a time: what comes meanwhile goes with the next. So the coordinator
// hears of everything in the order in which it was asked for, and the start offset may
// count on what is in the same write.
func (p *Partition) BeginWrite() State {
	p.writing = true
	s := State{StateEpoch: p.stateEpoch, LeaderEpoch: p.leaderEpoch, StartOffset: p.start}
	leading := true // all before is done
	for i := range p.runs {
		r := &p.runs[i]
		state := r.state
		if r.asked {
			state = r.next
		}
		r.written = r.asked || r.stale
		if leading = leading && state.terminal(); leading {
			s.StartOffset = r.last + 1
			continue
		}
		if state.terminal() {
			s.DeliveryCompleteCount += int32(r.size())
		}
		if !r.written {
			continue
		}
		if n := len(s.Batches); n > 0 && s.Batches[n-1].Last == r.first-1 && s.Batches[n-1].State == state && s.Batches[n-1].DeliveryCount == r.count {
			s.Batches[n-1].Last = r.last
			continue
		}
		s.Batches = append(s.Batches, Batch{First: r.first, Last: r.last, State: state, DeliveryCount: r.count})
	}
	p.writingStart = s.StartOffset
	return s
}

// EndWrite says how the write has ended. If not well, whatever was acknowledged is the
// member's again until its lock times out, which it may have by now.
func (p *Partition) EndWrite(now time.Duration, l Limits, well bool) {
	p.writing = false
	if well {
		p.told = max(p.told, p.writingStart)
	}
	for i := range p.runs {
		r := &p.runs[i]
		if !r.written {
			continue
		}
		r.written = false
		switch {
		case well && r.asked:
			*r = run{first: r.first, last: r.last, state: r.next, count: r.count}
		case well:
			r.stale = false
		case r.asked && r.until <= now:
			r.giveBack(l)
		case r.asked:
			r.asked, r.next = false, Available
		}
	}
	p.tidy()
}
