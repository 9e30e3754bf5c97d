package simdisk_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
)

// steady is a disk on which every I/O takes 1 ms, with 1000 IOPS, 100 MB/s
// and no burst.
func steady() simdisk.Profile {
	p := simdisk.GP3()
	p.WriteLatency = sim.Constant(time.Millisecond)
	p.ReadLatency = sim.Constant(time.Millisecond)
	p.Volume.Class = ""
	p.Write = simdisk.Limit{IOPS: 1000, BytesPerSecond: 100_000_000}
	p.Burst = 0
	return p
}

func create(t *testing.T, e env.Env, name string, size int) env.File {
	f, err := e.FS().Create(name)
	assert.NoError(t, err)
	write(t, f, size, 0)
	return f
}

func write(t *testing.T, f env.File, size int, off int64) {
	n, err := f.WriteAt(make([]byte, size), off)
	assert.NoError(t, err)
	assert.Equal(t, size, n)
}

func took(e env.Env, fn func()) time.Duration {
	begin := e.Now()
	fn()
	return e.Now() - begin
}

func TestCachedCallsTakeNoTimeAndNoEvents(t *testing.T) {
	k, n, _ := machine(t, 1, simdisk.GP3())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 1000)
		before := k.Stats()
		assert.Zero(t, took(e, func() {
			for i := range int64(1000) {
				write(t, f, 1000, i*1000)
				_, err := f.ReadAt(make([]byte, 500), i*1000)
				assert.NoError(t, err)
			}
		}))
		assert.Equal(t, before.Steps, k.Stats().Steps)
	})
}

func TestDirtyBytesAreWrittenBackOncePerPeriod(t *testing.T) {
	p := steady()
	p.DirtyExpire = time.Second
	p.FlushInterval = 100 * time.Millisecond
	k, n, d := machine(t, 1, p)
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 1000)
		for i := range int64(9) {
			e.Sleep(100 * time.Millisecond)
			write(t, f, 1000, 1000*(i+1))
		}
		assert.EqualValues(t, 10_000, d.DirtyBytes())
		assert.Zero(t, d.Stats().WriteIOs)
		e.Sleep(200 * time.Millisecond)
		assert.Zero(t, d.DirtyBytes())
		assert.EqualValues(t, 1, d.Stats().WriteIOs)
		assert.EqualValues(t, 12_288, d.Stats().WriteBytes, "whole pages")
		idle := k.Stats().Events
		e.Sleep(time.Hour)
		assert.LessOrEqual(t, k.Stats().Events-idle, uint64(1), "an idle disk costs nothing")
	})
}

func TestSyncTakesAWriteAndACommit(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 1000)
		assert.InDelta(t, 0.002, took(e, func() { _ = f.Sync() }).Seconds(), 0.0002)
		assert.Zero(t, took(e, func() { _ = f.Sync() }), "nothing left to do")
		e.Sleep(time.Second)
		write(t, f, 1000, 0)
		overwrite := took(e, func() { _ = f.Sync() })
		assert.Less(t, overwrite, 1100*time.Microsecond, "the length is the same: no commit")
		assert.GreaterOrEqual(t, overwrite, time.Millisecond)
		assert.EqualValues(t, 1, d.Stats().JournalCommits)
	})
}

func TestSyncsAtOneTimeShareCommits(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		var tasks []env.Task
		for i := range 50 {
			f := create(t, e, fmt.Sprint("f", i), 1000)
			tasks = append(tasks, e.Go("syncer", func() { assert.NoError(t, f.Sync()) }))
		}
		for _, task := range tasks {
			task.Wait()
		}
	})
	require.Less(t, d.Stats().JournalCommits, int64(45))
	require.EqualValues(t, 50, d.Stats().Syncs)
}

func TestBandwidthAndIOPSLimit(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 100_000_000)
		whole := took(e, func() { _ = f.Sync() })
		assert.InDelta(t, 1.0, whole.Seconds(), 0.01, "100 MB at 100 MB/s")
		e.Sleep(10 * time.Second)
		const files = 500
		var tasks []env.Task
		begin := e.Now()
		for i := range files {
			g := create(t, e, fmt.Sprint("f", i), 1)
			tasks = append(tasks, e.Go("syncer", func() { _ = g.Sync() }))
		}
		for _, task := range tasks {
			task.Wait()
		}
		ios := files + d.Stats().JournalCommits
		assert.InDelta(t, float64(ios)/1000, (e.Now() - begin).Seconds(), 0.1, "1000 IOPS")
		d.SetSlowdown(1000)
		e.Sleep(10 * time.Second)
		write(t, f, 1, 0)
		assert.GreaterOrEqual(t, took(e, func() { _ = f.Sync() }), 10*time.Millisecond)
		d.SetSlowdown(100)
		e.Sleep(time.Second)
		d.Stall(3 * time.Second)
		write(t, f, 1, 0)
		assert.GreaterOrEqual(t, took(e, func() { _ = f.Sync() }), 3*time.Second)
	})
}

func TestWritersWaitWhenTooMuchIsDirty(t *testing.T) {
	p := steady()
	p.DirtyBackgroundBytes = 5_000_000
	p.DirtyLimitBytes = 10_000_000
	k, n, d := machine(t, 1, p)
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 0)
		begin := e.Now()
		for i := range int64(300) {
			write(t, f, 1_000_000, i*1_000_000)
			assert.LessOrEqual(t, d.DirtyBytes(), p.DirtyLimitBytes+1_000_000)
		}
		assert.InDelta(t, 2.9, (e.Now() - begin).Seconds(), 0.2, "300 MB at 100 MB/s, 10 MB of them in memory")
	})
	require.Positive(t, d.Stats().Throttled)
}

func TestReadsOfWhatIsNotInMemoryTakeTime(t *testing.T) {
	p := steady()
	p.CacheBytes = 1 << 20
	k, n, d := machine(t, 1, p)
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "cold", 4<<20)
		assert.NoError(t, f.Sync())
		g := create(t, e, "hot", 2<<20)
		assert.NoError(t, g.Sync())
		assert.NoError(t, e.FS().SyncDir("."))
		e.Sleep(time.Second)
		buf := make([]byte, 1000)
		assert.GreaterOrEqual(t, took(e, func() { _, _ = f.ReadAt(buf, 0) }), time.Millisecond)
		assert.Zero(t, took(e, func() { _, _ = f.ReadAt(buf, 100_000) }), "read ahead")
		e.Sleep(time.Second)
		ios := d.Stats().ReadIOs
		var tasks []env.Task
		for range 5 {
			tasks = append(tasks, e.Go("reader", func() { _, _ = f.ReadAt(make([]byte, 10), 2<<20) }))
		}
		for _, task := range tasks {
			task.Wait()
		}
		assert.EqualValues(t, ios+1, d.Stats().ReadIOs, "one read serves all who wait for it")
	})
	n.PowerOff()
	run(t, k, n, func(e env.Env) {
		f, err := e.FS().Open("hot")
		assert.NoError(t, err)
		assert.GreaterOrEqual(t, took(e, func() { _, _ = f.ReadAt(make([]byte, 10), 0) }), time.Millisecond, "memory is empty after a power loss")
	})
}

func TestObserversLeaveNoTrace(t *testing.T) {
	trace := func(look bool) uint64 {
		p := steady()
		p.CacheBytes = 200_000
		k, n, d := machine(t, 1, p)
		if look {
			for i := range 50 {
				k.At(time.Duration(i+1)*time.Millisecond, "look", func() { readAll(t, d, "f") })
			}
		} else {
			for i := range 50 {
				k.At(time.Duration(i+1)*time.Millisecond, "look", func() {})
			}
		}
		n.Start("program", func(e env.Env) {
			f := create(t, e, "f", 1_000_000)
			_ = f.Sync()
			for i := range int64(30) {
				_, _ = f.ReadAt(make([]byte, 1000), i*777_777%1_000_000)
			}
		})
		require.NoError(t, k.Run())
		return k.TraceHash()
	}
	require.Equal(t, trace(false), trace(true))
}

func TestPowerLossDoesSomethingOfEverything(t *testing.T) {
	var sum simdisk.Stats
	for seed := range uint64(60) {
		k, n, d := machine(t, seed, simdisk.GP3())
		run(t, k, n, func(e env.Env) {
			f := create(t, e, "overwritten", 20_000)
			assert.NoError(t, f.Sync())
			g := create(t, e, "cut", 20_000)
			assert.NoError(t, g.Sync())
			create(t, e, "kept", 1)
			assert.NoError(t, e.FS().SyncDir("."))
			write(t, f, 20_000, 0)
			write(t, f, 20_000, 20_000)
			assert.NoError(t, g.Truncate(5000))
			assert.NoError(t, e.FS().Rename("kept", "renamed"))
		})
		n.PowerOff()
		s := d.Stats()
		sum.LostBytes += s.LostBytes
		sum.KeptBytes += s.KeptBytes
		sum.TornPages += s.TornPages
		sum.HolePages += s.HolePages
		sum.LostNames += s.LostNames
		sum.KeptNames += s.KeptNames
		sum.LostCuts += s.LostCuts
	}
	require.Positive(t, sum.LostBytes)
	require.Positive(t, sum.KeptBytes)
	require.Positive(t, sum.TornPages)
	require.Positive(t, sum.HolePages)
	require.Positive(t, sum.LostCuts)
	require.Positive(t, sum.LostNames)
	require.Positive(t, sum.KeptNames)
}

// A loss of power in the middle of a Sync: the I/O never ends.
func TestPowerLossDuringSync(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		create(t, e, "f", 100)
		assert.NoError(t, e.FS().SyncDir("."))
	})
	n.Start("syncer", func(e env.Env) {
		f, _ := e.FS().Open("f")
		write(t, f, 1_000_000, 0)
		_ = f.Sync()
		t.Error("the power was cut during Sync")
	})
	for range 3 {
		n.Start("writer", func(e env.Env) {
			e.Sleep(time.Millisecond)
			f, _ := e.FS().Open("f")
			write(t, f, 10, 0) // waits for stable pages
		})
	}
	k.After(3*time.Millisecond, "cut", n.PowerOff)
	require.NoError(t, k.RunUntil(k.Now()+time.Minute))
	require.Zero(t, d.DirtyBytes())
	run(t, k, n, func(e env.Env) {
		f, err := e.FS().Open("f")
		assert.NoError(t, err)
		write(t, f, 1000, 0)
		assert.NoError(t, f.Sync())
	})
}

func TestACrashedProcessClosesItsFiles(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	var held env.File
	run(t, k, n, func(e env.Env) {
		held = create(t, e, "f", 100_000)
		assert.NoError(t, e.FS().Remove("f"))
	})
	total, free, _ := d.Usage(".")
	require.Less(t, free, total)
	n.Crash()
	total, free, _ = d.Usage(".")
	require.Equal(t, total, free)
	_, err := held.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestInjectedFaults(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	_, err := d.Inject(simdisk.Fault{Ops: simdisk.OpWrite, Pattern: "[", Err: syscall.EIO})
	require.ErrorContains(t, err, `"["`)
	_, err = d.Inject(simdisk.Fault{Ops: simdisk.OpWrite})
	require.Error(t, err)
	third, err := d.Inject(simdisk.Fault{Ops: simdisk.OpWrite, Pattern: "logs/**", Skip: 2, Count: 1, Err: syscall.EIO})
	require.NoError(t, err)
	run(t, k, n, func(e env.Env) {
		assert.NoError(t, e.FS().MkdirAll("logs/t-0"))
		other := create(t, e, "other", 1)
		f := create(t, e, "logs/t-0/1", 10)
		write(t, f, 10, 10)
		write(t, other, 10, 10)
		got, err := f.WriteAt([]byte("x"), 20)
		assert.Zero(t, got)
		assert.ErrorIs(t, err, syscall.EIO)
		assert.ErrorContains(t, err, "m:logs/t-0/1")
		var failed *fs.PathError
		if assert.ErrorAs(t, err, &failed) {
			assert.Equal(t, sim.Errno(syscall.EIO), failed.Err, "its text is the same on every system")
		}
		write(t, f, 10, 20)
	})
	require.EqualValues(t, 1, third.Hits())
	require.EqualValues(t, 1, d.Stats().FaultsHit)
	third.Clear()
}

// Linux reports a failed write-back once and then drops the bytes from its
// books ("fsyncgate"): trusting the second Sync loses data.
func TestASyncAfterAFailedOneProvesNothing(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		k, n, d := machine(t, seed, steady())
		run(t, k, n, func(e env.Env) {
			create(t, e, "f", 1000)
			assert.NoError(t, e.FS().SyncDir("."))
		})
		_, err := d.Inject(simdisk.Fault{Ops: simdisk.OpSync, Pattern: "f", Count: 1, Err: syscall.EIO})
		require.NoError(t, err)
		run(t, k, n, func(e env.Env) {
			f, _ := e.FS().Open("f")
			_, _ = f.WriteAt([]byte("precious"), 0)
			assert.ErrorIs(t, f.Sync(), syscall.EIO)
			assert.NoError(t, f.Sync())
			assert.Equal(t, "precious", string(readAll(t, d, "f")[:8]))
		})
		n.PowerOff()
		if got := readAll(t, d, "f"); len(got) < 8 || string(got[:8]) != "precious" {
			lost++
		}
	}
	require.Positive(t, lost)
}

// What is written anew and synced is on the device, whatever became of the
// write-back before: of bytes behind the durable end and before it, and written
// while a write-back of the same bytes is under way.
func TestWhatIsWrittenAnewAfterAFailedSyncIsDurable(t *testing.T) {
	for name, device := range map[string]simdisk.Profile{"untimed": steady(), "gp3": simdisk.GP3()} {
		for seed := range uint64(40) {
			k, n, d := machine(t, seed, device)
			want := bytes.Repeat([]byte{7}, 150_000)
			run(t, k, n, func(e env.Env) {
				f, err := e.FS().Create("f")
				assert.NoError(t, err)
				assert.NoError(t, e.FS().SyncDir("."))
				_, err = f.WriteAt(want[:60_000], 0)
				assert.NoError(t, err)
				assert.NoError(t, f.Sync())
				_, err = d.Inject(simdisk.Fault{Ops: simdisk.OpSync, Pattern: "f", Count: 2, Err: syscall.EIO})
				assert.NoError(t, err)
				_, err = f.WriteAt(want[60_000:], 60_000)
				assert.NoError(t, err)
				assert.ErrorIs(t, f.Sync(), syscall.EIO)
				_, err = f.WriteAt(want[50_000:], 50_000)
				assert.NoError(t, err)
				assert.ErrorIs(t, f.Sync(), syscall.EIO)
				_, err = f.WriteAt(want[50_000:], 50_000)
				assert.NoError(t, err)
				assert.NoError(t, f.Sync())
				write(t, f, 10_000, int64(len(want)))
			})
			n.PowerOff()
			got := readAll(t, d, "f")
			require.GreaterOrEqual(t, len(got), len(want), "%s, seed %d", name, seed)
			require.True(t, bytes.Equal(want, got[:len(want)]), "%s, seed %d", name, seed)
		}
	}
}

func TestAFailedSyncIsToldToEachHandleThatWasOpen(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 1000)
		other, err := e.FS().Open("f")
		assert.NoError(t, err)
		_, err = d.Inject(simdisk.Fault{Ops: simdisk.OpSync, Pattern: "f", Count: 1, Err: syscall.EIO})
		assert.NoError(t, err)
		assert.ErrorIs(t, f.Sync(), syscall.EIO)
		assert.NoError(t, f.Sync())
		late, err := e.FS().Open("f")
		assert.NoError(t, err)
		assert.NoError(t, late.Sync(), "the failure was known before it was opened")
		write(t, other, 1000, 0)
		assert.ErrorIs(t, other.Sync(), syscall.EIO)
		assert.NoError(t, other.Sync())
	})
}

// A page that was written back after one that was not keeps the length: the
// page before it is a hole.
func TestPowerLossLeavesHolesBetweenPages(t *testing.T) {
	holes := 0
	for seed := range uint64(200) {
		k, n, d := machine(t, seed, simdisk.GP3())
		run(t, k, n, func(e env.Env) {
			f, err := e.FS().Create("f")
			assert.NoError(t, err)
			assert.NoError(t, e.FS().SyncDir("."))
			_, err = f.WriteAt(bytes.Repeat([]byte{1}, 100_000), 0)
			assert.NoError(t, err)
		})
		n.PowerOff()
		got := readAll(t, d, "f")
		rest := bytes.TrimLeft(got, "\x01")
		if at := len(got) - len(rest); len(bytes.Trim(rest, "\x00")) > 0 {
			holes++
			require.Zero(t, at%4096, "a hole is whole pages")
			require.Equal(t, byte(1), got[len(got)-1], "the length is that of the last page which is there")
		}
	}
	require.Greater(t, holes, 20)
}

func TestFlipBitAndFullDisk(t *testing.T) {
	k, n, d := machine(t, 1, steady())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "d", 100)
		assert.NoError(t, e.FS().SyncDir("."))
		assert.NoError(t, f.Sync())
		d.FillUp(0)
		_, err := f.WriteAt(make([]byte, 8192), 0)
		assert.ErrorIs(t, err, syscall.ENOSPC)
		d.SetCapacity(d.Profile().CapacityBytes)
		write(t, f, 8192, 0)
		assert.NoError(t, f.Sync())
	})
	require.NoError(t, d.FlipBit("d", 99, 3))
	require.ErrorIs(t, d.FlipBit("d", 8192, 0), fs.ErrInvalid)
	require.ErrorIs(t, d.FlipBit("e", 0, 0), fs.ErrNotExist)
	require.Equal(t, []env.FileInfo{{Name: "d", SizeBytes: 8192}}, d.Files())
	n.PowerOff()
	require.Equal(t, byte(8), readAll(t, d, "d")[99], "the device has it too")
}

func TestProfilesThatMakeNoSensePanic(t *testing.T) {
	k := sim.NewKernel(sim.Options{})
	defer func() { _ = k.Close() }()
	require.PanicsWithError(t, `simdisk: profile "": sizes, depths and times must be positive, and DirtyLimitBytes at least DirtyBackgroundBytes`,
		func() { simdisk.New(k, k.NewNode("m"), simdisk.Profile{}) })
	simdisk.New(k, k.NewNode("n"), simdisk.InstanceStore())
}

func TestSameSeedSameDisk(t *testing.T) {
	for seed := range uint64(3) {
		require.Nil(t, sim.CompareRuns(func(window *sim.Window) sim.Trace {
			k := sim.NewKernel(sim.Options{Seed: seed, Window: window})
			defer func() { _ = k.Close() }()
			n := k.NewNode("m")
			d := simdisk.New(k, n, simdisk.GP3())
			n.SetFS(d)
			for range 3 {
				n.Start("program", func(e env.Env) {
					for i := range 20 {
						e.Go("writer", func() {
							f, _ := e.FS().OpenOrCreate(fmt.Sprint("f", i))
							for j := range int64(20) {
								write(t, f, 700, j*650)
								if j%5 == int64(i)%5 {
									_ = f.Sync()
								}
							}
							_ = e.FS().Rename(f.Name(), f.Name()+"x")
						})
					}
				})
				k.After(5*time.Millisecond, "cut", n.PowerOff)
				require.NoError(t, k.RunUntil(k.Now()+time.Second))
			}
			return k.Trace()
		}))
	}
}

// BenchmarkAppend is a 1 KB append to a cached file: no event, no waiting.
func BenchmarkAppend(b *testing.B) {
	k, n, _ := machine(b, 1, simdisk.GP3())
	n.Start("program", func(e env.Env) {
		p := make([]byte, 1000)
		f, _ := e.FS().Create("f")
		for i := range b.N {
			if i%1_000_000 == 0 {
				_ = f.Truncate(0)
			}
			_, _ = f.WriteAt(p, int64(i%1_000_000)*1000)
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCachedRead is a 16 KB read of a cached file.
func BenchmarkCachedRead(b *testing.B) {
	k, n, _ := machine(b, 1, simdisk.GP3())
	n.Start("program", func(e env.Env) {
		f, _ := e.FS().Create("f")
		_, _ = f.WriteAt(make([]byte, 10<<20), 0)
		p := make([]byte, 16_000)
		b.SetBytes(int64(len(p)))
		for i := range b.N {
			_, _ = f.ReadAt(p, int64(i%600)*16_000)
		}
	})
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppendSync is an append made durable, as the metadata log does it.
func BenchmarkAppendSync(b *testing.B) {
	k, n, _ := machine(b, 1, simdisk.GP3())
	n.Start("program", func(e env.Env) {
		var f env.File
		p := make([]byte, 1000)
		for i := range b.N {
			if i%100_000 == 0 {
				f, _ = e.FS().Create(fmt.Sprint(i))
			}
			_, _ = f.WriteAt(p, int64(i%100_000)*1000)
			_ = f.Sync()
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
}
