package transaction

import (
	"slices"
	"time"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Ref names a waiting request; the answer carries it.
type Ref = coordinator.Ref

// output is what a request is answered with.
type output struct {
	code    int16
	needsID bool    // see Decision
	status  *Status // as the request has left it, nil if there is none
	each    []int16 // codes, one for each partition asked for
}

// At, answer and turn are the runtime's, for transactions.
type (
	at     = coordinator.At
	answer = coordinator.Answer[output]
	turn   = coordinator.Turn[output]
)

// world is what a machine asks of the world and tells it, without waiting.
type world struct {
	version func() int16   // transaction.version in force
	spareID func() int64   // a fresh producer id, -1 if none is at hand
	send    func([]Marker) // carries markers, each until it is confirmed by marked
	tell    func(name string, attributes []env.Attr)
}

// machine is the transactional ids of one partition of __transaction_state. It
// is pure: what it is told of the world comes with each call, or by world.
type machine struct {
	cfg       *Config
	lab       *env.Lab
	world     world
	view      *view // shows statuses; nil for nobody
	partition int32
	epoch     int32 // in which this broker leads the partition

	txns map[string]*txn

	due      coordinator.Timers[string] // of open transactions: the wall clock at which each times out
	overdue  []string                   // to be aborted, by one Tick each
	retries  coordinator.Timers[string] // of ended ones that could not be completed
	abortAt  time.Duration              // when to look for overdue ones; 0 before the log is loaded
	expireAt time.Duration              // when to look for transactional ids that nobody uses
}

// txn is a transactional id.
type txn struct {
	*Status
	recorded int64            // where its newest record ends
	awaited  []TopicPartition // that have not confirmed their markers, while the transaction is ending
}

func newMachine(cfg *Config, partition, epoch int32, w world) *machine {
	return &machine{cfg: cfg, world: w, partition: partition, epoch: epoch, txns: make(map[string]*txn)}
}

// set makes a status count whose record ends at offset end.
func (m *machine) set(id string, s *Status, end int64) {
	t := m.txns[id]
	if t == nil {
		t = &txn{}
		m.txns[id] = t
	}
	t.Status, t.recorded, t.awaited = s, end, nil
	m.view.set(id, s)
	if s.State.ending() {
		t.awaited = slices.Clone(s.Partitions)
	}
	if s.State == Ongoing {
		m.due.Set(id, wallInstant(s.deadline()))
	} else {
		m.due.Remove(id)
	}
	m.retries.Remove(id)
}

// wallInstant is a wall clock's time as timers have it.
func wallInstant(millis int64) time.Duration { return time.Duration(millis) * time.Millisecond }

func (m *machine) forget(id string) {
	delete(m.txns, id)
	m.view.set(id, nil)
	m.due.Remove(id)
	m.retries.Remove(id)
}

// status is what is known of a transactional id, nil for nothing.
func (m *machine) status(id string) *Status {
	if t := m.txns[id]; t != nil {
		return t.Status
	}
	return nil
}

// Loaded sends the markers of what was ending when the coordinator before this
// one left.
func (m *machine) Loaded(at at) turn {
	m.abortAt, m.expireAt = at.Now+m.cfg.AbortInterval, at.Now+m.cfg.ExpireInterval
	for _, id := range env.SortedKeys(m.txns) {
		if t := m.txns[id]; t.State.ending() {
			m.retries.Set(id, at.Now) // those without partitions are completed, one by one
			m.sendMarkers(id)
		}
	}
	return turn{}
}

// NextTick is when something has to be aborted, completed or looked for.
func (m *machine) NextTick() (time.Duration, bool) {
	if m.abortAt == 0 {
		return 0, false
	}
	next := min(m.abortAt, m.expireAt)
	if len(m.overdue) > 0 {
		next = 0
	}
	if _, at, ok := m.retries.First(); ok {
		next = min(next, at)
	}
	return next, true
}

// Tick does one thing whose time has come.
func (m *machine) Tick(at at) turn {
	if id, when, ok := m.retries.First(); ok && when <= at.Now {
		m.retries.Remove(id)
		return m.completeIfDone(at, id)
	}
	if n := len(m.overdue); n > 0 {
		id := m.overdue[0]
		m.overdue = m.overdue[1:]
		return m.timeOut(at, id)
	}
	if m.abortAt <= at.Now {
		m.abortAt = at.Now + m.cfg.AbortInterval
		m.findOverdue(at)
		return turn{}
	}
	if m.expireAt <= at.Now {
		m.expireAt = at.Now + m.cfg.ExpireInterval
		// How long an id is kept says what may go, not when.
		if m.lab.Rare("transaction/expire-late") {
			return turn{}
		}
		return m.expire(at.WallMillis, m.expired(at.WallMillis))
	}
	return turn{}
}

// decide makes a turn of what is to come of a request, whose answer waits for
// the newest record about the transactional id: nobody hears of what a later
// coordinator may not know.
func (m *machine) decide(at at, ref Ref, id, what string, d Decision) turn {
	m.reached(id, what, d)
	out := output{code: d.Code, needsID: d.NeedsID, status: d.Next}
	var t turn
	if d.Next != nil {
		t = m.write(at, id, d.Next)
	} else if known := m.txns[id]; known != nil {
		out.status, t.After = known.Status, known.recorded
	}
	t.Answers = []answer{{Ref: ref, Value: out}}
	return t
}

func (m *machine) reached(id, what string, d Decision) {
	if m.lab == nil {
		return
	}
	from, to := "none", "refused"
	if s := m.status(id); s != nil {
		from = s.State.String()
	}
	if d.Next != nil {
		to = d.Next.State.String()
	}
	m.lab.Reached("transaction "+from, what, to)
}

// write is a turn that gives a transactional id a status. One that ends a
// transaction is followed, once it is committed, by the markers.
func (m *machine) write(at at, id string, s *Status) turn {
	t := turn{Records: []storage.Record{record(id, s, m.world.version(), at.WallMillis)}}
	end := int64(-1)
	t.Applied = func(base int64) {
		end = base + 1
		m.set(id, s, end)
		m.world.tell("transaction", []env.Attr{env.Text("id", id), env.Text("state", s.State.String()),
			env.Int("producer", s.ProducerID), env.Int("epoch", s.Epoch), env.Int("partitions", len(s.Partitions))})
	}
	if s.State.ending() {
		t.Then = func(at coordinator.At, o coordinator.Outcome) turn { return m.ended(at, id, end, o) }
	}
	return t
}
