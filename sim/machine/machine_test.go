package machine_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

func world(t *testing.T) *sim.Kernel {
	t.Helper()
	k := sim.NewKernel(sim.Options{Seed: 3})
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func run(t *testing.T, k *sim.Kernel) {
	t.Helper()
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

// flat is a distribution that is always d.
func flat(d time.Duration) []sim.Quantile {
	return []sim.Quantile{{PPM: 0, Value: d}, {PPM: 1_000_000, Value: d}}
}

// laptop is a machine with round figures.
func laptop() machine.Profile {
	series := func(op string, bytes, depth int64, latency time.Duration) machine.DiskSeries {
		return machine.DiskSeries{
			Op: op, Bytes: bytes, Depth: depth, Count: 1000, Latency: flat(latency),
			BytesPerSecond: depth * bytes * int64(time.Second) / int64(latency),
		}
	}
	costs := machine.Costs{
		Name:       "round",
		Operations: map[string]machine.Cost{"request.produce": {CallNanos: 10_000, UnitPicos: 500}},
		Source:     machine.Source{What: "costs", Basis: "assumption", Source: "round figures"},
	}
	return machine.Profile{
		Schema: machine.Schema, Name: "laptop", Title: "A laptop", Cores: 2, MemoryBytes: 8 << 30, HeapBytes: 2 << 30,
		Costs: costs, Wakeup: flat(30 * time.Microsecond), Timer: flat(50 * time.Microsecond),
		Disk: &machine.Disk{
			Title: "a disk", CapacityBytes: 100 << 30, WriteBytesPerSecond: 500 << 20, ReadBytesPerSecond: 1000 << 20,
			Series: []machine.DiskSeries{
				series(machine.OverwriteSync, 4096, 1, 200*time.Microsecond),
				series(machine.OverwriteSync, 4096, 8, 800*time.Microsecond), // 10,000 a second
				series(machine.AppendSync, 4096, 1, 500*time.Microsecond),
				series(machine.DirectRead, 4096, 1, 100*time.Microsecond),
			},
		},
		Network: &machine.Network{Loopback: flat(10 * time.Microsecond), LoopbackBytesPerSecond: 2_000_000_000},
		Sources: []machine.Source{costs.Source, {What: "disk latency", Basis: "measurement", Source: "a test", Validated: "itself"}},
	}
}

func TestProfileSurvivesAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "laptop.json")
	require.NoError(t, laptop().Save(file))
	p, err := machine.Load(file)
	require.NoError(t, err)
	require.Equal(t, laptop(), p)
}

func TestBadProfilesAreRefusedByName(t *testing.T) {
	good, err := json.Marshal(laptop())
	require.NoError(t, err)
	for _, c := range []struct{ old, now, names string }{
		{`"cores":2`, `"cores":-2`, "cores"},
		{`"cores":2`, `"cores":2,"coers":2`, `"coers"`},
		{`"name":"laptop"`, `"name":""`, "name"},
		{`weir-machine-1`, `weir-machine-0`, "schema"},
		{`"heap_bytes":2147483648`, `"heap_bytes":8589934592`, "heap_bytes"},
		{`"call_ns":10000`, `"call_ns":-1`, "costs: operations.request.produce"},
		{`"basis":"measurement"`, `"basis":"hearsay"`, `sources[1]: basis: "hearsay"`},
		{`"wakeup":[{"ppm":0`, `"wakeup":[{"ppm":1`, "wakeup"},
		{`"op":"overwrite+fdatasync"`, `"op":"overwrite"`, "series: overwrite+fdatasync"},
		{`"write_bytes_per_s":524288000`, `"write_bytes_per_s":0`, "write_bytes_per_s"},
		{`"disk":{`, `"storage":{"class":"gp3"},"disk":{`, "storage and disk"},
		{`"loopback_bytes_per_s":2000000000`, `"loopback_bytes_per_s":-1`, "network"},
	} {
		require.Contains(t, string(good), c.old)
		_, err := machine.Parse([]byte(strings.ReplaceAll(string(good), c.old, c.now)))
		require.ErrorContains(t, err, c.names)
	}
	_, err = machine.Parse(append(good, '{'))
	require.ErrorContains(t, err, "behind the end")

	file := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"schema": 3}`), 0o600))
	_, err = machine.Load(file)
	require.ErrorContains(t, err, "bad.json")
}

func TestCostTablesPriceEveryOperation(t *testing.T) {
	require.Equal(t, []string{"free", "kafka-jvm", "weir"}, machine.CostTables())
	for _, name := range machine.CostTables() {
		c, err := machine.CostTable(name)
		require.NoError(t, err)
		require.Equal(t, name, c.Name)
		for op := range c.Operations {
			require.Contains(t, machine.Operations(), op, "table %s prices an operation that no program tells of", name)
		}
	}
	_, err := machine.CostTable("cobol")
	require.ErrorContains(t, err, "use one of free, kafka-jvm, weir")
}

// TestOperationsAreThoseOfThePrograms holds the list of operations against the
// names in the source of those who tell of them.
func TestOperationsAreThoseOfThePrograms(t *testing.T) {
	name := regexp.MustCompile(`"((?:request|storage|replica|peer|client|fetch)\.[a-z]+|response)"`)
	told := map[string]bool{}
	for _, dir := range []string{"broker", "workloads/client"} {
		err := filepath.WalkDir(filepath.Join("..", "..", filepath.FromSlash(dir)), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			source, err := os.ReadFile(file)
			if strings.Contains(string(source), ".Work(") {
				for _, m := range name.FindAllStringSubmatch(string(source), -1) {
					told[m[1]] = true
				}
			}
			return err
		})
		require.NoError(t, err)
	}
	require.ElementsMatch(t, machine.Operations(), slices.Collect(maps.Keys(told)))
}

func TestPriceIsPerCallAndPerUnit(t *testing.T) {
	c := machine.Costs{Operations: map[string]machine.Cost{"op": {CallNanos: 1000, UnitPicos: 250}}}
	require.Equal(t, time.Duration(1000), c.Price("op", 0))
	require.Equal(t, time.Duration(1250), c.Price("op", 1000))
	require.Equal(t, time.Duration(1000), c.Price("op", 3), "fractions of a nanosecond are cut off")
	require.Equal(t, 250*time.Second+time.Microsecond, c.Price("op", 1e12))
	require.Zero(t, c.Price("other", 1000))
	require.Positive(t, c.Price("op", 1<<62), "no overflow")
}

// timeOf runs fn as a task of a machine and returns how long it took.
func timeOf(t *testing.T, p machine.Profile, fn func(e env.Env)) (took time.Duration) {
	t.Helper()
	k := world(t)
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	n := k.NewNode("a")
	m.Host(n)
	n.SetFS(m.NewDisk(n))
	n.Start("main", func(e env.Env) {
		start := e.Now()
		fn(e)
		took = e.Now() - start
	})
	run(t, k)
	return took
}

func TestMeasuredDiskTakesWhatWasMeasured(t *testing.T) {
	p := laptop()
	p.Wakeup = nil
	write := func(e env.Env, name string, at int64, bytes int) env.File {
		f, err := e.FS().OpenOrCreate(name)
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, bytes), at)
		require.NoError(t, err)
		return f
	}
	appends := timeOf(t, p, func(e env.Env) {
		for i := range int64(10) {
			require.NoError(t, write(e, "log", i*4096, 4096).Sync())
		}
	})
	require.InDelta(t, 10*500, appends.Microseconds(), 10*25)

	both := timeOf(t, p, func(e env.Env) {
		f := write(e, "log", 0, 4096)
		require.NoError(t, f.Sync())
		for range 9 {
			require.NoError(t, write(e, "log", 0, 4096).Sync())
		}
	})
	require.InDelta(t, 500+9*200, both.Microseconds(), 100)

	large := timeOf(t, p, func(e env.Env) {
		f := write(e, "log", 0, 64<<20)
		require.NoError(t, f.Sync())
	})
	require.InDelta(t, 128, large.Milliseconds(), 5, "64 MiB at 500 MiB/s")

	many := timeOf(t, p, func(e env.Env) {
		var tasks []env.Task
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			require.NoError(t, write(e, name, 0, 4096).Sync())
		}
		start := e.Now()
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			tasks = append(tasks, e.Go(name, func() {
				for range 100 {
					if write(e, name, 0, 4096).Sync() != nil {
						panic("sync failed")
					}
				}
			}))
		}
		for _, w := range tasks {
			w.Wait()
		}
		e.Sleep(0)
		require.InDelta(t, 80, (e.Now() - start).Milliseconds(), 8, "800 overwrites at 10,000 a second")
	})
	require.Positive(t, many)
}

func TestProcessesOfAMachineShareItsDisk(t *testing.T) {
	k := world(t)
	p := laptop()
	p.Wakeup = nil
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	var ends []time.Duration
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		m.Host(n)
		n.SetFS(m.NewDisk(n))
		n.Start("main", func(e env.Env) {
			f, err := e.FS().Create("log")
			require.NoError(t, err)
			_, err = f.WriteAt(make([]byte, 50<<20), 0)
			require.NoError(t, err)
			require.NoError(t, f.Sync())
			ends = append(ends, e.Now())
		})
	}
	run(t, k)
	require.Len(t, ends, 2)
	require.InDelta(t, 200, ends[1].Milliseconds(), 10, "100 MiB at 500 MiB/s")
	d, err := p.DiskProfile()
	require.NoError(t, err)
	require.Equal(t, p.MemoryBytes-p.HeapBytes, d.CacheBytes)
}

func TestEC2MachinesHaveTheirLimits(t *testing.T) {
	p, err := machine.EC2("i3en.2xlarge", machine.Storage{Class: machine.InstanceStore})
	require.NoError(t, err)
	require.Equal(t, 8, p.Cores)
	require.Equal(t, int64(64<<30), p.MemoryBytes)
	d, err := p.DiskProfile()
	require.NoError(t, err)
	require.Equal(t, int64(2*2_500_000_000_000), d.CapacityBytes, "both disks")
	require.EqualValues(t, 2*333_447_168, d.Write.BytesPerSecond)
	for _, s := range p.Sources {
		require.Contains(t, machine.Bases(), s.Basis)
		require.Empty(t, s.Validated, "nothing of EC2 was ever compared with hardware")
	}

	one, err := machine.EC2("i3en.2xlarge", machine.Storage{Class: machine.InstanceStore, Disks: 1})
	require.NoError(t, err)
	single, err := one.DiskProfile()
	require.NoError(t, err)
	both, err := p.DiskProfile()
	require.NoError(t, err)
	require.Equal(t, both.Write.BytesPerSecond, 2*single.Write.BytesPerSecond)
	one.Storage.Disks = 3
	_, err = one.DiskProfile()
	require.ErrorContains(t, err, "i3en.2xlarge has 2")
	_, err = machine.EC2("m5.2xlarge", machine.Storage{Class: "gp3", GiB: 500, Disks: 1})
	require.ErrorContains(t, err, "disks: 1")

	_, err = machine.EC2("m5.2xlarge", machine.Storage{Class: machine.InstanceStore})
	require.ErrorContains(t, err, "no instance store")
	_, err = machine.EC2("m5.2xlarge", machine.Storage{Class: "gp3", GiB: 500, IOPS: 1})
	require.Error(t, err)
	_, err = machine.EC2("z9.huge", machine.Storage{Class: "gp3", GiB: 500})
	require.ErrorContains(t, err, "z9.huge")
}

func TestEC2CreditsCanBeSpentAtTheStart(t *testing.T) {
	writeTime := func(spent int64) time.Duration {
		p, err := machine.EC2("m5.2xlarge", machine.Storage{Class: "gp2", GiB: 100, CreditsSpent: spent})
		require.NoError(t, err)
		return timeOf(t, p, func(e env.Env) {
			f, err := e.FS().Create("log")
			require.NoError(t, err)
			for i := range int64(20) {
				_, err = f.WriteAt(make([]byte, 4<<20), i*(4<<20))
				require.NoError(t, err)
				require.NoError(t, f.Sync())
			}
		})
	}
	full, empty := writeTime(0), writeTime(100)
	require.Less(t, full, 2*time.Second, "bursts at 3,000 I/Os of 256 KiB")
	require.Greater(t, empty, full)
	require.InDelta(t, float64(80<<20)/(256<<10)/300, empty.Seconds(), 0.5, "300 I/Os a second of 256 KiB")
}

// transfer sends bytes from one machine to another and returns how long it
// took.
func transfer(t *testing.T, bytes int, join func(k *sim.Kernel, net *simnet.Network)) (took time.Duration) {
	t.Helper()
	k := world(t)
	net := simnet.New(k, simnet.Options{WindowBytes: 8 << 20})
	for _, name := range []string{"a", "b"} {
		net.Attach(k.NewNode(name), name)
	}
	join(k, net)
	k.Node("b").Start("receiver", func(e env.Env) {
		l, err := e.Listen("b:1")
		require.NoError(t, err)
		c, err := l.Accept()
		require.NoError(t, err)
		buf := make([]byte, 1<<20)
		for got := 0; got < bytes; {
			n, err := c.Read(buf)
			require.NoError(t, err)
			got += n
		}
		took = e.Now()
	})
	k.Node("a").Start("sender", func(e env.Env) {
		c, err := e.Dial("b:1", time.Second)
		require.NoError(t, err)
		for sent := 0; sent < bytes; sent += 1 << 20 {
			_, err := c.Write(make([]byte, 1<<20))
			require.NoError(t, err)
		}
	})
	run(t, k)
	require.GreaterOrEqual(t, net.Traffic("a").SentBytes, int64(bytes))
	require.Equal(t, net.Traffic("a").SentBytes, net.Traffic("b").ReceivedBytes)
	return took
}

func TestNetworkBurstsAreSpent(t *testing.T) {
	const bytes = 500 << 20
	send := func(spent int64) time.Duration {
		return transfer(t, bytes, func(k *sim.Kernel, net *simnet.Network) {
			for _, name := range []string{"a", "b"} {
				p, err := machine.EC2("m5.2xlarge", machine.Storage{Class: "gp3", GiB: 500, CreditsSpent: spent})
				require.NoError(t, err)
				m, err := p.Build(k, name)
				require.NoError(t, err)
				m.Join(net, name)
			}
		})
	}
	require.InDelta(t, bytes/1.25e9, send(0).Seconds(), 0.02, "10 Gbit/s")
	require.InDelta(t, bytes/312.5e6, send(100).Seconds(), 0.03, "2.5 Gbit/s")
}

func TestProcessesOfAMachineTalkOverLoopback(t *testing.T) {
	const bytes = 200 << 20
	var net *simnet.Network
	took := transfer(t, bytes, func(k *sim.Kernel, w *simnet.Network) {
		net = w
		p := laptop()
		p.Network.SendBytesPerSecond = 1000 // of the card, which nothing passes
		m, err := p.Build(k, "laptop")
		require.NoError(t, err)
		m.Join(w, "a")
		m.Join(w, "b")
	})
	require.InDelta(t, bytes/2e9, took.Seconds(), 0.01)
	require.Zero(t, net.Traffic("a").CardSentBytes)
}

func TestTasksWakeUpLate(t *testing.T) {
	p := laptop()
	k := world(t)
	net := simnet.New(k, simnet.Options{})
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		net.Attach(n, name)
		m.Host(n)
		m.Join(net, name)
	}
	k.Node("b").Start("echo", func(e env.Env) {
		l, err := e.Listen("b:1")
		require.NoError(t, err)
		c, err := l.Accept()
		require.NoError(t, err)
		buf := make([]byte, 1)
		for range 10 {
			_, err := c.Read(buf)
			require.NoError(t, err)
			_, err = c.Write(buf)
			require.NoError(t, err)
		}
	})
	k.Node("a").Start("asker", func(e env.Env) {
		c, err := e.Dial("b:1", time.Second)
		require.NoError(t, err)
		buf := make([]byte, 1)
		start := e.Now()
		for range 10 {
			_, err := c.Write(buf)
			require.NoError(t, err)
			_, err = c.Read(buf)
			require.NoError(t, err)
		}
		require.Equal(t, 10*2*(10+30)*time.Microsecond, (e.Now() - start).Truncate(time.Microsecond), "two ways and two wake-ups each")
		start = e.Now()
		e.Sleep(time.Millisecond)
		require.Equal(t, 1050*time.Microsecond, e.Now()-start)
	})
	run(t, k)
}

func TestABusyMachineWakesNobodyUp(t *testing.T) {
	k := world(t)
	p := laptop()
	p.Cores = 1
	p.Costs.Operations = map[string]machine.Cost{"spin": {CallNanos: int64(time.Millisecond)}}
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	n := k.NewNode("a")
	m.Host(n)
	n.Start("main", func(e env.Env) {
		e.Go("spinner", func() { e.Work("spin", 1) })
		e.Yield()
		start := e.Now()
		e.Sleep(100 * time.Microsecond)
		require.Equal(t, 100*time.Microsecond, e.Now()-start)
		e.Work("spin", 1)
		require.Equal(t, 2*time.Millisecond, e.Now()-start)
	})
	run(t, k)
	require.Equal(t, 2*time.Millisecond, n.CPUTime())
	require.Equal(t, 900*time.Microsecond, m.Processor().Stats().Wait)
}

func TestReplayFitsWhatWasMeasured(t *testing.T) {
	p := laptop()
	fast := machine.DiskSeries{Op: machine.AppendSync, Bytes: 1 << 20, Depth: 1, Count: 100, Latency: flat(4500 * time.Microsecond), BytesPerSecond: 233_000_000}
	p.Disk.Series = append(p.Disk.Series, fast)
	p.Disk.AppendBytesPerSecond = 400_000_000
	all, err := p.Replay(200)
	require.NoError(t, err)
	require.Len(t, all, 4, "synced appends and overwrites")
	for _, r := range all {
		if r.Measured.Depth == 1 {
			require.InEpsilon(t, r.Measured.Latency[1].Value, r.Simulated.Latency[1].Value, 0.05, "%s of %d bytes at depth %d", r.Measured.Op, r.Measured.Bytes, r.Measured.Depth)
		}
		require.InEpsilon(t, r.Measured.BytesPerSecond, r.Simulated.BytesPerSecond, 0.05, "%s of %d bytes at depth %d", r.Measured.Op, r.Measured.Bytes, r.Measured.Depth)
	}
}

// TestReplayFitsTails has writes and commits that are slow now and then,
// independent of each other, as write-backs of a journal are.
func TestReplayFitsTails(t *testing.T) {
	write := []sim.Quantile{{PPM: 0, Value: 180_000}, {PPM: 500_000, Value: 200_000}, {PPM: 950_000, Value: 220_000}, {PPM: 990_000, Value: 1_000_000}, {PPM: 1_000_000, Value: 4_000_000}}
	commit := []sim.Quantile{{PPM: 0, Value: 280_000}, {PPM: 500_000, Value: 300_000}, {PPM: 900_000, Value: 400_000}, {PPM: 980_000, Value: 3_000_000}, {PPM: 1_000_000, Value: 9_000_000}}
	r := env.NewRand(5, "test", "tails")
	var sums []time.Duration
	for range 50_000 {
		sums = append(sums, sim.MustQuantiles(write...).Draw(r)+sim.MustQuantiles(commit...).Draw(r))
	}
	slices.Sort(sums)
	var both []sim.Quantile
	for _, ppm := range []int64{0, 10_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 980_000, 990_000, 999_000, 1_000_000} {
		both = append(both, sim.Quantile{PPM: ppm, Value: sums[ppm*49_999/1_000_000]})
	}
	p := laptop()
	p.Wakeup = nil
	p.Disk.Series = []machine.DiskSeries{
		{Op: machine.OverwriteSync, Bytes: 4096, Depth: 1, Count: 1, BytesPerSecond: 40_000_000, Latency: write},
		{Op: machine.AppendSync, Bytes: 4096, Depth: 1, Count: 1, BytesPerSecond: 40_000_000, Latency: both},
	}
	all, err := p.Replay(20_000)
	require.NoError(t, err)
	for _, r := range all {
		for i, q := range r.Measured.Latency {
			if r.Measured.Op == machine.AppendSync && q.PPM >= 10_000 && q.PPM <= 990_000 {
				require.InEpsilon(t, q.Value, r.Simulated.Latency[i].Value, 0.15, "%s: %d ppm", r.Measured.Op, q.PPM)
			}
		}
	}
}

func TestProcessesOfAMachineCommitTogether(t *testing.T) {
	k := world(t)
	p := laptop()
	p.Wakeup, p.Timer = nil, nil
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	var disks []*simdisk.Disk
	for _, name := range []string{"a", "b", "c"} {
		n := k.NewNode(name)
		m.Host(n)
		d := m.NewDisk(n)
		disks = append(disks, d)
		n.SetFS(d)
		n.Start("main", func(e env.Env) {
			f, err := e.FS().Create("log")
			require.NoError(t, err)
			e.Sleep(time.Second - e.Now())
			_, err = f.WriteAt(make([]byte, 4096), 0)
			require.NoError(t, err)
			before := commits(disks)
			require.NoError(t, f.Sync())
			require.Less(t, e.Now(), time.Second+1100*time.Microsecond, "one write and one commit, or two if the first had begun")
			require.LessOrEqual(t, commits(disks)-before, int64(2))
		})
	}
	run(t, k)
	require.LessOrEqual(t, commits(disks), int64(2), "file systems of three machines would commit for each")
}

func commits(disks []*simdisk.Disk) (n int64) {
	for _, d := range disks {
		n += d.Stats().JournalCommits
	}
	return n
}
