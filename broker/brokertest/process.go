package brokertest

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
)

// running is the node's broker, nil if it does not run.
func (n *node) running() *broker.Broker {
	if p := n.proc.Load(); p != nil {
		return p.broker
	}
	return nil
}

// runners are the brokers that run, by ascending id.
func (c *Cluster) runners() (all []*broker.Broker) {
	for _, n := range c.nodes {
		if b := n.running(); b != nil {
			all = append(all, b)
		}
	}
	return all
}

// node is the broker with that id.
func (c *Cluster) node(id int32) *node {
	if id < 1 || int(id) > len(c.nodes) {
		c.fatalf("brokertest: there is no broker %d; brokers are 1 to %d", id, len(c.nodes))
	}
	return c.nodes[id-1]
}

// run starts a broker's process. It returns when the broker listens.
func (c *Cluster) run(n *node) error {
	n.life.Lock()
	defer n.life.Unlock()
	if n.proc.Load() != nil {
		return fmt.Errorf("broker %d runs already", n.id)
	}
	p := &process{}
	e, err := osenv.New(osenv.Options{Root: c.Dir(n.id), Node: fmt.Sprintf("broker-%d", n.id), KeepAccount: true,
		OnEvent: func(node string, at time.Duration, name string, attrs []env.Attr) {
			if p.machine.isKilled() {
				return // the dead tell nothing
			}
			if c.logf != nil {
				c.logf("%9.6f %s %s", at.Seconds(), node, describe(name, attrs))
			}
			if name == "broker-failed" {
				c.ending.Go(func() { c.killProcess(n, p) })
			}
			c.happened()
		}})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.envs = append(c.envs, e)
	c.mu.Unlock()
	p.machine = newMachine(e, &n.disk, &c.peers)
	b, err := broker.Start(p.machine, n.cfg)
	if err != nil {
		p.machine.kill()
		return err
	}
	p.broker = b
	n.proc.Store(p)
	return nil
}

// killProcess kills the broker of a process, if it is still there.
func (c *Cluster) killProcess(n *node, p *process) {
	n.life.Lock()
	defer n.life.Unlock()
	if n.proc.Load() == p {
		c.bury(n, p)
	}
}

// kill kills a broker, if it runs.
func (c *Cluster) kill(n *node) {
	n.life.Lock()
	defer n.life.Unlock()
	if p := n.proc.Load(); p != nil {
		c.bury(n, p)
	}
}

// bury cuts a process off from its files and its peers, and lets its goroutines
// end.
func (c *Cluster) bury(n *node, p *process) {
	p.machine.kill()
	n.epoch.Store(p.broker.View().BrokerEpoch)
	n.proc.Store(nil)
	c.ending.Go(func() { _ = p.broker.Stop() }) // which can do nothing else any more
	c.happened()
}

// Stop ends a broker in good order: its leaders move away first, if there is a
// controller to move them, and the others know that it is gone when Stop returns.
// Nothing happens if it does not run.
func (c *Cluster) Stop(id int32) {
	n := c.node(id)
	n.life.Lock()
	defer n.life.Unlock()
	p := n.proc.Load()
	if p == nil {
		return
	}
	err := p.broker.Stop()
	n.proc.Store(nil)
	c.happened()
	if err != nil && c.logf != nil {
		c.logf("broker-%d stopped with an error: %v", id, err)
	}
}

// Kill ends a broker as SIGKILL does. Its listener and its connections are closed
// and nothing of it is written any more; what it had written to files stays. The
// controller thinks that it lives until broker.session.timeout.ms is over, or
// [Cluster.Expire] is called. Nothing happens if it does not run.
func (c *Cluster) Kill(id int32) { c.kill(c.node(id)) }

// Start starts a broker again that was stopped or killed, or has ended itself,
// with the files that it had. If most brokers run then, it returns once all of
// them show it to clients; that its replicas have caught up is another matter
// ([Cluster.AwaitInSync]).
func (c *Cluster) Start(id int32) {
	n := c.node(id)
	if err := c.restart(n); err != nil {
		c.fatalf("brokertest: start broker %d: %v", id, err)
	}
}

func (c *Cluster) restart(n *node) error {
	quorum := len(c.nodes)/2 + 1
	if n.proc.Load() == nil && len(c.runners()) >= quorum {
		if err := c.expire(n); err != nil { // or it could not register
			return err
		}
	}
	if err := c.run(n); err != nil {
		return err
	}
	running := len(c.runners())
	if running < quorum {
		return nil
	}
	if running == quorum { // nobody led before
		if b := n.running(); b != nil {
			b.StandForElection(0)
		}
	}
	return c.await("it to serve", func() bool {
		b := n.running()
		if b != nil && b.View().BrokerEpoch < 0 {
			c.retire(n) // it may be its own controller
		}
		return b == nil || c.registered(b) && c.shown(n.id)
	})
}

// registered reports whether a broker's registration is that of its present
// process, and all that run know it and that it serves.
func (c *Cluster) registered(b *broker.Broker) bool {
	v := b.View()
	for _, other := range c.runners() {
		image, _ := other.Metadata()
		if known := image.Broker(v.NodeID); known == nil || known.Epoch != v.BrokerEpoch || !known.Active() {
			return false
		}
	}
	return true
}

// Expire has a broker that was killed counted as gone by the controller now, and
// not only when its session times out; if it was the controller itself, another
// one is elected first. It needs most brokers to run.
func (c *Cluster) Expire(id int32) {
	n := c.node(id)
	switch {
	case n.proc.Load() != nil:
		c.fatalf("brokertest: broker %d runs; kill it first", id)
	case len(c.runners()) < len(c.nodes)/2+1:
		c.fatalf("brokertest: %d of %d brokers run, which cannot elect a controller", len(c.runners()), len(c.nodes))
	}
	if err := c.expire(n); err != nil {
		c.fatalf("brokertest: expire broker %d: %v", id, err)
	}
}

func (c *Cluster) expire(n *node) error {
	if c.controller() == nil {
		for i, b := range c.runners() {
			b.StandForElection(time.Duration(i) * 200 * time.Millisecond)
		}
	}
	return c.await("the controller to count it as gone", func() bool { return c.retire(n) })
}

// retire has the last process of a broker leave the cluster in good order, as far
// as the controller can tell, and reports whether it has: one whose session
// merely ends could not register again at once.
func (c *Cluster) retire(n *node) bool {
	ctl := c.controller()
	if ctl == nil {
		return false
	}
	image, _ := ctl.Metadata()
	b := image.Broker(n.id)
	if b == nil || b.Epoch != n.epoch.Load() || b.Fenced {
		return true // and a heartbeat would only renew its session
	}
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version, req.BrokerID, req.BrokerEpoch, req.WantShutdown = 1, b.ID, b.Epoch, true
	resp, ok := ctl.Controls(req).(*kmsg.BrokerHeartbeatResponse)
	return ok && resp.ErrorCode == 0 && resp.ShouldShutdown
}

// controller is the broker with the active controller, nil if there is none.
func (c *Cluster) controller() *broker.Broker {
	for _, b := range c.runners() {
		if _, quorum := b.Metadata(); quorum.Active {
			return b
		}
	}
	return nil
}

// FailDisk makes a broker's disk fail from now on. As in Kafka, a broker whose
// only log directory fails ends: at the next operation that meets the fault,
// which in one that nobody uses may be seconds away. AwaitEnd waits for it. Of
// several (LogDirs) one can fail, and the broker goes on without it.
func (c *Cluster) FailDisk(id int32, f DiskFault) {
	if _, err := path.Match(f.Files, ""); err != nil {
		c.fatalf("brokertest: %q is no pattern: %v", f.Files, err)
	}
	c.node(id).disk.set(&f)
}

// RepairDisk makes a broker's disk work again. A broker that has ended is started
// with Start.
func (c *Cluster) RepairDisk(id int32) { c.node(id).disk.set(nil) }

// Running reports whether a broker runs.
func (c *Cluster) Running(id int32) bool { return c.node(id).running() != nil }

// AwaitEnd waits until a broker has ended by itself.
func (c *Cluster) AwaitEnd(id int32) {
	if err := c.await(fmt.Sprintf("the end of broker %d", id), func() bool { return !c.Running(id) }); err != nil {
		c.fatalf("brokertest: %v", err)
	}
}

// AwaitInSync waits until every replica of a broker that runs is in sync.
func (c *Cluster) AwaitInSync() {
	var lagging []string
	err := c.await("replicas to be in sync", func() bool {
		lagging = c.lagging()
		return len(lagging) == 0
	})
	if err != nil {
		c.fatalf("brokertest: %v: %s", err, strings.Join(lagging, ", "))
	}
}

func coded(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if message != nil {
		return fmt.Errorf("%w: %s", err, *message)
	}
	return err
}
