//go:build unix

package local

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Cluster is broker processes on this machine. It implements target.Cluster.
type Cluster struct {
	s           *scenario.Scenario
	tell        target.Listener
	started     time.Time // wall time of the cluster's zero
	interrupted bool      // clients still run
	e           env.Env
	addrs       []string
	processes   []*process
	client      *client.Client

	mu     sync.Mutex
	asked  time.Duration // when the partitions were asked for last
	states []linearizability.PartitionState
	judged map[metadata.TopicID]linearizability.Topic // topics that are judged, as far as they were seen
}

// process is one broker process.
type process struct {
	name   string
	args   []string
	dir    string
	events string
	log    *os.File
	heard  int64 // bytes of events that were told to those who wait for them

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{}
	stopped bool // by SIGSTOP
	keptBy  *faults.Strike
	told    time.Duration // processor time at the last row
}

// Patience with processes that were asked to end.
const (
	stopPatience = 30 * time.Second
	askTimeout   = time.Second
)

// Options say how brokers are started.
type Options struct {
	// Broker starts a broker process: the command and its first arguments, to
	// which those of "weir broker" are appended.
	Broker []string
	// Dir is where brokers keep their data and logs.
	Dir string
}

// New prepares the brokers of a scenario. They start with Direct.
func New(s *scenario.Scenario, o Options, tell target.Listener) (target.Cluster, error) {
	if len(o.Broker) == 0 || o.Dir == "" {
		return nil, errors.New("local target: it is not said how to start a broker, or where it keeps its data")
	}
	e, err := osenv.New(osenv.Options{Node: "director"})
	if err != nil {
		return nil, err
	}
	n := int(s.Cluster.Brokers.Value())
	addrs, err := freeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	addrs, controllers := addrs[:n], addrs[n:]
	c := &Cluster{s: s, tell: tell, started: time.Now().Add(-e.Now()), e: e, addrs: addrs, asked: -time.Hour, judged: map[metadata.TopicID]linearizability.Topic{}}
	for i := range addrs {
		p := &process{name: target.BrokerName(i)}
		if p.dir, p.events, p.log, err = makeDirs(o.Dir, p.name); err != nil {
			return nil, err
		}
		p.args = append(slices.Clone(o.Broker), brokerArgs(s, i, addrs, controllers, p.dir, p.events)...)
		c.processes = append(c.processes, p)
	}
	c.client, err = client.New(e, client.Config{Bootstrap: addrs, ClientID: "weir-director", RequestTimeout: askTimeout, DialTimeout: askTimeout})
	return c, err
}

// start begins the process.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.stopped = cmd, ended, false
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isRunning()
}

func (p *process) isRunning() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends sig and waits for the process to be gone, killing it if it takes
// too long. It reports whether that was necessary.
func (p *process) end(sig syscall.Signal) (killed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isRunning() {
		return false
	}
	_ = p.cmd.Process.Signal(sig)
	if p.stopped {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		p.stopped = false
	}
	select {
	case <-p.ended:
		return false
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return true
	}
}

// Close implements target.Cluster: it ends all processes at once.
func (c *Cluster) Close() {
	for _, p := range c.processes {
		p.end(syscall.SIGKILL)
		_ = p.log.Close()
	}
}

// shutDown ends all processes in good order, side by side.
func (c *Cluster) shutDown() {
	c.client.Close()
	var wg sync.WaitGroup
	for _, p := range c.processes {
		wg.Go(func() { p.end(syscall.SIGTERM) })
	}
	wg.Wait()
}

// rows is the processor time of the broker processes since the last rows.
func (c *Cluster) rows() []target.BrokerRow {
	var all []target.BrokerRow
	for _, p := range c.processes {
		p.mu.Lock()
		var r target.BrokerRow
		if p.isRunning() {
			now := processCPU(p.cmd.Process.Pid)
			r.CPU = max(0, now-p.told) // a new process starts from nothing
			p.told = now
		}
		p.mu.Unlock()
		all = append(all, r)
	}
	return all
}

// LoadBegins implements target.Cluster and changes nothing: the page cache is
// as this machine has left it.
func (c *Cluster) LoadBegins() {}

// Usage implements target.Cluster: the processor time of the broker processes
// and of this one, which the clients live in.
func (c *Cluster) Usage(e env.Env) []target.Usage {
	now := e.Now()
	var all []target.Usage
	for _, p := range c.processes {
		u := target.Usage{Name: p.name, Over: now}
		p.mu.Lock()
		if p.isRunning() {
			u.CPU = processCPU(p.cmd.Process.Pid)
		}
		p.mu.Unlock()
		all = append(all, u)
	}
	u := target.Usage{Name: target.ClientsName, Over: now, CPU: processCPU(os.Getpid())}
	if own, ok := e.(*osenv.Env); ok {
		told := own.Usage()
		u.NetSentBytes, u.NetReceivedBytes = told.NetSentBytes, told.NetReceivedBytes
		for _, w := range told.Work {
			u.Work = append(u.Work, target.WorkCount{Op: w.Op, Calls: w.Calls, Units: w.Units})
		}
	}
	return append(all, u)
}

// Bootstrap implements target.Cluster.
func (c *Cluster) Bootstrap() []string { return c.addrs }

// StartClient implements target.Cluster.
func (c *Cluster) StartClient(name string, fn func(env.Env)) env.Task {
	return c.e.Go(name, func() { fn(c.e) })
}

// Partitions implements target.Cluster: it asks a broker, unless that was just done.
func (c *Cluster) Partitions(e env.Env) []linearizability.PartitionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Now() < c.asked+observeEvery/2 {
		return c.states
	}
	var states []linearizability.PartitionState
	for _, judged := range target.JudgedTopics(c.s) {
		topic, err := c.client.Admin().DescribeTopic(judged.Name, askTimeout)
		if err != nil {
			break
		}
		c.judged[topic.ID] = judged
		for _, p := range topic.Partitions {
			states = append(states, c.newest(linearizability.PartitionState{
				Topic: topic.Name, Partition: p.Partition, Time: e.Now(), Replicas: p.Replicas,
				Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR,
			}))
		}
	}
	c.asked = e.Now()
	if len(states) >= len(c.states) {
		c.states = states
	}
	return c.states
}

// newest is the newer of what is known of a partition and what a broker has
// said now. Metadata carries no partition epoch; changes seen are counted
// instead. A broker that is behind is not believed.
func (c *Cluster) newest(s linearizability.PartitionState) linearizability.PartitionState {
	for _, before := range c.states {
		if before.Topic != s.Topic || before.Partition != s.Partition {
			continue
		}
		s.PartitionEpoch = before.PartitionEpoch + 1
		if s.LeaderEpoch > before.LeaderEpoch || s.LeaderEpoch == before.LeaderEpoch && (s.Leader != before.Leader || !slices.Equal(s.ISR, before.ISR)) {
			return s
		}
		return before
	}
	return s
}

// Lost implements target.Cluster: the machine keeps its power, and its page
// cache what a process that was killed had written.
func (c *Cluster) Lost([]int32) ([]linearizability.Recovered, bool) { return nil, true }

// Controller implements target.Cluster.
func (c *Cluster) Controller(env.Env) (int, bool) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	resp, err := c.client.Request(-1, req, askTimeout)
	if err != nil {
		return 0, false
	}
	topics := resp.(*kmsg.DescribeQuorumResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, false
	}
	leader := topics[0].Partitions[0].LeaderID
	return int(leader) - 1, leader >= 1 && int(leader) <= len(c.processes)
}

func (c *Cluster) metadata() (*kmsg.MetadataResponse, error) {
	resp, err := c.client.Request(-1, kmsg.NewPtrMetadataRequest(), askTimeout)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.MetadataResponse), nil
}

// Unready implements target.Cluster.
func (c *Cluster) Unready(env.Env) string {
	for _, p := range c.processes {
		if !p.running() {
			return p.name + " does not run; its log is " + p.log.Name()
		}
	}
	resp, err := c.metadata()
	switch {
	case err != nil:
		return "no broker answers: " + err.Error()
	case len(resp.Brokers) < len(c.processes):
		return fmt.Sprintf("only %d of %d brokers are registered", len(resp.Brokers), len(c.processes))
	}
	return ""
}

// Unsettled implements target.Cluster.
func (c *Cluster) Unsettled(e env.Env) string {
	if why := c.Unready(e); why != "" {
		return why
	}
	for _, t := range c.s.TopicsUnderLoad() {
		topic, err := c.client.Admin().DescribeTopic(t.Name, askTimeout)
		if err != nil {
			return err.Error()
		}
		for _, p := range topic.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("%s-%d has leader %d and ISR %v, its replicas are %v", topic.Name, p.Partition, p.Leader, p.ISR, p.Replicas)
			}
		}
	}
	return ""
}

// tellEvents tells the sink what the brokers logged, in order of time, and
// adds to used what they did in the window of time that it is about. A line
// cut short by SIGKILL is left out.
func (c *Cluster) tellEvents(used []target.Usage, from, to time.Duration) error {
	events, err := c.logged()
	if err != nil {
		return err
	}
	told := map[string]*usageCurve{}
	for _, ev := range events {
		at := max(0, ev.Wall.Sub(c.started))
		if ev.Name == osenv.UsageEvent {
			if told[ev.Node] == nil {
				told[ev.Node] = &usageCurve{}
			}
			told[ev.Node].add(at, osenv.ParseUsage(ev.Attrs))
			continue
		}
		c.tell.Event(ev.Node, at, ev.Name, ev.Attrs)
	}
	for i := range used {
		if curve := told[used[i].Name]; curve != nil {
			curve.fill(&used[i], from, to)
		}
	}
	return nil
}

// logged is all that the brokers logged, in order of time.
func (c *Cluster) logged() ([]target.LoggedEvent, error) {
	var events []target.LoggedEvent
	for _, p := range c.processes {
		f, err := os.Open(p.events)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var ev target.LoggedEvent
			if json.Unmarshal(lines.Bytes(), &ev) == nil {
				events = append(events, ev)
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", p.events, err)
		}
	}
	slices.SortStableFunc(events, func(a, b target.LoggedEvent) int { return a.Wall.Compare(b.Wall) })
	return events, nil
}
