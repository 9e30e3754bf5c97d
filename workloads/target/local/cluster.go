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

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
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
	asker       *target.Asker
	// readable says that the brokers' logs are Weir's, to be read after the run.
	readable bool
	name     string
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
	return newCluster(s, o.Dir, tell, func(c *Cluster, i int, controllers []string, p *process) error {
		c.name, c.readable = "the local target", true
		p.args = append(slices.Clone(o.Broker), brokerArgs(s, i, c.addrs, controllers, p.dir, p.events)...)
		return nil
	})
}

// newCluster finds addresses for the brokers and has prepare say how each is
// started.
func newCluster(s *scenario.Scenario, dir string, tell target.Listener, prepare func(c *Cluster, i int, controllers []string, p *process) error) (*Cluster, error) {
	e, err := osenv.New(osenv.Options{Node: "director"})
	if err != nil {
		return nil, err
	}
	n := int(s.Cluster.Brokers.Value())
	addrs, err := apachekafka.FreeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	addrs, controllers := addrs[:n], addrs[n:]
	c := &Cluster{s: s, tell: tell, started: time.Now().Add(-e.Now()), e: e, addrs: addrs}
	for i := range addrs {
		p := &process{name: target.BrokerName(i)}
		if p.dir, p.events, p.log, err = makeDirs(dir, p.name); err != nil {
			return nil, err
		}
		c.processes = append(c.processes, p)
		if err := prepare(c, i, controllers, p); err != nil {
			return nil, err
		}
	}
	c.asker, err = target.NewAsker(e, s, addrs)
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
	c.asker.Close()
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

// Lost implements target.Cluster: the machine keeps its power, and its page
// cache what a process that was killed had written.
func (c *Cluster) Lost([]int32) ([]linearizability.Recovered, bool) { return nil, true }

// Partitions implements target.Cluster: it asks a broker, unless that was just done.
func (c *Cluster) Partitions(e env.Env) []linearizability.PartitionState {
	return c.asker.Partitions(e)
}

// Controller implements target.Cluster.
func (c *Cluster) Controller(env.Env) (int, bool) {
	id, ok := c.asker.Controller()
	return int(id) - 1, ok && id >= 1 && int(id) <= len(c.processes)
}

// Unready implements target.Cluster.
func (c *Cluster) Unready(env.Env) string {
	for _, p := range c.processes {
		if !p.running() {
			return p.name + " does not run; its log is " + p.log.Name()
		}
	}
	return c.asker.Unready(len(c.processes))
}

// Unsettled implements target.Cluster.
func (c *Cluster) Unsettled(e env.Env) string {
	if why := c.Unready(e); why != "" {
		return why
	}
	return c.asker.Unsettled()
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
