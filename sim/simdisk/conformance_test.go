package simdisk_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// TestConformance runs the contract of env on the whole simulated machine:
// kernel, network and disk. The operating system passes the same suite.
func TestConformance(t *testing.T) {
	for name, opts := range map[string]sim.Options{
		"shuffled":  {Seed: 1},
		"preempted": {Seed: 2, PreemptOneIn: 3},
		"in order":  {Seed: 3, Policy: sim.FIFO},
	} {
		t.Run(name, func(t *testing.T) {
			envtest.Run(t, func(t *testing.T) envtest.World { return newWorld(t, opts, simdisk.GP3()) })
		})
	}
}

// world is two simulated machines with disks on one network.
type world struct {
	k     *sim.Kernel
	net   *simnet.Network
	nodes [2]*sim.Node
	disks [2]*simdisk.Disk
	opts  sim.Options
}

var (
	_ envtest.Killer          = (*world)(nil)
	_ envtest.PowerCutter     = (*world)(nil)
	_ envtest.DiskLimiter     = (*world)(nil)
	_ envtest.DiskBreaker     = (*world)(nil)
	_ envtest.SilentAddresser = (*world)(nil)
)

func newWorld(t *testing.T, opts sim.Options, p simdisk.Profile) *world {
	k := sim.NewKernel(opts)
	t.Cleanup(func() {
		if !t.Failed() {
			require.NoError(t, k.RunOut(10*time.Second))
		}
		require.NoError(t, k.Close())
	})
	w := &world{k: k, net: simnet.New(k, simnet.Options{}), opts: opts}
	for i := range w.nodes {
		n := k.NewNode(fmt.Sprint("machine-", i))
		w.net.Attach(n, w.Host(i))
		w.disks[i] = simdisk.New(k, n, p)
		n.SetFS(w.disks[i])
		w.nodes[i] = n
	}
	return w
}

func (w *world) Host(i int) string { return fmt.Sprint("host-", i) }

func (w *world) Run(t *testing.T, programs ...func(e env.Env)) {
	var tasks []env.Task
	for i, program := range programs {
		tasks = append(tasks, w.nodes[i].Start("program", program))
	}
	w.runUntilDone(t, tasks...)
}

func (w *world) runUntilDone(t *testing.T, tasks ...env.Task) {
	t.Helper()
	require.NoError(t, w.k.RunWhile(func() bool {
		for _, task := range tasks {
			if !task.Done() {
				return true
			}
		}
		return false
	}))
	require.Empty(t, w.k.Failures())
}

func (w *world) RunVictim(t *testing.T, v envtest.Victim, witness func(e env.Env, said string, kill func()), after func(e env.Env)) {
	ready, said := false, ""
	victim := w.nodes[0].Start("victim", func(e env.Env) {
		err := v.Run(e, w.Host(0), func(s string) { ready, said = true, s })
		t.Errorf("the victim returned: %v", err)
	})
	require.NoError(t, w.k.RunWhile(func() bool { return !ready && !victim.Done() }))
	require.True(t, ready)
	w.runUntilDone(t, w.nodes[1].Start("witness", func(e env.Env) { witness(e, said, w.nodes[0].Crash) }))
	w.nodes[0].Crash()
	w.runUntilDone(t, w.nodes[0].Start("after", after))
}

func (w *world) CutPower(t *testing.T, before, after func(e env.Env)) {
	w.Run(t, before)
	w.nodes[0].PowerOff()
	w.Run(t, after)
}

func (w *world) WithDisk(t *testing.T, sizeBytes int64) envtest.World {
	p := simdisk.GP3()
	p.CapacityBytes = sizeBytes
	return newWorld(t, w.opts, p)
}

func (w *world) WithBreakingDisk(t *testing.T, name string) envtest.World {
	broken := newWorld(t, w.opts, simdisk.GP3())
	_, err := broken.disks[0].Inject(simdisk.Fault{Ops: simdisk.OpSync, Pattern: name, Count: 1, Err: syscall.EIO})
	require.NoError(t, err)
	return broken
}

func (w *world) SilentAddress(*testing.T) string {
	n := w.k.NewNode("silent")
	w.net.Attach(n, "silent")
	n.PowerOff()
	return "silent:9092"
}
