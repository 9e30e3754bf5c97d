package program

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Share is the program of members of a share group (KIP-932): they come and go, as
// those of [Members] do, and say of what they are given that they accept it, that it
// is to be given again, that it is to be given to nobody, or nothing at all. When the
// load has ended they stay until nothing is given any more.
type Share struct {
	Topic   string
	Sharers int
	Group   string
	Share   client.ShareConfig

	// Stay and Away bound how long a member shares before it goes, and how long it is
	// gone.
	Stay, Away Bounds
	// ReleaseOneIn has one run of records in so many be released, RejectOneIn be
	// rejected, and KeepOneIn be said nothing of, so that its lock times out. 0: none.
	ReleaseOneIn, RejectOneIn, KeepOneIn int64

	// In the run.
	w     *Workload
	topic *topic
	first int64 // process, one for each
}

// Kind implements Program.
func (p *Share) Kind() string { return "sharer" }

// Clients implements Program.
func (p *Share) Clients() int { return p.Sharers }

// On implements Program.
func (p *Share) On() string { return p.Topic }

// Groups implements Program.
func (p *Share) Groups() []string {
	if p.Sharers == 0 {
		return nil
	}
	return []string{p.Group}
}

// Transactional implements Program.
func (p *Share) Transactional() []string { return nil }

// Promise implements Program: everything that was written is given to somebody.
func (p *Share) Promise(m *linearizability.Manifest) {
	m.Sharers += p.Sharers
	m.Shared = append(m.Shared, p.Topic)
}

func (p *Share) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	switch {
	case err != nil:
		return err
	case p.Sharers > 0 && p.Group == "":
		return fmt.Errorf("sharers of no group")
	case p.ReleaseOneIn < 0 || p.RejectOneIn < 0 || p.KeepOneIn < 0:
		return fmt.Errorf("one run in %d released, %d rejected, %d kept: none of these may be negative", p.ReleaseOneIn, p.RejectOneIn, p.KeepOneIn)
	}
	if err := p.Stay.check("stay"); err != nil {
		return err
	}
	if err := p.Away.check("are away"); err != nil {
		return err
	}
	p.w, p.topic = w, topic
	p.first = w.claim(int64(p.Sharers))
	return nil
}

// sharing is a member's run.
type sharing struct {
	p       *Share
	w       *Workload
	e       env.Env
	k       *client.ShareConsumer
	rand    *env.Rand
	process int64
	quiet   time.Duration // since when nothing has been given
}

func (p *Share) run(e env.Env, name string, i int) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	// A group has the records that were there before it only if it says so.
	if err := c.Admin().SetGroupConfig(p.Group, "share.auto.offset.reset", "earliest", w.end()+w.cfg.Drain); err != nil {
		return err
	}
	rand := e.Rand("shares", name)
	if wait := w.cfg.Start - w.now(e); wait > 0 {
		e.Sleep(wait)
	}
	for {
		over, err := p.live(e, c, rand, p.first+int64(i))
		if over || err != nil {
			return err
		}
		if d := min(p.Away.draw(rand), w.end()-w.now(e)); d > 0 {
			e.Sleep(d)
		}
	}
}

// live is a member from joining to going. It reports whether the run is over.
func (p *Share) live(e env.Env, c *client.Client, rand *env.Rand, process int64) (over bool, err error) {
	w := p.w
	stay := p.Stay.draw(rand)
	cfg := p.Share
	cfg.Group = p.Group
	cfg.Silent = rand.Chance(1, 2) && w.now(e)+stay < w.end()
	k, err := c.NewShareConsumer(cfg)
	if err != nil {
		return true, err
	}
	k.Subscribe([]string{p.Topic})
	s := &sharing{p: p, w: w, e: e, k: k, rand: rand, process: process, quiet: e.Now()}
	for until := e.Now() + stay; ; {
		s.poll()
		switch {
		case w.now(e) >= w.end()+w.cfg.Drain:
			k.Close()
			return true, nil
		case !w.over(e) && e.Now() >= until:
			k.Close()
			return false, nil
		case w.over(e) && w.producing.Load()+w.piping.Load() == 0 && e.Now()-s.quiet > k.LockTimeout()+shareMargin:
			k.Close()
			return true, nil
		}
	}
}

// shareMargin is how much longer than a lock lasts nothing is given to a member that
// believes that there is nothing more: as long as partitions may take to be led again.
const shareMargin = 10 * time.Second

// poll asks for records, takes down what it is given, and says something of it.
func (s *sharing) poll() {
	started := s.e.Now()
	batch := s.k.Poll(pollTimeout)
	now := s.e.Now()
	if !batch.Quiet {
		s.quiet = now
	}
	for i := range batch.Partitions {
		got := &batch.Partitions[i]
		var all []linearizability.Run
		runs := make([][]linearizability.Run, len(got.Acks))
		for j := range got.Records {
			r := &got.Records[j]
			v, by, intended, ok := s.w.parse(r.Value)
			if !ok {
				v = linearizability.None
			} else if by != nil {
				s.w.meter.Consumed(intended, now-s.w.origin, len(r.Value))
			}
			all = linearizability.AppendRun(all, r.Offset, v)
			for a := range got.Acks {
				if got.Acks[a].First <= r.Offset && r.Offset <= got.Acks[a].Last {
					runs[a] = linearizability.AppendRun(runs[a], r.Offset, v)
				}
			}
		}
		s.w.consumed.Add(int64(len(got.Records)))
		s.note(got, started, all, "", true)
		for a := range got.Acks {
			s.say(got, got.Acks[a], runs[a])
		}
	}
}

// say tells the leader what becomes of a run of offsets.
func (s *sharing) say(got *client.SharedRecords, ack client.Ack, runs []linearizability.Run) {
	oneIn := func(n int64) bool { return n > 0 && !s.w.over(s.e) && s.rand.Int64n(n) == 0 }
	what := "accept"
	switch {
	case oneIn(s.p.KeepOneIn):
		return
	case oneIn(s.p.ReleaseOneIn):
		what, ack.Type = "release", client.AckRelease
	case oneIn(s.p.RejectOneIn):
		what, ack.Type = "reject", client.AckReject
	}
	started := s.e.Now()
	res := s.k.Acknowledge(got.TopicPartition, []client.Ack{ack})
	s.note(got, started, runs, what, res.Outcome == client.OutcomeOK)
}

// note takes down what the member was given or has said.
func (s *sharing) note(got *client.SharedRecords, started time.Duration, runs []linearizability.Run, said string, kept bool) {
	log, ok := s.w.rec.(interface {
		AddSharing(linearizability.Sharing)
	})
	if !ok || len(runs) == 0 {
		return
	}
	log.AddSharing(linearizability.Sharing{Group: s.p.Group, Topic: got.Topic, Partition: got.Partition, Process: s.process,
		Call: started, Return: s.e.Now(), Runs: runs, Said: said, Kept: said != "" && kept})
}
