package sim_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

func TestCrashRunsDeferredFunctionsWithoutEffect(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var log []string
	k.OnEvent(func(_ string, _ time.Duration, name string, _ []env.Attr) { log = append(log, "event "+name) })
	n.OnCrash(func(kind sim.CrashKind) { log = append(log, "hook "+kind.String()) })
	n.Start("main", func(e env.Env) {
		m := e.NewMutex()
		s := e.NewSignal()
		defer func() { log = append(log, "outer") }()
		defer func() {
			s.Set()
			log = append(log, fmt.Sprint("set ", s.IsSet()))
			e.Sleep(time.Hour)
			log = append(log, "not reached")
		}()
		defer func() {
			e.Event("ghost")
			e.Go("ghost", func() { log = append(log, "ghost ran") })
			e.AfterFunc(0, "ghost", func() { log = append(log, "ghost timer ran") })
			_, err := e.Listen("a:1")
			log = append(log, fmt.Sprint("listen ", err))
			_, err = e.FS().Create("x")
			log = append(log, fmt.Sprint("create ", err))
		}()
		m.Lock()
		defer m.Unlock()
		e.Go("second", func() {
			defer func() { log = append(log, "second") }()
			m.Lock()
		})
		s.Wait(env.Forever)
	})
	k.At(time.Second, "crash", n.Crash)
	require.NoError(t, k.Run())
	require.Equal(t, []string{
		"hook crash", "listen use of closed network connection", "create file already closed",
		"set false", "outer", "second",
	}, log)
	require.False(t, n.Alive())
	require.Empty(t, k.Failures())
	require.EqualValues(t, 1, k.Stats().Crashes)
}

func TestATaskThatCrashesItsOwnNodeEndsAtItsNextCall(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var log []string
	n.Start("main", func(e env.Env) {
		defer func() { log = append(log, "deferred") }()
		n.Crash()
		log = append(log, "still running")
		n.Start("reborn", func(env.Env) { log = append(log, "reborn") })
		e.Now()
		log = append(log, "not reached")
	})
	require.NoError(t, k.Run())
	require.Equal(t, []string{"still running", "deferred", "reborn"}, log)
	require.EqualValues(t, 2, n.Epoch())
}

func TestAnObserverMayCrashTheNodeThatTells(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	k.OnEvent(func(node string, _ time.Duration, name string, _ []env.Attr) { k.Node(node).Crash() })
	after := false
	n.Start("main", func(e env.Env) {
		e.Event("elected")
		after = true
	})
	require.NoError(t, k.Run())
	require.False(t, after)
}

func TestOneNodesTaskCrashesAnother(t *testing.T) {
	k := newKernel(t, sim.Options{})
	a, b := k.NewNode("a"), k.NewNode("b")
	order := []string{}
	b.Start("victim", func(e env.Env) { defer func() { order = append(order, "victim") }(); e.Sleep(time.Hour) })
	a.Start("chaos", func(e env.Env) {
		e.Sleep(time.Second)
		b.Crash()
		order = append(order, "chaos")
		e.Sleep(time.Second)
		order = append(order, "later")
	})
	require.NoError(t, k.Run())
	require.Equal(t, []string{"victim", "chaos", "later"}, order)
}

func TestTimersDieWithTheirProcess(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.Start("main", func(e env.Env) {
		e.AfterFunc(2*time.Second, "late", func() { t.Error("a timer of a dead process fired") })
		e.Sleep(time.Hour)
	})
	k.At(time.Second, "crash", n.Crash)
	k.At(time.Second+1, "restart", func() { n.Start("main", func(e env.Env) { e.Sleep(10 * time.Second) }) })
	require.NoError(t, k.RunUntil(time.Minute))
	require.Zero(t, k.Stats().TasksLive)
	require.True(t, n.Alive(), "a process lives until it crashes")
}

func TestPowerLossAndPowerOn(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var log []string
	n.OnCrash(func(c sim.CrashKind) { log = append(log, c.String()) })
	n.OnPowerOn(func() { log = append(log, "on") })
	n.PowerOff()
	n.PowerOff()
	require.False(t, n.Powered())
	n.Start("main", func(e env.Env) { e.Sleep(time.Hour) })
	require.NoError(t, k.RunUntil(1))
	n.PowerOff()
	require.Equal(t, []string{"power-loss", "on", "power-loss"}, log)
}

func TestPanicIsAFindingAndKillsTheProcess(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var told []sim.Failure
	k.OnFailure(func(f sim.Failure) { told = append(told, f) })
	other := k.NewNode("b").Start("main", func(e env.Env) { e.Sleep(time.Minute) })
	n.Start("neighbour", func(e env.Env) { e.Sleep(time.Hour) })
	n.Start("bad", func(e env.Env) {
		e.Sleep(time.Second)
		var none []int
		none[e.Now()/time.Hour] = 1
	})
	require.NoError(t, k.Run())
	require.Len(t, told, 1)
	require.Equal(t, told, k.Failures())
	f := told[0]
	require.Equal(t, "a", f.Node)
	require.Equal(t, "bad", f.Task)
	require.Equal(t, time.Second, f.At)
	require.Contains(t, f.Value, "out of range")
	require.Contains(t, f.Stack, "TestPanicIsAFinding")
	require.ErrorContains(t, f, "panic in task bad of a at 1s")
	require.False(t, n.Alive())
	require.True(t, other.Done())
}

func TestAPanicWhileDyingIsNoFinding(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.Start("main", func(e env.Env) {
		defer func() { panic("cleanup met the ruins") }()
		e.Sleep(time.Hour)
	})
	k.At(1, "crash", n.Crash)
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestPauseHoldsTimersAndTasks(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var woke []time.Duration
	var s env.Signal
	n.Start("main", func(e env.Env) {
		s = e.NewSignal()
		e.Go("sleeper", func() { e.Sleep(2 * time.Second); woke = append(woke, e.Now()) })
		e.AfterFunc(3*time.Second, "timer", func() { woke = append(woke, e.Now()) })
		s.Wait(env.Forever)
		woke = append(woke, e.Now())
	})
	k.At(time.Second, "pause", n.Pause)
	k.At(4*time.Second, "wake a paused task", func() { s.Set() })
	k.At(10*time.Second, "resume", n.Resume)
	require.NoError(t, k.Run())
	require.Equal(t, []time.Duration{10 * time.Second, 10 * time.Second, 10 * time.Second}, woke)

	n.Start("main", func(e env.Env) { e.Sleep(time.Second); t.Error("a task outlived its crash") })
	k.After(time.Millisecond, "pause", n.Pause)
	k.After(2*time.Second, "crash", n.Crash)
	k.After(3*time.Second, "resume", n.Resume)
	require.NoError(t, k.Run())
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for seed := range uint64(20) {
		k := sim.NewKernel(sim.Options{Seed: seed})
		for i := range 5 {
			n := k.NewNode(fmt.Sprint("n", i))
			n.Start("main", func(e env.Env) {
				for range 20 {
					e.Go("w", func() { e.Sleep(e.Rand("d", "").Between(0, time.Second)) })
				}
				e.NewSignal().Wait(env.Forever)
			})
			if i == 0 {
				k.At(time.Second/2, "crash", n.Crash)
			}
		}
		require.NoError(t, k.RunUntil(700*time.Millisecond))
		require.NoError(t, k.Close())
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}
