package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Transfer is the program of clients that move amounts between the partitions of a
// topic: each transaction takes from some what it gives to others, so that the sum
// of what is committed is always zero.
type Transfer struct {
	Topic     string
	Transfers int // clients
	Transacting
	// Moves is how many amounts a transaction moves at most; each is two records.
	// Default 3.
	Moves       int
	RecordBytes int // value size; default 64

	// In the run.
	w       *Workload
	topic   *topic
	number  int64 // of the first client's values
	process int64 // of the first client
}

// Kind implements Program.
func (p *Transfer) Kind() string { return "transfer" }

// Clients implements Program.
func (p *Transfer) Clients() int { return p.Transfers }

// On implements Program.
func (p *Transfer) On() string { return p.Topic }

// Groups implements Program.
func (p *Transfer) Groups() []string { return nil }

// Transactional implements Program.
func (p *Transfer) Transactional() []string { return p.names("transfer-"+p.Topic, p.Transfers) }

// Promise implements Program: every transaction, every record of it, and that the
// sum of the amounts is zero.
func (p *Transfer) Promise(m *linearizability.Manifest) {
	m.Producers += p.Transfers
	m.Transactional += p.Transfers
	m.Conserved = append(m.Conserved, p.Topic)
	m.Plain = append(m.Plain, p.Topic)
}

func (p *Transfer) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil || p.Transfers == 0 {
		return err
	}
	if p.Moves == 0 {
		p.Moves = 3
	}
	if p.RecordBytes == 0 {
		p.RecordBytes = 64
	}
	switch err := p.check(p.Transfers); {
	case err != nil:
		return err
	case p.Moves < 0:
		return fmt.Errorf("transfers of %d amounts: there must be at least one", p.Moves)
	case p.RecordBytes < linearizability.MinPayload:
		return fmt.Errorf("records need at least %d bytes to carry their identity, not %d", linearizability.MinPayload, p.RecordBytes)
	}
	p.w, p.topic = w, topic
	p.number, p.process = w.transactors(int64(p.Transfers)), w.claim(int64(p.Transfers))
	w.producing.Add(int64(p.Transfers))
	return nil
}

// transactors gives a program the numbers of n clients whose transactions send
// records, and returns the first.
func (w *Workload) transactors(n int64) int64 {
	first := w.transacting
	w.transacting += n
	w.stamped = false // they are plain payloads
	return first
}

func (p *Transfer) run(e env.Env, name string, i int) error {
	w := p.w
	defer w.producing.Add(-1)
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	rand := e.Rand("transfers", name)
	t := newTransactor(w, e, c, &p.Transacting, rand, "transfer-"+p.Topic, p.number+int64(i), p.process+int64(i), i)
	if wait := w.cfg.Start - w.now(e); wait > 0 {
		e.Sleep(wait)
	}
	for !w.over(e) && t.ready() {
		started := e.Now()
		if t.begin() == nil {
			p.move(t, rand)
			committed := t.end()
			outcome := client.OutcomeFail
			if committed {
				outcome = client.OutcomeOK
			}
			w.meter.Operated("transaction", started-w.origin, e.Now()-w.origin, outcome)
		}
		e.Sleep(min(p.Every.draw(rand), max(0, w.end()-w.now(e))))
	}
	if t.p != nil {
		t.p.Close(w.cfg.Drain)
	}
	return nil
}

// move sends the records of one transaction: an amount out of one partition and
// into another, some times over, with time between.
func (p *Transfer) move(t *transactor, rand *env.Rand) {
	n := int(p.topic.Partitions)
	for i := range 1 + rand.Intn(p.Moves) {
		if i > 0 {
			t.stopHere()
		}
		amount := 1 + rand.Int64n(100)
		from := rand.Intn(n)
		to := from
		if n > 1 {
			to = (from + 1 + rand.Intn(n-1)) % n
		}
		t.send(p.Topic, int32(from), -amount, linearizability.None, p.RecordBytes)
		if rand.Chance(1, 4) {
			t.e.Sleep(rand.Between(0, 50*time.Millisecond))
		}
		t.stopHere()
		t.send(p.Topic, int32(to), amount, linearizability.None, p.RecordBytes)
	}
}
