package controller

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// spreading is the answer to a request that made partitions. It waits until
// every active broker has applied them, so that whoever is answered can use them
// at once, through any broker. It does not wait for a broker that is silent, nor
// longer than spreadTime for one that is stuck.
type spreading struct {
	pendingAnswer
	until time.Duration
}

// spreadTime is how long the answer to a request may wait for brokers to apply
// what it wrote, 0 if it does not wait: at most half of the time that the request
// gives.
func (m *machine) spreadTime(req kmsg.Request) time.Duration {
	var millis int32
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		millis = req.TimeoutMillis
	case *kmsg.CreatePartitionsRequest:
		millis = req.TimeoutMillis
	default:
		return 0
	}
	if millis <= 0 {
		return 0
	}
	return min(time.Duration(millis)*time.Millisecond/2, m.cfg.ApplyWait)
}

// release answers a request whose records are committed, or has the answer wait
// for the brokers.
func (l *loop) release(p pendingAnswer) {
	if wait := l.machine.spreadTime(p.call.req); p.wrote && wait > 0 {
		l.spreading = append(l.spreading, spreading{p, l.n.e.Now() + wait})
		return
	}
	p.call.answer(p.resp)
}

// spread gives the answers that every broker is ready for, or that have waited
// long enough.
func (l *loop) spread() {
	now := l.n.e.Now()
	kept := l.spreading[:0]
	for _, s := range l.spreading {
		// Kafka never waits; whoever is answered may meet a broker that knows less.
		if l.active && now < s.until && !l.n.lab.Rare("controller/spread-unwaited") && l.machine.awaitsBrokers(now, l.committed, s.need-1) != env.Forever {
			kept = append(kept, s)
			continue
		}
		s.call.answer(s.resp)
	}
	clear(l.spreading[len(kept):])
	l.spreading = kept
}

// spreadDeadline is when spread is due at the latest, Forever if nothing waits.
func (l *loop) spreadDeadline() time.Duration {
	at := env.Forever
	for _, s := range l.spreading {
		end := s.until
		if silent := l.machine.awaitsBrokers(l.n.e.Now(), l.committed, s.need-1); silent != env.Forever {
			end = min(end, silent)
		}
		if at == env.Forever || end < at {
			at = end
		}
	}
	return at
}

// awaitsBrokers is until when active brokers are waited for that have not
// applied the metadata up to offset, Forever if there are none. A broker is
// waited for as long as it was heard of within half its session.
func (m *machine) awaitsBrokers(now time.Duration, img *metadata.Image, offset int64) time.Duration {
	until := env.Forever
	for _, b := range img.Brokers() {
		s := m.sessions[b.ID]
		if !b.Active() || s == nil || s.epoch != b.Epoch || s.metadataOffset >= offset {
			continue
		}
		if end := s.heardAt + m.cfg.BrokerSessionTimeout/2; end > now {
			until = max(until, end)
		}
	}
	return until
}
