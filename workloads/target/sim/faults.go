package sim

import (
	"fmt"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/sim/simdisk"
)

// TargetName implements faults.Machines.
func (c *Cluster) TargetName() string { return "the simulator" }

// Pause implements faults.Processes.
func (c *Cluster) Pause(_ env.Env, broker int) (*faults.Strike, error) {
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
func (c *Cluster) SlowDown(_ env.Env, broker int, factor int64) (*faults.Strike, error) {
	disk := c.brokers[broker].disk
	before := disk.Stats()
	disk.SetSlowdown(100 * factor)
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		disk.SetSlowdown(100)
		after := disk.Stats()
		n := after.ReadIOs + after.WriteIOs - before.ReadIOs - before.WriteIOs
		s.Idle = n == 0
		return fmt.Sprintf("%d I/Os took %v in all", n, (after.DeviceWait - before.DeviceWait).Round(time.Millisecond))
	}
	return s, nil
}

// FillUp implements faults.Disks.
func (c *Cluster) FillUp(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	before := b.disk.Stats()
	b.failure = ""
	b.disk.FillUp(0)
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		b.disk.SetCapacity(b.disk.Profile().CapacityBytes)
		n := b.disk.Stats().NoSpace - before.NoSpace
		s.Idle = n == 0
		return fmt.Sprintf("%d calls failed, broker: %s", n, orFine(b.failure))
	}
	return s, nil
}

// FailWrites implements faults.Disks.
func (c *Cluster) FailWrites(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	injection, err := b.disk.Inject(simdisk.Fault{Ops: simdisk.OpWrite | simdisk.OpSync, Err: syscall.EIO})
	if err != nil {
		return nil, err
	}
	b.failure = ""
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		injection.Clear()
		s.Idle = injection.Hits() == 0
		return fmt.Sprintf("%d calls failed, broker: %s", injection.Hits(), orFine(b.failure))
	}
	return s, nil
}

// SetClock implements faults.Clocks.
func (c *Cluster) SetClock(_ env.Env, broker int, d time.Duration) (*faults.Strike, error) {
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
func (c *Cluster) Cut(_ env.Env, between, and []int, oneWay bool) (*faults.Strike, error) {
	before := c.net.Stats()
	cut := c.net.Partition(names(between), names(and), oneWay)
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		cut.Heal()
		after := c.net.Stats()
		held, dropped := after.Held-before.Held, after.SynsDropped-before.SynsDropped
		s.Idle = held+dropped == 0
		return fmt.Sprintf("%d packets held, %d connection attempts dropped", held, dropped)
	}
	return s, nil
}

// Kill implements faults.Processes.
func (c *Cluster) Kill(_ env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *server, _ *faults.Strike) string {
		b.node.Crash()
		return ""
	})
}

// ShutDown implements faults.Processes.
func (c *Cluster) ShutDown(e env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *server, _ *faults.Strike) string { return c.shutDown(e, b) })
}

// CutPower implements faults.Power.
func (c *Cluster) CutPower(_ env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *server, s *faults.Strike) string {
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
func (c *Cluster) stop(broker int, end func(*server, *faults.Strike) (effect string)) (*faults.Strike, error) {
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
func (c *Cluster) shutDown(e env.Env, b *server) string {
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
