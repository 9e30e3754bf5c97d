package program

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Program is what some of a run's clients do. Any number of them make up a
// [Workload], several of a kind too. Each kind is a file of its own; a program
// serves one run.
type Program interface {
	// Kind is what its clients are called, before a number: "producer".
	Kind() string
	// Clients is how many there are.
	Clients() int
	// On names the topic that they work on. It exists before they start, and
	// its log is read to the end when all have ended.
	On() string
	// Groups names the groups whose coordinators they need.
	Groups() []string
	// Transactional names the transactional ids whose coordinators they need.
	Transactional() []string
	// Promise adds to a manifest the evidence that they take down.
	Promise(m *linearizability.Manifest)

	// join makes the program part of a run, or says what cannot work there.
	// first is the number of its first client among those of its kind.
	join(w *Workload, first int) error
	// run does what its ith client does, to its end. It may take its final
	// look at what no log holds, such as a register, before it returns.
	run(e env.Env, name string, i int) error
}

// Client is one client of a run. Run blocks until it is done.
type Client struct {
	// Name is unique in the run: "producer-3", "consumer-0", "register-1".
	Name string
	Run  func(e env.Env) error
}

// Topic is a topic under load. Those of a run must exist with as many
// partitions before its clients start (see Workload.CreateTopics).
type Topic struct {
	Name              string
	Partitions        int32
	ReplicationFactor int16
	Configs           []client.TopicConfig
	// LogAppendTime says that the topic's timestamps are the broker's.
	LogAppendTime bool
}

// topic is a topic in a run.
type topic struct {
	Topic
	readers int64 // programs that read it
	keys    int64 // that its records write, 0 if each has a key of its own
}

// partition names a partition.
func (t *topic) partition(p int32) client.TopicPartition {
	return client.TopicPartition{Topic: t.Name, Partition: p}
}

// every lists every stride-th partition from first on.
func (t *topic) every(first, stride int) []client.TopicPartition {
	var parts []client.TopicPartition
	for p := int32(first); p < t.Partitions; p += int32(stride) {
		parts = append(parts, t.partition(p))
	}
	return parts
}

// join makes the programs part of the run, in their order.
func (w *Workload) join(programs []Program) error {
	numbers := map[string]int{}
	groups := map[string]bool{}
	for _, p := range programs {
		if p.Clients() < 0 {
			return fmt.Errorf("%d clients of the kind %s: there must be at least 0", p.Clients(), p.Kind())
		}
		for _, g := range p.Groups() {
			if groups[g] {
				return fmt.Errorf("two programs use the group %q: name another", g)
			}
			groups[g] = true
		}
		if err := p.join(w, numbers[p.Kind()]); err != nil {
			return err
		}
		numbers[p.Kind()] += p.Clients()
		w.running.Add(int64(p.Clients()))
	}
	return nil
}

// topic is the topic under load of that name.
func (w *Workload) topic(name string) (*topic, error) {
	i := slices.IndexFunc(w.topics, func(t *topic) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no topic %q in the run", name)
	}
	return w.topics[i], nil
}

// claim gives a program n processes of the history, and returns the first.
func (w *Workload) claim(n int64) int64 {
	first := w.processes
	w.processes += n
	return first
}

// Clients lists the clients, in a fixed order.
func (w *Workload) Clients() []Client {
	var all []Client
	numbers := map[string]int{}
	for _, p := range w.cfg.Programs {
		for i := range p.Clients() {
			name := p.Kind() + "-" + strconv.Itoa(numbers[p.Kind()]+i)
			all = append(all, Client{Name: name, Run: func(e env.Env) error {
				defer w.running.Add(-1)
				return p.run(e, name, i)
			}})
		}
		numbers[p.Kind()] += p.Clients()
	}
	return all
}

// Manifest is what the programs take down, for [linearizability.Log.Begin].
func (w *Workload) Manifest() linearizability.Manifest {
	var m linearizability.Manifest
	for _, p := range w.cfg.Programs {
		if p.Clients() > 0 {
			p.Promise(&m)
		}
	}
	return m
}

// connect makes the client of a program.
func (w *Workload) connect(e env.Env, name string) (*client.Client, error) {
	cfg := w.cfg.Client
	cfg.ClientID += "-" + name
	return client.New(e, cfg)
}

// requestTimeout is the client's, its default included.
func (w *Workload) requestTimeout() time.Duration {
	if t := w.cfg.Client.RequestTimeout; t > 0 {
		return t
	}
	return 30 * time.Second
}
