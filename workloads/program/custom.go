package program

import (
	"errors"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Custom is a program of somebody else's: what its clients do is a function. It
// runs beside programs of any kind, and sees whatever befalls the cluster as they
// do. The function keeps the rules of package env.
//
// Topics under load are read back and judged record by record, and a record that
// no program of the run is known to have sent is a finding. So a custom program
// writes to topics of its own, which it creates ([client.Admin.CreateTopic]), and
// reads what it likes.
type Custom struct {
	// Name is what its clients are called, before a number: "auditor".
	Name string
	// Count is how many there are.
	Count int
	// Topic is the one under load that they work on; the run's first if empty.
	Topic string
	// Coordinated names the groups whose coordinators they need from the start.
	Coordinated []string
	// Run is what one client does, on a machine of its own in simulation. It ends
	// when the load is over ([Member.Over]), after whatever it still has to do,
	// such as checking what it finds: all faults are healed then. An error is a
	// finding, and the run fails with it.
	Run func(e env.Env, m *Member) error

	// In the run.
	w     *Workload
	topic *topic
	ended []Complaint // of each client that has ended with an error, in its place
}

// Member is one client of a [Custom] program.
type Member struct {
	Name   string // unique in the run
	Number int    // from 0, of its program
	Topic  Topic

	w      *Workload
	e      env.Env
	client *client.Client
}

// Complaint is an error of a custom program.
type Complaint struct {
	Client string
	At     time.Duration // on the clients' monotonic clock
	Err    error
}

// Kind implements Program.
func (p *Custom) Kind() string { return p.Name }

// Clients implements Program.
func (p *Custom) Clients() int { return p.Count }

// On implements Program.
func (p *Custom) On() string {
	if p.topic != nil {
		return p.topic.Name
	}
	return p.Topic
}

// Groups implements Program.
func (p *Custom) Groups() []string { return p.Coordinated }

// Transactional implements Program.
func (p *Custom) Transactional() []string { return nil }

// Promise implements Program: it takes nothing down.
func (p *Custom) Promise(*linearizability.Manifest) {}

func (p *Custom) join(w *Workload, _ int) error {
	if p.Name == "" || p.Run == nil {
		return errors.New("a custom program needs a Name, after which its clients are called, and a Run")
	}
	name := p.Topic
	if name == "" {
		name = w.topics[0].Name
	}
	topic, err := w.topic(name)
	p.w, p.topic, p.ended = w, topic, make([]Complaint, p.Count)
	return err
}

func (p *Custom) run(e env.Env, name string, i int) error {
	m := &Member{Name: name, Number: i, Topic: p.topic.Topic, w: p.w, e: e}
	defer func() {
		if m.client != nil {
			m.client.Close()
		}
	}()
	if err := p.Run(e, m); err != nil {
		p.ended[i] = Complaint{name, e.Now(), err}
	}
	return nil
}

// Client is the member's client of the cluster, with the settings of the load. It
// is closed when Run returns.
func (m *Member) Client() (*client.Client, error) {
	if m.client == nil {
		c, err := m.w.connect(m.e, m.Name)
		if err != nil {
			return nil, err
		}
		m.client = c
	}
	return m.client, nil
}

// Bootstrap lists the brokers' addresses, for clients of other making.
func (m *Member) Bootstrap() []string { return m.w.cfg.Client.Bootstrap }

// Over reports whether the load is over, and the program is to come to its end.
func (m *Member) Over() bool { return m.w.over(m.e) }

// Left is how long the load still lasts; a program with nothing to do meanwhile
// sleeps for it.
func (m *Member) Left() time.Duration {
	if m.w.over(m.e) {
		return 0
	}
	return m.w.end() - m.w.now(m.e)
}

// Complaints are the errors of the custom programs, once all clients have ended.
func (w *Workload) Complaints() (all []Complaint) {
	for _, p := range w.cfg.Programs {
		if c, ok := p.(*Custom); ok {
			for _, complaint := range c.ended {
				if complaint.Err != nil {
					all = append(all, complaint)
				}
			}
		}
	}
	return all
}
