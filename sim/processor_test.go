package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// millis prices an operation at a millisecond a unit.
func millis(_ string, n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func TestNodesOfAProcessorCompete(t *testing.T) {
	k := newKernel(t, sim.Options{})
	p := k.NewProcessor("laptop", 1)
	for _, name := range []string{"a", "b"} {
		n := k.NewNode(name)
		n.SetProcessor(p, millis)
		n.Start("main", func(e env.Env) { e.Work("spin", 10) })
	}
	require.NoError(t, k.Run())
	require.Equal(t, 20*time.Millisecond, k.Now())
	s := p.Stats()
	require.Equal(t, sim.ProcessorStats{Name: "laptop", Cores: 1, Calls: 2, Busy: 20 * time.Millisecond, Wait: 10 * time.Millisecond, Longest: 1}, s)
	require.Equal(t, 10*time.Millisecond, k.Node("a").CPUTime())
	require.Equal(t, []sim.WorkStats{{Op: "spin", Calls: 1, Units: 10, Busy: 10 * time.Millisecond}}[0].Busy, k.Node("b").WorkStats()[0].Busy)
}

func TestWorkCostsOneEvent(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.SetProcessor(k.NewProcessor("cpu", 1), millis)
	n.Start("main", func(e env.Env) {
		e.Work("spin", 1)
		before := k.Stats()
		for range 100 {
			e.Work("spin", 1)
		}
		after := k.Stats()
		require.EqualValues(t, 100, after.Events-before.Events)
		require.EqualValues(t, 100, after.Switches-before.Switches)
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestOperationsBeginInOrder(t *testing.T) {
	k := newKernel(t, sim.Options{Policy: sim.FIFO})
	n := k.NewNode("a")
	n.SetProcessor(k.NewProcessor("cpu", 2), millis)
	var order []string
	n.Start("main", func(e env.Env) {
		for i, units := range []int64{10, 3, 1, 1, 1} {
			e.Go("w", func() {
				e.Work("spin", units)
				order = append(order, fmt.Sprintf("%d at %v", i, e.Now()))
			})
		}
	})
	require.NoError(t, k.Run())
	require.Equal(t, []string{"1 at 3ms", "2 at 4ms", "3 at 5ms", "4 at 6ms", "0 at 10ms"}, order)
}

func TestDeathFreesCores(t *testing.T) {
	k := newKernel(t, sim.Options{})
	p := k.NewProcessor("laptop", 1)
	for _, name := range []string{"dies", "lives"} {
		k.NewNode(name).SetProcessor(p, millis)
	}
	k.Node("dies").Start("main", func(e env.Env) {
		e.Go("queued", func() { e.Work("spin", 1000) })
		e.Work("spin", 1000)
		t.Error("finished an operation after its death")
	})
	var done time.Duration
	k.Node("lives").Start("main", func(e env.Env) {
		e.Sleep(time.Millisecond)
		e.Work("spin", 10)
		done = e.Now()
	})
	k.At(5*time.Millisecond, "crash", func() { k.Node("dies").Crash() })
	require.NoError(t, k.Run())
	require.Equal(t, 15*time.Millisecond, done)
	require.Equal(t, 5*time.Millisecond, k.Node("dies").CPUTime(), "what it had come to")
	require.Equal(t, 15*time.Millisecond, p.Stats().Busy)
	require.Zero(t, p.Stats().Queue)
}

func TestPausedProcessesGiveWay(t *testing.T) {
	k := newKernel(t, sim.Options{Policy: sim.FIFO})
	p := k.NewProcessor("laptop", 1)
	for _, name := range []string{"paused", "other"} {
		k.NewNode(name).SetProcessor(p, millis)
	}
	ends := map[string]time.Duration{}
	work := func(name string) func(env.Env) {
		return func(e env.Env) {
			for i := range 2 {
				e.Go("w", func() {
					e.Work("spin", 10)
					ends[fmt.Sprint(name, i)] = e.Now()
				})
			}
		}
	}
	k.Node("paused").Start("main", work("paused"))
	k.Node("other").Start("main", work("other"))
	k.At(5*time.Millisecond, "pause", k.Node("paused").Pause)
	k.At(100*time.Millisecond, "resume", k.Node("paused").Resume)
	require.NoError(t, k.Run())
	require.Equal(t, map[string]time.Duration{
		"paused0": 100 * time.Millisecond, // was done at 10 ms, and went on then
		"paused1": 110 * time.Millisecond,
		"other0":  20 * time.Millisecond,
		"other1":  30 * time.Millisecond,
	}, ends)
}

func TestAProcessorWithoutPricesCounts(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.SetProcessor(k.NewProcessor("cpu", 0), nil)
	n.Start("main", func(e env.Env) {
		for range 3 {
			e.Work("read", 100)
		}
	})
	require.NoError(t, k.Run())
	require.Equal(t, []sim.WorkStats{{Op: "read", Calls: 3, Units: 300}}, n.WorkStats())
	require.Zero(t, k.Now())
}

func TestEnoughCoresMakeNobodyWait(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	p := k.NewProcessor("cpu", 0)
	n.SetProcessor(p, millis)
	n.Start("main", func(e env.Env) {
		for range 100 {
			e.Go("w", func() { e.Work("spin", 10) })
		}
	})
	require.NoError(t, k.Run())
	require.Equal(t, 10*time.Millisecond, k.Now())
	require.Equal(t, time.Second, p.Stats().Busy)
	require.Zero(t, p.Stats().Cores)
}

// TestProcessorsKeepAccounts holds what must be true of any load with crashes
// and pauses: no core is used twice, none idles while work waits, and the books
// of processor and nodes agree.
func TestProcessorsKeepAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := sim.NewKernel(sim.Options{Seed: rapid.Uint64().Draw(t, "seed")})
		defer func() { _ = k.Close() }()
		cores := rapid.IntRange(1, 4).Draw(t, "cores")
		p := k.NewProcessor("cpu", cores)
		p.SetSlice(time.Duration(rapid.IntRange(0, 20).Draw(t, "slice")) * time.Millisecond)
		var nodes []*sim.Node
		var finished int64
		start := func(n *sim.Node, tasks, rounds int) {
			n.Start("main", func(e env.Env) {
				for range tasks {
					e.Go("w", func() {
						r := e.Rand("work", "w")
						for range rounds {
							e.Work("spin", 1+int64(r.Uint64()%9))
							finished++
						}
					})
				}
			})
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
			n := k.NewNode(fmt.Sprint("n", i))
			n.SetProcessor(p, millis)
			nodes = append(nodes, n)
			start(n, rapid.IntRange(1, 5).Draw(t, "tasks"), rapid.IntRange(1, 10).Draw(t, "rounds"))
		}
		for range rapid.IntRange(0, 6).Draw(t, "faults") {
			n := nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, "node")]
			at := time.Duration(rapid.IntRange(0, 100).Draw(t, "at")) * time.Millisecond
			switch rapid.IntRange(0, 2).Draw(t, "fault") {
			case 0:
				k.At(at, "crash", func() {
					n.Crash()
					start(n, 2, 3)
				})
			case 1:
				k.At(at, "pause", n.Pause)
				k.At(at+20*time.Millisecond, "resume", n.Resume)
			case 2:
				k.At(at, "look", func() {
					s := p.Stats()
					if s.Busy > time.Duration(cores)*k.Now() {
						t.Fatalf("%v of %d cores in %v", s.Busy, cores, k.Now())
					}
				})
			}
		}
		if err := k.Run(); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		var used time.Duration
		for _, n := range nodes {
			used += n.CPUTime()
		}
		if used != s.Busy || s.Queue != 0 || s.Busy > time.Duration(cores)*k.Now() || finished == 0 || s.Calls < finished {
			t.Fatalf("nodes used %v, the processor was busy for %v of %d × %v, %d wait, %d of %d finished", used, s.Busy, cores, k.Now(), s.Queue, finished, s.Calls)
		}
	})
}

func BenchmarkWork(b *testing.B) {
	k := sim.NewKernel(sim.Options{})
	defer func() { _ = k.Close() }()
	n := k.NewNode("a")
	n.SetProcessor(k.NewProcessor("cpu", 2), millis)
	n.Start("main", func(e env.Env) {
		for range b.N {
			e.Work("spin", 1)
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
}
