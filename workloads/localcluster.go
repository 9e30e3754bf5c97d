//go:build unix

package workloads

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

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/scenario"
)

// localCluster is broker processes on this machine.
type localCluster struct {
	s         *scenario.Scenario
	e         env.Env
	addrs     []string
	processes []*process
	client    *client.Client

	mu     sync.Mutex
	asked  time.Duration // when the partitions were asked for last
	states []linearizability.PartitionState
}

// process is one broker process.
type process struct {
	name   string
	args   []string
	dir    string
	events string
	log    *os.File

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

func newLocalCluster(e env.Env, o Options) (*localCluster, error) {
	n := o.Scenario.Cluster.Brokers
	addrs, err := freeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	addrs, controllers := addrs[:n], addrs[n:]
	c := &localCluster{s: o.Scenario, e: e, addrs: addrs, asked: -time.Hour}
	for i := range addrs {
		p := &process{name: brokerName(i)}
		if p.dir, p.events, p.log, err = makeDirs(o.Dir, p.name); err != nil {
			return nil, err
		}
		p.args = append(slices.Clone(o.Broker), brokerArgs(o, i, addrs, controllers, p.dir, p.events)...)
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

// kill ends all processes at once.
func (c *localCluster) kill() {
	for _, p := range c.processes {
		p.end(syscall.SIGKILL)
		_ = p.log.Close()
	}
}

// shutDown ends all processes in good order, side by side.
func (c *localCluster) shutDown() {
	c.client.Close()
	var wg sync.WaitGroup
	for _, p := range c.processes {
		wg.Go(func() { p.end(syscall.SIGTERM) })
	}
	wg.Wait()
}

// rows is the processor time of the broker processes since the last rows.
func (c *localCluster) rows() []BrokerRow {
	var all []BrokerRow
	for _, p := range c.processes {
		p.mu.Lock()
		var r BrokerRow
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

// loadBegins changes nothing: the page cache is as this machine has left it.
func (c *localCluster) loadBegins() {}

// usage is the processor time of the broker processes and of this one, which
// the clients live in.
func (c *localCluster) usage(e env.Env) []Usage {
	now := e.Now()
	var all []Usage
	for _, p := range c.processes {
		u := Usage{Name: p.name, Over: now}
		p.mu.Lock()
		if p.isRunning() {
			u.CPU = processCPU(p.cmd.Process.Pid)
		}
		p.mu.Unlock()
		all = append(all, u)
	}
	u := Usage{Name: clientsName, Over: now, CPU: processCPU(os.Getpid())}
	if own, ok := e.(*osenv.Env); ok {
		told := own.Usage()
		u.NetSentBytes, u.NetReceivedBytes = told.NetSentBytes, told.NetReceivedBytes
		for _, w := range told.Work {
			u.Work = append(u.Work, WorkCount{Op: w.Op, Calls: w.Calls, Units: w.Units})
		}
	}
	return append(all, u)
}

func (c *localCluster) bootstrap() []string { return c.addrs }

func (c *localCluster) startClient(name string, fn func(env.Env)) env.Task {
	return c.e.Go(name, func() { fn(c.e) })
}

// partitions asks a broker, unless that was just done.
func (c *localCluster) partitions(e env.Env) []linearizability.PartitionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Now() < c.asked+localObserve/2 {
		return c.states
	}
	var states []linearizability.PartitionState
	for _, judged := range judgedTopics(c.s) {
		topic, err := c.client.Admin().DescribeTopic(judged.Name, askTimeout)
		if err != nil {
			break
		}
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
func (c *localCluster) newest(s linearizability.PartitionState) linearizability.PartitionState {
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

// lost implements cluster. The machine keeps its power, and its page cache what
// a process that was killed had written.
func (c *localCluster) lost([]int32) ([]linearizability.Recovered, bool) { return nil, true }

func (c *localCluster) controller(env.Env) (int, bool) {
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

func (c *localCluster) metadata() (*kmsg.MetadataResponse, error) {
	resp, err := c.client.Request(-1, kmsg.NewPtrMetadataRequest(), askTimeout)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.MetadataResponse), nil
}

func (c *localCluster) unready(env.Env) string {
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

func (c *localCluster) unsettled(e env.Env) string {
	if why := c.unready(e); why != "" {
		return why
	}
	topic, err := c.client.Admin().DescribeTopic(c.s.Topic.Name, askTimeout)
	if err != nil {
		return err.Error()
	}
	for _, p := range topic.Partitions {
		if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
			return fmt.Sprintf("%s-%d has leader %d and ISR %v, its replicas are %v", topic.Name, p.Partition, p.Leader, p.ISR, p.Replicas)
		}
	}
	return ""
}

// TargetName implements faults.Machines.
func (c *localCluster) TargetName() string { return "the local target" }

// Kill implements faults.Processes.
func (c *localCluster) Kill(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGKILL, "")
}

// ShutDown implements faults.Processes.
func (c *localCluster) ShutDown(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGTERM, "")
}

// Pause implements faults.Processes.
func (c *localCluster) Pause(_ env.Env, broker int) (*faults.Strike, error) {
	return pauseAll([]*process{c.processes[broker]}, "")
}

// CutPower implements faults.Power.
func (c *localCluster) CutPower(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGKILL, "imitated by SIGKILL: this machine keeps its power, so nothing unsynced was lost")
}

// Cut implements faults.Links.
func (c *localCluster) Cut(_ env.Env, between, and []int, _ bool) (*faults.Strike, error) {
	side := between
	if len(and) < len(side) {
		side = and
	}
	var list []*process
	for _, b := range side {
		list = append(list, c.processes[b])
	}
	return pauseAll(list, "imitated by SIGSTOP of the smaller side: it was silent towards clients too")
}

func (p *process) strikeDown(sig syscall.Signal, detail string) (*faults.Strike, error) {
	p.mu.Lock()
	down := p.keptBy != nil || !p.isRunning()
	s := &faults.Strike{Detail: detail}
	if !down {
		p.keptBy = s
	}
	p.mu.Unlock()
	if down {
		return nil, fmt.Errorf("%s is down already", p.name)
	}
	killed := p.end(sig)
	s.Undo = func(env.Env) string {
		p.mu.Lock()
		p.keptBy = nil
		p.mu.Unlock()
		if err := p.start(); err != nil {
			return err.Error()
		}
		if killed {
			return "the broker did not shut down in time and was killed"
		}
		return ""
	}
	return s, nil
}

func pauseAll(list []*process, detail string) (*faults.Strike, error) {
	var paused []*process
	for _, p := range list {
		p.mu.Lock()
		if p.isRunning() && !p.stopped && p.cmd.Process.Signal(syscall.SIGSTOP) == nil {
			p.stopped = true
			paused = append(paused, p)
		}
		p.mu.Unlock()
	}
	if len(paused) == 0 {
		return nil, errors.New("no process to pause was running")
	}
	return &faults.Strike{Detail: detail, Undo: func(env.Env) string {
		for _, p := range paused {
			p.mu.Lock()
			if p.isRunning() && p.stopped {
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
				p.stopped = false
			}
			p.mu.Unlock()
		}
		return ""
	}}, nil
}

// tellEvents tells the sink what the brokers logged, in order of time, and
// adds to used what they did in the window of time that it is about. A line
// cut short by SIGKILL is left out.
func (c *localCluster) tellEvents(sink Sink, started time.Time, used []Usage, from, to time.Duration) error {
	events, err := c.logged()
	if err != nil {
		return err
	}
	told := map[string]*usageCurve{}
	for _, ev := range events {
		at := max(0, ev.Wall.Sub(started))
		if ev.Name == osenv.UsageEvent {
			if told[ev.Node] == nil {
				told[ev.Node] = &usageCurve{}
			}
			told[ev.Node].add(at, osenv.ParseUsage(ev.Attrs))
			continue
		}
		sink.Event(ev.Node, at, ev.Name, ev.Attrs)
	}
	for i := range used {
		if curve := told[used[i].Name]; curve != nil {
			curve.fill(&used[i], from, to)
		}
	}
	return nil
}

// logged is all that the brokers logged, in order of time.
func (c *localCluster) logged() ([]LoggedEvent, error) {
	var events []LoggedEvent
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
			var ev LoggedEvent
			if json.Unmarshal(lines.Bytes(), &ev) == nil {
				events = append(events, ev)
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", p.events, err)
		}
	}
	slices.SortStableFunc(events, func(a, b LoggedEvent) int { return a.Wall.Compare(b.Wall) })
	return events, nil
}
