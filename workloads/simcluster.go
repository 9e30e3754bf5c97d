package workloads

import (
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/scenario"
)

// simCluster is the simulated world of one run: a machine per broker and per
// client, or one for all, a network between them, a disk under every broker.
type simCluster struct {
	s       *scenario.Scenario
	k       *sim.Kernel
	net     *simnet.Network
	brokers []*simBroker

	shared  *machine.Machine // of all processes, nil if each has its own
	clients []*sim.Node      // on the shared machine

	// What the periodic look at the brokers found, for the director's tasks,
	// which must not touch the brokers' mutexes themselves.
	image      *metadata.Image // the newest that any broker has
	states     []linearizability.PartitionState
	leader     int // active controller, -1 if none
	unsettledV string
}

// simBroker is a broker with its machine.
type simBroker struct {
	index int
	name  string
	node  *sim.Node
	on    *machine.Machine // nil: one whose processor is free
	disk  *simdisk.Disk
	cfg   broker.Config

	b      *broker.Broker                            // of the live process once it serves, else nil
	logs   map[string]interface{ EndOffset() int64 } // of its replicas by directory, as last seen
	logsOf *broker.Broker                            // whose they are
	// what the last fault took from its logs
	recovered []linearizability.Recovered
	keptBy    *faults.Strike // the fault that keeps it from running, nil if none
	failure   string         // why a process last ended by itself, since the last fault of the disk
	told      BrokerRow      // counters at the last row
}

// Ports that simulated brokers and their controllers listen on, and how long the supervisor of a
// broker process waits before it starts it again.
const (
	brokerPort     = 9092
	controllerPort = 9093
	restartDelay   = time.Second
)

// newSimCluster builds the machines, of profile m if the scenario names one,
// and starts the brokers.
func newSimCluster(s *scenario.Scenario, k *sim.Kernel, m *machine.Profile, onHighWatermark func(index int) func(metadata.TopicPartition, int32, int64)) (*simCluster, error) {
	c := &simCluster{s: s, k: k, net: simnet.New(k, simnet.Options{}), leader: -1, unsettledV: "the brokers have not been looked at yet"}
	var voters []broker.Voter
	for i := range s.Cluster.Brokers {
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: brokerName(i), Port: controllerPort})
	}
	for i := range s.Cluster.Brokers {
		b := &simBroker{index: i, name: brokerName(i), node: k.NewNode(brokerName(i))}
		var err error
		if b.cfg, err = brokerConfig(s, i, voters, address(i)); err != nil {
			return nil, err
		}
		b.cfg.OnHighWatermark = onHighWatermark(i)
		c.net.Attach(b.node, b.name)
		if err := c.equip(b, m); err != nil {
			return nil, err
		}
		b.node.SetFS(b.disk)
		b.node.OnCrash(func(sim.CrashKind) { b.b = nil })
		c.brokers = append(c.brokers, b)
		c.start(b)
	}
	return c, nil
}

// equip gives a broker its processor, network card and disk.
func (c *simCluster) equip(b *simBroker, m *machine.Profile) error {
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
		shared, err := m.Build(c.k, sharedName)
		if err != nil {
			return err
		}
		c.shared = shared
		fallthrough
	default:
		b.on = c.shared
	}
	b.on.Host(b.node)
	b.on.Join(c.net, b.name)
	b.disk = b.on.NewDisk(b.node)
	return nil
}

func address(broker int) string {
	return net.JoinHostPort(brokerName(broker), strconv.Itoa(brokerPort))
}

// start begins a process on b's machine. If it ends by itself, which a broker
// does when its disk fails, a supervisor starts it again.
func (c *simCluster) start(b *simBroker) {
	b.node.Start("broker", func(e env.Env) {
		served, err := broker.Start(e, b.cfg)
		if err == nil {
			b.b = served
			served.Failed().Wait(env.Forever)
			err = served.Err()
		}
		b.failure = err.Error()
		e.Event("broker-exits", env.Text("error", b.failure))
		epoch := b.node.Epoch()
		c.k.After(0, "exit", func() {
			if b.node.Epoch() == epoch {
				b.node.Crash()
			}
			c.supervise(b)
		})
	})
}

func (c *simCluster) supervise(b *simBroker) {
	c.k.After(restartDelay, "supervisor", func() {
		if !b.node.Alive() && b.keptBy == nil {
			c.start(b)
		}
	})
}

func (c *simCluster) bootstrap() []string {
	var addrs []string
	for i := range c.brokers {
		addrs = append(addrs, address(i))
	}
	return addrs
}

func (c *simCluster) startClient(name string, fn func(env.Env)) env.Task {
	n := c.machine(name)
	if c.shared != nil {
		c.shared.Host(n)
		c.shared.Join(c.net, name)
		c.clients = append(c.clients, n)
	}
	return n.Start(name, fn)
}

// machine adds a machine without a disk.
func (c *simCluster) machine(name string) *sim.Node {
	n := c.k.NewNode(name)
	c.net.Attach(n, name)
	return n
}

func (c *simCluster) partitions(env.Env) []linearizability.PartitionState { return c.states }

func (c *simCluster) controller(env.Env) (int, bool) { return c.leader, c.leader >= 0 }

func (c *simCluster) unready(env.Env) string { return c.unsettledV }

func (c *simCluster) unsettled(env.Env) string { return c.unsettledV }

// TargetName implements faults.Machines.
func (c *simCluster) TargetName() string { return "the simulator" }

// Pause implements faults.Processes.
func (c *simCluster) Pause(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	if !b.node.Alive() || b.node.Paused() {
		return nil, fmt.Errorf("%s does not run", b.name)
	}
	epoch := b.node.Epoch()
	b.node.Pause()
	return &faults.Strike{Undo: func(env.Env) string {
		if b.node.Epoch() != epoch || !b.node.Alive() {
			return "the paused process did not live to see the end of the pause"
		}
		b.node.Resume()
		return ""
	}}, nil
}

// SlowDown implements faults.Disks.
func (c *simCluster) SlowDown(_ env.Env, broker int, factor int64) (*faults.Strike, error) {
	disk := c.brokers[broker].disk
	before := disk.Stats()
	disk.SetSlowdown(100 * factor)
	return &faults.Strike{Undo: func(env.Env) string {
		disk.SetSlowdown(100)
		after := disk.Stats()
		return fmt.Sprintf("%d I/Os took %v in all", after.ReadIOs+after.WriteIOs-before.ReadIOs-before.WriteIOs,
			(after.DeviceWait - before.DeviceWait).Round(time.Millisecond))
	}}, nil
}

// FillUp implements faults.Disks.
func (c *simCluster) FillUp(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	before := b.disk.Stats()
	b.failure = ""
	b.disk.FillUp(0)
	return &faults.Strike{Undo: func(env.Env) string {
		b.disk.SetCapacity(b.disk.Profile().CapacityBytes)
		return fmt.Sprintf("%d calls failed, broker: %s", b.disk.Stats().NoSpace-before.NoSpace, orFine(b.failure))
	}}, nil
}

// FailWrites implements faults.Disks.
func (c *simCluster) FailWrites(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	injection, err := b.disk.Inject(simdisk.Fault{Ops: simdisk.OpWrite | simdisk.OpSync, Err: syscall.EIO})
	if err != nil {
		return nil, err
	}
	b.failure = ""
	return &faults.Strike{Undo: func(env.Env) string {
		injection.Clear()
		return fmt.Sprintf("%d calls failed, broker: %s", injection.Hits(), orFine(b.failure))
	}}, nil
}

// SetClock implements faults.Clocks.
func (c *simCluster) SetClock(_ env.Env, broker int, d time.Duration) (*faults.Strike, error) {
	node := c.brokers[broker].node
	node.SetWallOffset(d)
	return &faults.Strike{Undo: func(env.Env) string { node.SetWallOffset(0); return "" }}, nil
}

func orFine(failure string) string {
	if failure == "" {
		return "runs on"
	}
	return failure
}

// Cut implements faults.Links.
func (c *simCluster) Cut(_ env.Env, between, and []int, oneWay bool) (*faults.Strike, error) {
	names := func(brokers []int) []string {
		var list []string
		for _, b := range brokers {
			list = append(list, brokerName(b))
		}
		return list
	}
	before := c.net.Stats()
	cut := c.net.Partition(names(between), names(and), oneWay)
	return &faults.Strike{Undo: func(env.Env) string {
		cut.Heal()
		after := c.net.Stats()
		return fmt.Sprintf("%d packets held, %d connection attempts dropped", after.Held-before.Held, after.SynsDropped-before.SynsDropped)
	}}, nil
}

// Kill implements faults.Processes.
func (c *simCluster) Kill(_ env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *simBroker, _ *faults.Strike) string {
		b.node.Crash()
		return ""
	})
}

// ShutDown implements faults.Processes.
func (c *simCluster) ShutDown(e env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *simBroker, _ *faults.Strike) string { return c.shutDown(e, b) })
}

// CutPower implements faults.Power.
func (c *simCluster) CutPower(_ env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *simBroker, s *faults.Strike) string {
		before := b.disk.Stats()
		ends := b.logEnds()
		b.node.PowerOff()
		b.recovered = c.recovered(b, ends)
		after := b.disk.Stats()
		s.Lossy = after.LostBytes > before.LostBytes || after.LostNames > before.LostNames || after.LostCuts > before.LostCuts
		return fmt.Sprintf("%d unsynced bytes and %d unsynced names lost", after.LostBytes-before.LostBytes, after.LostNames-before.LostNames)
	})
}

// stop ends a broker's process with end, which says what that was seen to do,
// and keeps it from running for as long as the fault lasts.
func (c *simCluster) stop(broker int, end func(*simBroker, *faults.Strike) (effect string)) (*faults.Strike, error) {
	b := c.brokers[broker]
	if b.keptBy != nil || !b.node.Alive() {
		return nil, fmt.Errorf("%s is down already", b.name)
	}
	s := &faults.Strike{}
	b.keptBy = s
	effect := end(b, s)
	s.Undo = func(env.Env) string {
		b.keptBy = nil
		if !b.node.Alive() {
			c.start(b)
		}
		return effect
	}
	return s, nil
}

// shutDown stops the broker in good order, giving it a while to do so.
func (c *simCluster) shutDown(e env.Env, b *simBroker) string {
	served := b.b
	if served == nil || b.node.Paused() {
		b.node.Crash()
		return "the broker could not shut down in good order and was killed"
	}
	b.b = nil // its logs are about to close: nothing to look at any more
	var err error
	task := b.node.Start("shutdown", func(env.Env) { err = served.Stop() })
	for end := e.Now() + 2*b.cfg.ControlledShutdown; !task.Done() && b.node.Alive() && e.Now() < end; {
		e.Sleep(5 * time.Millisecond)
	}
	done := task.Done() && b.node.Alive()
	b.node.Crash()
	switch {
	case !done:
		return "the broker did not shut down in time and was killed"
	case err != nil:
		return "shutting down failed: " + err.Error()
	}
	return "shut down in good order"
}

// loadBegins leaves the page caches and burst credits as a long run before has
// left them.
func (c *simCluster) loadBegins() {
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
func (b *simBroker) row(net *simnet.Network) BrokerRow {
	d := b.disk.Stats()
	now := BrokerRow{
		DiskWrittenBytes: d.WriteBytes, DiskSyncs: d.Syncs,
		NetSentBytes: net.Traffic(b.name).SentBytes, CPU: b.node.CPUTime(),
	}
	r := BrokerRow{
		DiskWrittenBytes: now.DiskWrittenBytes - b.told.DiskWrittenBytes,
		DiskSyncs:        now.DiskSyncs - b.told.DiskSyncs,
		NetSentBytes:     now.NetSentBytes - b.told.NetSentBytes,
		CPU:              now.CPU - b.told.CPU,
	}
	r.CreditsPPM, r.HasCredits = leastCredits(b.disk.Device().Credits())
	b.told = now
	return r
}
