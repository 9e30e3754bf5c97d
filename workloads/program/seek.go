package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Seek is the program of readers who want only a part: each goes to an offset or
// a time of a partition, reads on for a while, quickly or slowly, and closes its
// consumer or just drops its connections with a fetch under way. What they read
// is taken down as that of [Consume], whose recording they share; that they do not
// read to the end is no fault.
type Seek struct {
	Consume

	// Slow is how long a slow reader waits between two polls at most.
	Slow time.Duration
}

// Kind implements Program.
func (p *Seek) Kind() string { return "seeker" }

// Promise implements Program: what is read, but not everything.
func (p *Seek) Promise(m *linearizability.Manifest) { m.Consumers += p.Consumers }

func (p *Seek) join(w *Workload, first int) error {
	if p.Slow <= 0 {
		return fmt.Errorf("%s between the polls of a slow reader: it must be above zero", p.Slow)
	}
	if err := p.Consume.join(w, first); err != nil {
		return err
	}
	if p.Consumers > 0 {
		p.topic.readers-- // nobody waits for them to read everything
	}
	return nil
}

func (p *Seek) run(e env.Env, name string, i int) error {
	w := p.w
	rand := e.Rand("seeks", name)
	if wait := w.cfg.Start - w.now(e); wait > 0 {
		e.Sleep(wait)
	}
	for life := int64(0); !w.over(e); life++ {
		if err := p.visit(e, name, i, life, rand); err != nil {
			return err
		}
		e.Sleep(rand.Between(0, p.Slow))
	}
	return nil
}

// wholeTable is how many polls a reader of a whole table makes at most.
const wholeTable = 1000

// visit is one look at a part of a partition.
func (p *Seek) visit(e env.Env, name string, i int, life int64, rand *env.Rand) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	k, err := c.NewConsumer(p.Consumer)
	if err != nil {
		return err
	}
	run := &consuming{p: &p.Consume, w: w, e: e, c: c, k: k, index: i, life: life}
	tp := p.topic.partition(int32(rand.Intn(int(p.topic.Partitions))))
	k.Assign([]client.TopicPartition{tp})
	whole := false
	switch {
	case p.topic.keys > 0 && rand.Chance(2, 3):
		// Whoever wants the table reads it from the start.
		k.Seek(tp, 0)
		whole = true
	case rand.Chance(1, 2):
		k.SeekTime(tp, e.Wall().Add(-rand.Between(0, 20*time.Second)).UnixMilli())
	default:
		if end, _, err := c.Admin().ListOffset(tp, client.TimestampLatest, probeTimeout); err == nil {
			k.Seek(tp, rand.Int64n(end+1))
		}
	}
	slow := rand.Chance(1, 3)
	polls := wholeTable
	if !whole {
		polls = 1 + rand.Intn(6)
	}
	for range polls {
		if w.over(e) {
			break
		}
		if w.cfg.bulk() {
			run.pollBatches()
		} else {
			started := e.Now()
			batch := k.Poll(pollTimeout)
			run.record(&batch, started)
			if whole && len(batch.Partitions) == 0 && len(batch.Errors) == 0 {
				break // that is the end
			}
		}
		if slow {
			e.Sleep(rand.Between(0, p.Slow))
		}
	}
	if rand.Chance(1, 2) {
		k.Close()
	}
	return nil
}
