package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
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
	b.pausedAt = c.k.Now()
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

// SetClock implements faults.Clocks.
func (c *Cluster) SetClock(_ env.Env, broker int, d time.Duration) (*faults.Strike, error) {
	node := c.brokers[broker].node
	node.SetWallOffset(d)
	return &faults.Strike{Undo: func(env.Env) string { node.SetWallOffset(0); return "" }}, nil
}

// DriftClock implements faults.Clocks.
func (c *Cluster) DriftClock(_ env.Env, broker int, ppm int64) (*faults.Strike, error) {
	node := c.brokers[broker].node
	began := c.k.Now()
	node.SetWallDrift(ppm)
	return &faults.Strike{Undo: func(env.Env) string {
		node.SetWallDrift(0)
		node.SetWallOffset(0)
		return fmt.Sprintf("off by %v at the end", time.Duration(int64((c.k.Now()-began)/time.Microsecond)*ppm/1000))
	}}, nil
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

// CutPower implements faults.Power. A machine whose process is down already has
// a page cache to lose all the same.
func (c *Cluster) CutPower(_ env.Env, broker int) (*faults.Strike, error) {
	b := c.brokers[broker]
	if !b.node.Powered() {
		return nil, fmt.Errorf("%s has no power already", b.name)
	}
	return c.keep(b, func(s *faults.Strike) string {
		before := b.disk.Stats()
		ends := b.logEnds()
		b.node.PowerOff()
		b.recovered = c.recovered(b, ends)
		after := b.disk.Stats()
		broken := after.BrokenBytes - before.BrokenBytes
		s.Lossy = after.LostBytes > before.LostBytes || after.LostNames > before.LostNames || after.LostCuts > before.LostCuts || broken > 0
		s.Broken = broken > 0
		effect := fmt.Sprintf("%d unsynced bytes and %d unsynced names lost", after.LostBytes-before.LostBytes, after.LostNames-before.LostNames)
		if broken > 0 {
			effect += fmt.Sprintf(", and %d bytes that had been synced", broken)
		}
		return effect
	}), nil
}

// stop ends a broker's process with end, which says what that was seen to do,
// and keeps it from running for as long as the fault lasts.
func (c *Cluster) stop(broker int, end func(*server, *faults.Strike) (effect string)) (*faults.Strike, error) {
	b := c.brokers[broker]
	if len(b.keptBy) > 0 || !b.node.Alive() {
		return nil, fmt.Errorf("%s is down already", b.name)
	}
	return c.keep(b, func(s *faults.Strike) string { return end(b, s) }), nil
}

// keep keeps a broker's process, which end ends if it runs, from running for as
// long as the fault lasts. Of several faults that do the last one to end lets it.
func (c *Cluster) keep(b *server, end func(*faults.Strike) (effect string)) *faults.Strike {
	s := &faults.Strike{}
	b.keptBy = append(b.keptBy, s)
	effect := end(s)
	s.Undo = func(env.Env) string {
		b.keptBy = slices.DeleteFunc(b.keptBy, func(o *faults.Strike) bool { return o == s })
		if len(b.keptBy) == 0 && !b.node.Alive() {
			c.start(b)
		}
		return effect
	}
	return s
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
