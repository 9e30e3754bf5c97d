package simdisk_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/simdisk"
)

func ebs(t *testing.T, spec ec2.VolumeSpec) simdisk.Profile {
	p, err := simdisk.EBS(spec)
	require.NoError(t, err)
	return p
}

// syncEvery writes and syncs a block at a time for a while and returns how
// many.
func syncEvery(t *testing.T, e env.Env, name string, block int, d time.Duration) (n int64) {
	f := create(t, e, name, 0)
	for end := e.Now() + d; e.Now() < end; n++ {
		write(t, f, block, 0)
		assert.NoError(t, f.Sync())
	}
	return n
}

// TestCreditsOfGP2 spends the last credits of a volume: 100 GiB have 300 IOPS
// and burst to 3,000.
func TestCreditsOfGP2(t *testing.T) {
	p := ebs(t, ec2.VolumeSpec{Class: "gp2", GiB: 100})
	p.WriteLatency = sim.Constant(100 * time.Microsecond)
	p.CreditPercent = 1 // 54,000 I/Os: 20 s at 3,000 IOPS
	k, n, d := machine(t, 1, p)
	require.EqualValues(t, 54_000, d.Device().Credits().IOs)
	run(t, k, n, func(e env.Env) {
		var tasks []env.Task
		var burst, after int64
		for i := range 8 {
			tasks = append(tasks, e.Go("syncer", func() {
				burst += syncEvery(t, e, string(rune('a'+i)), 4096, 10*time.Second)
				e.Sleep(20*time.Second - e.Now())
				_ = syncEvery(t, e, string(rune('a'+i)), 4096, 15*time.Second)
				after += syncEvery(t, e, string(rune('a'+i)), 4096, 10*time.Second)
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		assert.InDelta(t, 30_000, burst, 600)
		assert.InDelta(t, 3_000, after, 100)
	})
	require.Less(t, d.Device().Credits().IOs, int64(300))
	held := d.Device().Held()
	require.Equal(t, "gp2 IOPS", held[0].Limit)
	require.Greater(t, held[0].For, 10*held[1].For, "IOPS are the bottleneck")
}

// TestCreditsOutliveALossOfPower: they are the volume's, not the machine's.
func TestCreditsOutliveALossOfPower(t *testing.T) {
	k, n, d := machine(t, 1, ebs(t, ec2.VolumeSpec{Class: "gp2", GiB: 100}))
	run(t, k, n, func(e env.Env) { syncEvery(t, e, "f", 4096, time.Second) })
	before := d.Device().Credits()
	require.Less(t, before.IOs, before.MostIOs)
	n.PowerOff()
	require.Equal(t, before, d.Device().Credits())
}

// TestHDDsPayForWholeBlocks: small syncs cost st1 a MiB each; a scan does not.
func TestHDDsPayForWholeBlocks(t *testing.T) {
	p := ebs(t, ec2.VolumeSpec{Class: "st1", GiB: 2048})
	k, n, d := machine(t, 1, p)
	run(t, k, n, func(e env.Env) {
		before := d.Device().Credits().Bytes
		n := syncEvery(t, e, "small", 4096, 20*time.Second)
		assert.Greater(t, n, int64(100))
		earned := int64(20 * 80 << 20)
		assert.InDelta(t, before-n<<20+earned, d.Device().Credits().Bytes, float64(before)/100)
	})
}

// TestVolumesShareThePipe: two volumes of 250 MiB/s behind 1,000 Mbit/s.
func TestVolumesShareThePipe(t *testing.T) {
	k := sim.NewKernel(sim.Options{Seed: 1})
	defer func() { require.NoError(t, k.Close()) }()
	instance, err := ec2.Default().Instance("m5.large")
	require.NoError(t, err)
	m, err := ec2.NewMachine(instance)
	require.NoError(t, err)
	m.SetEBSCredits(0)
	bandwidth, _ := m.EBSRules()
	n := k.NewNode("a")
	p := ebs(t, ec2.VolumeSpec{Class: "gp3", GiB: 500, IOPS: 3000, MiBps: 250})
	var devices []*simdisk.Device
	for _, name := range []string{"data-1", "data-2"} {
		dev := simdisk.NewDevice(k, name, p)
		require.NoError(t, dev.Attach(m))
		devices = append(devices, dev)
	}
	disks := []*simdisk.Disk{simdisk.NewOn(k, n, devices[0], p), simdisk.NewOn(k, n, devices[1], p)}
	run(t, k, n, func(e env.Env) {
		begin := e.Now()
		var tasks []env.Task
		for _, d := range disks {
			tasks = append(tasks, e.Go("writer", func() {
				f, err := d.Create("f")
				assert.NoError(t, err)
				write(t, f, 200<<20, 0)
				assert.NoError(t, f.Sync())
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		rate := float64(400<<20) / (e.Now() - begin).Seconds()
		assert.InEpsilon(t, bandwidth.Baseline, rate, 0.05)
	})
	held := devices[0].Held()
	require.Equal(t, "EBS bandwidth of the instance", held[3].Limit)
	require.Greater(t, held[3].For, held[1].For)
	local, err := simdisk.LocalDisk("i3en.2xlarge")
	require.NoError(t, err)
	require.ErrorContains(t, simdisk.NewDevice(k, "x", local).Attach(m), "no EBS volume")
}

// shared is a machine with three brokers on one disk.
func shared(t *testing.T, p simdisk.Profile) (*sim.Kernel, *simdisk.Device, [3]*sim.Node, [3]*simdisk.Disk) {
	k := sim.NewKernel(sim.Options{Seed: 1})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	dev := simdisk.NewDevice(k, "disk", p)
	var nodes [3]*sim.Node
	var disks [3]*simdisk.Disk
	for i := range nodes {
		nodes[i] = k.NewNode(string(rune('a' + i)))
		disks[i] = simdisk.NewOn(k, nodes[i], dev, p)
		nodes[i].SetFS(disks[i])
	}
	return k, dev, nodes, disks
}

func TestDisksShareADeviceAndItsMemory(t *testing.T) {
	p := steady()
	p.SharedCache = true
	k, dev, nodes, disks := shared(t, p)
	var took [3]time.Duration
	for i, n := range nodes {
		n.Start("writer", func(e env.Env) {
			f := create(t, e, "f", 50_000_000)
			e.Sleep(time.Second)
			begin := e.Now()
			assert.NoError(t, f.Sync())
			took[i] = e.Now() - begin
		})
	}
	require.NoError(t, k.RunUntil(time.Second/2))
	for _, d := range disks {
		require.EqualValues(t, 150_000_000, d.DirtyBytes(), "of all three")
	}
	nodes[2].PowerOff()
	require.EqualValues(t, 100_000_000, disks[0].DirtyBytes(), "what was in memory of one is gone")
	require.InDelta(t, 100_000_000, disks[0].CachedBytes(), 2<<16)
	require.NoError(t, k.Run())
	require.InDelta(t, 1.0, max(took[0], took[1]).Seconds(), 0.02, "100 MB at 100 MB/s")
	require.Zero(t, disks[0].DirtyBytes())
	s := dev.Stats()
	require.Equal(t, s.WriteBytes, disks[0].Stats().WriteBytes+disks[1].Stats().WriteBytes)
	require.InDelta(t, 1.0, s.Busy.Seconds(), 0.02)
}

func TestForeignDirtyBytesGoThroughTheDevice(t *testing.T) {
	p := steady()
	p.DirtyBackgroundBytes, p.DirtyLimitBytes = 100_000_000, 200_000_000
	k, n, d := machine(t, 1, p)
	d.SoilForeign(190_000_000)
	require.InDelta(t, 190_000_000, d.DirtyBytes(), 1<<16)
	require.Equal(t, d.DirtyBytes(), d.CachedBytes())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 5_000_000)
		e.Sleep(8 * time.Second)
		assert.LessOrEqual(t, d.DirtyBytes(), int64(5_000_000), "the old bytes are expired")
		assert.NoError(t, f.Sync())
		list, err := e.FS().ReadDir(".")
		assert.NoError(t, err)
		assert.Len(t, list, 1, "nobody sees the foreign file")
	})
	require.InDelta(t, 195_000_000, d.Stats().WriteBytes, 1<<20)
}
