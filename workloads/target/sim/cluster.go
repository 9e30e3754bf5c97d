package sim

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	kernel "github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Cluster is the simulated world of one run: a machine per broker and per
// client, or one for all, a network between them, a disk under every broker.
// It implements target.Cluster.
type Cluster struct {
	s       *scenario.Scenario
	waited  map[faults.Event]bool
	judged  []linearizability.Topic
	tell    target.Listener
	k       *kernel.Kernel
	watch   *watch
	probe   *Probe // nil if nothing is looked at closely
	net     *simnet.Network
	post    *post // nil unless faults are about messages
	brokers []*server

	shared  *machine.Machine // of all processes, nil if each has its own
	clients []*kernel.Node   // on the shared machine
	guests  *machine.Profile // the machine of each client, nil: one whose processor is free
	zones   zones

	// What the periodic look at the brokers found, for the director's tasks,
	// which must not touch the brokers' mutexes themselves.
	image  *metadata.Image // the newest that any broker has
	states []linearizability.PartitionState
	leader int // active controller, -1 if none

	stuck error // why the world stood still
}

// server is a broker with its machine.
type server struct {
	index int
	name  string
	node  *kernel.Node
	on    *machine.Machine // nil: one whose processor is free
	disk  *simdisk.Disk
	cfg   broker.Config

	b      *broker.Broker // of the live process once it serves, else nil
	logs   []openLog      // of its replicas, as last seen
	logsOf *broker.Broker // whose they are
	// what the last fault took from its logs
	recovered []linearizability.Recovered
	keptBy    []*faults.Strike // the faults that keep it from running
	pausedAt  time.Duration    // when it was paused last
	failure   string           // why a process last ended by itself, since the last fault of the disk
	told      target.BrokerRow // counters at the last row
}

// Ports that simulated brokers and their controllers listen on, and how long the supervisor of a
// broker process waits before it starts it again.
const (
	brokerPort     = 9092
	controllerPort = 9093
	restartDelay   = time.Second
)

// Options say how a scenario is simulated.
type Options struct {
	// Machine is what the brokers run on, if it is in no file that the scenario
	// could name.
	Machine *machine.Profile
	// Clients is what each client runs on, nil if clients are as fast as they
	// like. It means nothing where everything runs on one machine.
	Clients *machine.Profile
	// Window, if set, receives the trace of a range of steps.
	Window *kernel.Window
	// Tape, if set, receives every choice of the scheduler.
	Tape *kernel.Tape
	// Fork has the world draw everything anew from a time on.
	Fork kernel.Fork
	// Probe, if set, looks closely at a partition.
	Probe *Probe
	// Unwatched leaves out the invariants over the brokers' inner states.
	Unwatched bool
	// Watchdog and Stuck are those of the simulator.
	Watchdog time.Duration
	Stuck    func(who, dump string)
}

// New builds the machines that the scenario names. The brokers start with
// Direct.
func New(s *scenario.Scenario, o Options, tell target.Listener) (*Cluster, error) {
	m := o.Machine
	if m == nil {
		var err error
		if m, err = MachineOf(s.Cluster); err != nil {
			return nil, err
		}
	}
	if o.Clients != nil {
		if err := o.Clients.Check(); err != nil {
			return nil, fmt.Errorf("the clients' machine: %w", err)
		}
	}
	k := kernel.NewKernel(kernelOptions(s, o))
	c := &Cluster{s: s, tell: tell, k: k, net: simnet.New(k, simnet.Options{}), leader: -1, guests: o.Clients, judged: target.JudgedTopics(s), waited: waitedFor(s.Faults.Plan)}
	c.zones = newZones(c.net, s)
	c.watchMessages()
	c.watch = newWatch(c, o.Unwatched)
	if o.Probe != nil {
		c.probe = o.Probe
		c.probe.begin(c)
	}
	var voters []broker.Voter
	for i := range int(s.Cluster.Brokers.Value()) {
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: target.BrokerName(i), Port: controllerPort})
	}
	for i := range int(s.Cluster.Brokers.Value()) {
		b := &server{index: i, name: target.BrokerName(i), node: k.NewNode(target.BrokerName(i))}
		var err error
		if b.cfg, err = target.BrokerConfig(s, i, voters, address(i)); err != nil {
			return nil, errors.Join(err, k.Close())
		}
		c.listen(b)
		c.net.Attach(b.node, b.name)
		if err := c.equip(b, m); err != nil {
			return nil, errors.Join(err, k.Close())
		}
		b.node.SetFS(b.disk)
		b.node.OnCrash(func(kernel.CrashKind) { b.b = nil })
		c.brokers = append(c.brokers, b)
		c.zones.place(b.name, i)
		c.start(b)
	}
	k.OnEvent(func(node string, at time.Duration, name string, attrs []env.Attr) {
		tell.Event(node, at, name, attrs)
		if o, ok := target.Occurrence(node, name, attrs); ok {
			tell.Happened(o)
		}
		if name == "log-dir-failed" {
			c.logDirFailed(node, attrs)
		}
		c.watch.onEvent(node, at, name, attrs)
	})
	return c, nil
}

// kernelOptions are what the scenario says of the simulator.
func kernelOptions(s *scenario.Scenario, o Options) kernel.Options {
	m := s.Simulation
	return kernel.Options{
		Seed: uint64(s.Seed), Buggify: m.Buggify.Set(), Window: o.Window, Record: o.Tape, Fork: o.Fork,
		Policy: policies[m.Schedule], Tape: m.Tape, PreemptOneIn: m.PreemptOneIn.Value(),
		Depth: int(m.PCTDepth.Value()), Points: uint64(m.PCTPoints.Value()),
		Watchdog: o.Watchdog, Stuck: o.Stuck,
	}
}

// policies are by their names in scenarios.
var policies = map[string]kernel.Policy{
	"":                       kernel.Shuffle,
	scenario.ScheduleUniform: kernel.Shuffle,
	scenario.ScheduleFIFO:    kernel.FIFO,
	scenario.SchedulePCT:     kernel.PCT,
	scenario.ScheduleTape:    kernel.Replay,
}

// equip gives a broker its processor, network card and disk.
func (c *Cluster) equip(b *server, m *machine.Profile) error {
	if m == nil {
		p, err := diskProfile(c.s.Cluster)
		if err != nil {
			return fmt.Errorf("cluster.volume: %w", err)
		}
		b.disk = simdisk.New(c.k, b.node, p)
		return nil
	}
	switch {
	case !c.s.Cluster.Together:
		on, err := m.Build(c.k, b.name)
		if err != nil {
			return err
		}
		b.on = on
	case c.shared == nil:
		shared, err := m.Build(c.k, target.SharedName)
		if err != nil {
			return err
		}
		c.shared = shared
		fallthrough
	default:
		b.on = c.shared
	}
	if _, says := c.s.Cluster.Properties["weir.pipelined.requests"]; !says && m.Costs.Mechanisms.Muting != nil {
		b.cfg.PipelinedRequests = 1
	}
	b.on.Host(b.node)
	b.on.Join(c.net, b.name)
	b.disk = b.on.NewDisk(b.node)
	return nil
}

func address(broker int) string {
	return net.JoinHostPort(target.BrokerName(broker), strconv.Itoa(brokerPort))
}

// start begins a process on b's machine. If it ends by itself, which a broker
// does when its disk fails, a supervisor starts it again.
func (c *Cluster) start(b *server) {
	before := b.failedCalls()
	b.node.Start("broker", func(e env.Env) {
		served, err := broker.Start(e, b.cfg)
		if err == nil {
			b.b = served
			served.Failed().Wait(env.Forever)
			err = served.Err()
		}
		b.failure = err.Error()
		e.Event("broker-exits", env.Text("error", b.failure))
		if b.failedCalls() > before {
			c.diskFailed(b)
		}
		epoch := b.node.Epoch()
		c.k.After(0, "exit", func() {
			if b.node.Epoch() == epoch {
				b.node.Crash()
			}
			c.supervise(b)
		})
	})
}

// failedCalls is how many calls to the disk have failed.
func (b *server) failedCalls() int64 {
	s := b.disk.Stats()
	return s.NoSpace + s.FaultsHit
}

// diskFailed tells that b's process has just ended for its disk's sake.
func (c *Cluster) diskFailed(b *server) {
	f := linearizability.Fault{Kind: linearizability.DiskFailed, Brokers: []int32{int32(b.index + 1)}, Start: c.k.Now(), Detail: b.name, Effect: b.failure, Exact: true}
	c.watch.watcher.AddFault(f)
	c.tell.Fault(f)
}

func (c *Cluster) supervise(b *server) {
	c.k.After(restartDelay, "supervisor", func() {
		if !b.node.Alive() && len(b.keptBy) == 0 {
			c.start(b)
		}
	})
}

// Bootstrap implements target.Cluster.
func (c *Cluster) Bootstrap() []string {
	var addrs []string
	for i := range c.brokers {
		addrs = append(addrs, address(i))
	}
	return addrs
}

// StartClient implements target.Cluster.
func (c *Cluster) StartClient(name string, fn func(env.Env)) env.Task {
	n := c.machine(name)
	if c.shared != nil {
		c.shared.Host(n)
		c.shared.Join(c.net, name)
		c.clients = append(c.clients, n)
	} else if c.guests != nil {
		on, err := c.guests.Build(c.k, name)
		if err != nil {
			panic(fmt.Sprintf("sim: the clients' machine: %v", err)) // New has checked it
		}
		on.Host(n)
		on.Join(c.net, name)
	}
	return n.Start(name, fn)
}

// machine adds a machine without a disk.
func (c *Cluster) machine(name string) *kernel.Node {
	n := c.k.NewNode(name)
	c.net.Attach(n, name)
	c.zones.place(name, c.zones.guests)
	c.zones.guests++
	return n
}

// Partitions implements target.Cluster.
func (c *Cluster) Partitions(env.Env) []linearizability.PartitionState { return c.states }

// Controller implements target.Cluster.
func (c *Cluster) Controller(env.Env) (int, bool) { return c.leader, c.leader >= 0 }

// Unready implements target.Cluster.
func (c *Cluster) Unready(env.Env) string { return c.watch.unsettled() }

// Unsettled implements target.Cluster.
func (c *Cluster) Unsettled(env.Env) string { return c.watch.unsettled() }

// LoadBegins implements target.Cluster: it leaves the page caches and burst
// credits as a long run before has left them.
func (c *Cluster) LoadBegins() {
	for _, b := range c.brokers {
		if b.on != nil {
			b.on.ResetCredits()
		}
	}
	percent := int64(c.s.Cluster.DirtyPercent)
	if percent == 0 {
		return
	}
	for i, b := range c.brokers {
		if c.shared == nil || i == 0 { // processes of one machine share its page cache
			b.disk.SoilForeign(b.disk.Profile().DirtyLimitBytes * percent / 100)
		}
	}
}

// row is what b's machine did since the last row.
func (b *server) row(net *simnet.Network) target.BrokerRow {
	d := b.disk.Stats()
	now := target.BrokerRow{
		DiskWrittenBytes: d.WriteBytes, DiskSyncs: d.Syncs,
		NetSentBytes: net.Traffic(b.name).SentBytes, CPU: b.node.CPUTime(),
	}
	r := target.BrokerRow{
		DiskWrittenBytes: now.DiskWrittenBytes - b.told.DiskWrittenBytes,
		DiskSyncs:        now.DiskSyncs - b.told.DiskSyncs,
		NetSentBytes:     now.NetSentBytes - b.told.NetSentBytes,
		CPU:              now.CPU - b.told.CPU,
	}
	r.CreditsPPM, r.HasCredits = leastCredits(b.disk.Device().Credits())
	b.told = now
	return r
}
