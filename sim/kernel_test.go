package sim_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

func newKernel(t testing.TB, opts sim.Options) *sim.Kernel {
	k := sim.NewKernel(opts)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func TestTimeJumpsFromEventToEvent(t *testing.T) {
	k := newKernel(t, sim.Options{})
	var woke []time.Duration
	k.NewNode("a").Start("main", func(e env.Env) {
		for i := range 3 {
			e.Sleep(time.Duration(i+1) * time.Hour)
			woke = append(woke, e.Now())
		}
	})
	require.NoError(t, k.Run())
	require.Equal(t, []time.Duration{time.Hour, 3 * time.Hour, 6 * time.Hour}, woke)
	require.Equal(t, 6*time.Hour, k.Now())
}

func TestRunUntilLeavesTheClockThere(t *testing.T) {
	k := newKernel(t, sim.Options{})
	k.NewNode("a").Start("server", func(e env.Env) { e.NewSignal().Wait(env.Forever) })
	require.NoError(t, k.RunUntil(5*time.Second))
	require.Equal(t, 5*time.Second, k.Now())
}

func TestTasksLeftInAWorldThatShouldHaveEndedAreNamed(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.Start("sleeper", func(e env.Env) { e.Sleep(time.Minute) })
	require.NoError(t, k.RunOut(2*time.Minute))
	require.Equal(t, time.Minute, k.Now(), "no longer than it takes")

	var stop env.Signal
	n.Start("server", func(e env.Env) {
		stop = e.NewSignal()
		stop.Wait(env.Forever)
	})
	err := k.RunOut(time.Minute)
	var left *sim.LeftoverError
	require.ErrorAs(t, err, &left)
	require.Len(t, left.Tasks, 1)
	require.ErrorContains(t, err, `a: task "server" waits for`)
	require.ErrorContains(t, err, "kernel_test.go")
	n.Start("stop", func(env.Env) { stop.Set() })
	require.NoError(t, k.RunOut(0))
}

func TestCallbacksAndCancel(t *testing.T) {
	k := newKernel(t, sim.Options{})
	var got []string
	k.At(2, "b", func() { got = append(got, "b") })
	k.At(1, "a", func() { got = append(got, "a") })
	h := k.After(3, "c", func() { got = append(got, "c") })
	require.True(t, k.Cancel(h))
	require.False(t, k.Cancel(h))
	require.NoError(t, k.Run())
	require.Equal(t, []string{"a", "b"}, got)
	require.False(t, k.Cancel(sim.Handle{}))
}

func TestManyCancelledTimersKeepOrder(t *testing.T) {
	k := newKernel(t, sim.Options{})
	r := env.NewRand(1, "t", "")
	var handles []sim.Handle
	var last time.Duration
	fired := 0
	for range 5000 {
		at := time.Duration(r.Int64n(1000))
		handles = append(handles, k.At(at, "x", func() {
			require.GreaterOrEqual(t, k.Now(), last)
			last = k.Now()
			fired++
		}))
	}
	cancelled := 0
	for i, h := range handles {
		if i%5 != 0 && k.Cancel(h) {
			cancelled++
		}
	}
	require.NoError(t, k.Run())
	require.Equal(t, 5000, fired+cancelled)
}

func TestMutexExcludesAndSelfLockIsFound(t *testing.T) {
	k := newKernel(t, sim.Options{Seed: 3})
	n := k.NewNode("a")
	n.Start("main", func(e env.Env) {
		m := e.NewMutex()
		inside := 0
		var tasks []env.Task
		for range 10 {
			tasks = append(tasks, e.Go("w", func() {
				for range 20 {
					m.Lock()
					inside++
					require.Equal(t, 1, inside)
					e.Sleep(time.Microsecond)
					inside--
					m.Unlock()
				}
			}))
		}
		for _, w := range tasks {
			w.Wait()
			require.True(t, w.Done())
		}
		m.Lock()
		m.Lock()
	})
	require.NoError(t, k.Run())
	require.Len(t, k.Failures(), 1)
	require.Contains(t, k.Failures()[0].Value, "locks a Mutex that it holds")
}

func TestCondWakesInOrderAndTimesOut(t *testing.T) {
	k := newKernel(t, sim.Options{Policy: sim.FIFO})
	var got []int
	k.NewNode("a").Start("main", func(e env.Env) {
		m := e.NewMutex()
		c := e.NewCond(m)
		for i := range 4 {
			e.Go("w", func() {
				m.Lock()
				defer m.Unlock()
				c.Wait()
				got = append(got, i)
			})
		}
		e.Yield()
		m.Lock()
		require.False(t, c.WaitTimeout(time.Second))
		require.Equal(t, time.Second, e.Now())
		c.Signal()
		c.Signal()
		require.Empty(t, got)
		m.Unlock()
		e.Yield()
		e.Yield()
		require.Equal(t, []int{0, 1}, got)
		m.Lock()
		c.Broadcast()
		m.Unlock()
		e.Sleep(1)
		require.Len(t, got, 4)

		e.Go("waker", func() {
			e.Sleep(time.Millisecond)
			m.Lock()
			c.Signal()
			m.Unlock()
		})
		m.Lock()
		require.True(t, c.WaitTimeout(time.Hour))
		require.False(t, c.WaitTimeout(0))
		m.Unlock()
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestSignal(t *testing.T) {
	k := newKernel(t, sim.Options{})
	k.NewNode("a").Start("main", func(e env.Env) {
		s := e.NewSignal()
		require.False(t, s.Wait(0))
		require.False(t, s.Wait(time.Second))
		e.AfterFunc(time.Second, "set", s.Set)
		require.True(t, s.Wait(env.Forever))
		require.True(t, s.IsSet())
		s.Set()
		require.Equal(t, 2*time.Second, e.Now())
		stopped := e.AfterFunc(time.Second, "never", func() { t.Error("ran") })
		require.True(t, stopped.Stop())
		require.False(t, stopped.Stop())
		box := env.NewMailbox[int](e)
		e.Go("put", func() { box.Put(7); box.Close() })
		v, ok := box.Take()
		require.True(t, ok)
		require.Equal(t, 7, v)
		_, ok = box.Take()
		require.False(t, ok)
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestClocks(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.Start("main", func(e env.Env) {
		e.Sleep(time.Second)
		require.Equal(t, time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC), e.Wall())
		n.SetWallOffset(-time.Hour)
		require.Equal(t, time.Date(2025, 12, 31, 23, 0, 1, 0, time.UTC), e.Wall())
		n.SetWallOffset(0)
		n.SetWallDrift(500)
		e.Sleep(1000 * time.Second)
		require.Equal(t, time.Date(2026, 1, 1, 0, 16, 41, 500_000_000, time.UTC), e.Wall())
		require.Equal(t, 1001*time.Second, e.Now())
		require.Equal(t, 1002*time.Second, k.Instant(e.Deadline(time.Second)))
		require.Zero(t, k.Instant(time.Unix(1, 0)))
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestWorkQueuesForCores(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	n.SetProcessor(k.NewProcessor("cpu", 2), func(op string, units int64) time.Duration { return time.Duration(units) * time.Millisecond })
	n.Start("main", func(e env.Env) {
		var tasks []env.Task
		for range 5 {
			tasks = append(tasks, e.Go("w", func() { e.Work("spin", 10) }))
		}
		before := k.Stats().Events
		e.Work("free", 0)
		require.Equal(t, before, k.Stats().Events)
		for _, w := range tasks {
			w.Wait()
		}
		require.Equal(t, 30*time.Millisecond, e.Now())
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestDeadlockIsReportedWithStacks(t *testing.T) {
	k := newKernel(t, sim.Options{})
	k.NewNode("a").Start("stuck-one", func(e env.Env) { e.NewSignal().Wait(env.Forever) })
	var d *sim.DeadlockError
	require.ErrorAs(t, k.Run(), &d)
	require.Len(t, d.Tasks, 1)
	require.Equal(t, "signal", d.Tasks[0].Waiting)
	require.Contains(t, d.Error(), `task "stuck-one" waits for signal`)
	require.Contains(t, d.Error(), "TestDeadlockIsReportedWithStacks")
	require.ErrorAs(t, k.RunWhile(func() bool { return true }), &d)
	require.NoError(t, k.RunWhile(func() bool { return false }))
}

func TestLivelockIsReported(t *testing.T) {
	k := newKernel(t, sim.Options{MaxStepsPerInstant: 1000})
	k.NewNode("a").Start("spinner", func(e env.Env) {
		for {
			e.Yield()
		}
	})
	k.NewNode("b").Start("other", func(e env.Env) { e.Sleep(time.Second) })
	var l *sim.LivelockError
	require.ErrorAs(t, k.Run(), &l)
	require.Equal(t, `task "spinner" of a goes on and on while time stands still`, l.Summary())
	require.Contains(t, l.Stack, "TestLivelockIsReported")
	require.ErrorAs(t, k.Run(), &l)
}

// A world that moves by a nanosecond at a time stands as still as any.
func TestATimerThatIsAlwaysDueIsALivelock(t *testing.T) {
	k := newKernel(t, sim.Options{MaxStepsPerInstant: 1000})
	var again func()
	again = func() { k.After(1, "again", again) }
	again()
	k.NewNode("a").Start("other", func(e env.Env) { e.Sleep(time.Second) })
	var l *sim.LivelockError
	require.ErrorAs(t, k.Run(), &l)
	require.Equal(t, `timer "again" goes on and on while time stands still`, l.Summary())
	require.Less(t, l.At, time.Millisecond)
}

func TestManyStepsInMuchTimeAreNoLivelock(t *testing.T) {
	k := newKernel(t, sim.Options{MaxStepsPerInstant: 1000, MaxCallsPerTurn: 1000})
	k.NewNode("a").Start("busy", func(e env.Env) {
		for range 100 {
			for range 900 {
				e.Now()
			}
			for range 400 {
				e.Yield()
			}
			e.Sleep(10 * time.Millisecond)
		}
	})
	require.NoError(t, k.Run())
}

func TestATaskThatNeverWaitsIsALivelock(t *testing.T) {
	for name, call := range map[string]func(env.Env) func(){
		"now":  func(e env.Env) func() { return func() { e.Now() } },
		"wall": func(e env.Env) func() { return func() { e.Wall() } },
		"lab":  func(e env.Env) func() { return func() { e.Lab().Rare("x") } },
		"mutex": func(e env.Env) func() {
			m := e.NewMutex()
			return func() { m.Lock(); m.Unlock() } //nolint:staticcheck // nothing is done under it
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, sim.Options{MaxCallsPerTurn: 1000})
			k.NewNode("a").Start("spinner", func(e env.Env) {
				for f := call(e); ; {
					f()
				}
			})
			k.NewNode("b").Start("other", func(e env.Env) { e.Sleep(time.Second) })
			var l *sim.LivelockError
			require.ErrorAs(t, k.Run(), &l)
			require.Equal(t, `task "spinner" of a goes on and on while time stands still`, l.Summary())
			require.Contains(t, l.Stack, "TestATaskThatNeverWaitsIsALivelock")
			require.ErrorAs(t, k.Run(), &l)
		})
	}
}

func TestYieldDoesNotStarveOthers(t *testing.T) {
	k := newKernel(t, sim.Options{Seed: 9})
	k.NewNode("a").Start("main", func(e env.Env) {
		turns := make([]int, 5)
		var tasks []env.Task
		for i := range turns {
			tasks = append(tasks, e.Go("w", func() {
				for range 100 {
					turns[i]++
					for j := range turns {
						if turns[j] > 0 && turns[i] > 1 {
							require.InDelta(t, turns[i], turns[j], 1)
						}
					}
					e.Yield()
				}
			}))
		}
		for _, w := range tasks {
			w.Wait()
		}
	})
	require.NoError(t, k.Run())
	require.Empty(t, k.Failures())
}

func TestWatchdogSeesABusyTask(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("nothing preempts a busy task on wasm")
	}
	dumped := make(chan string, 1)
	k := newKernel(t, sim.Options{Watchdog: 20 * time.Millisecond, Stuck: func(who, d string) { dumped <- who + "\n" + d }})
	var dump string
	k.NewNode("a").Start("busy", func(e env.Env) { dump = <-dumped })
	require.NoError(t, k.Run())
	require.Contains(t, dump, `task "busy" of a`+"\n")
	require.Contains(t, dump, `task "busy" of a has not given the processor back`)
}

func TestBlockingOutsideATaskPanics(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	require.PanicsWithValue(t, "sim: Sleep blocks, so only a task may call it; start one with Node.Start", func() { n.Env().Sleep(1) })
	require.Panics(t, func() { k.NewNode("a") })
}

func TestInspectSeesThroughHeldMutexes(t *testing.T) {
	k := newKernel(t, sim.Options{})
	n := k.NewNode("a")
	var m env.Mutex
	n.Start("main", func(e env.Env) {
		m = e.NewMutex()
		m.Lock()
		e.Sleep(time.Second)
		m.Unlock()
		e.Sleep(time.Second)
	})
	look := func() {
		m.Lock()
		defer m.Unlock()
	}
	var seen []bool
	k.At(time.Second/2, "held", func() {
		seen = append(seen, k.Inspect(look))
		require.Panics(t, look)
	})
	k.At(3*time.Second/2, "free", func() { seen = append(seen, k.Inspect(look)); look() })
	require.NoError(t, k.Run())
	require.Equal(t, []bool{false, true}, seen)
}

func TestPreemption(t *testing.T) {
	switches := func(oneIn int64) uint64 {
		k := newKernel(t, sim.Options{PreemptOneIn: oneIn})
		k.NewNode("a").Start("main", func(e env.Env) {
			m := e.NewMutex()
			for range 1000 {
				m.Lock()
				m.Unlock() //nolint:staticcheck // taking the lock is the point
			}
		})
		require.NoError(t, k.Run())
		return k.Stats().Switches
	}
	require.EqualValues(t, 1, switches(0))
	require.Greater(t, switches(10), uint64(50))
}

func TestFailNowInATaskEndsTheTest(t *testing.T) {
	// FailNow ends its goroutine; in a task it must end the one that runs the
	// world, and the kernel must still close.
	k := newKernel(t, sim.Options{})
	k.NewNode("a").Start("main", func(env.Env) { runtime.Goexit() })
	other := false
	k.NewNode("b").Start("main", func(e env.Env) { defer func() { other = true }(); e.Sleep(time.Hour) })
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run()
		returned = true
	}()
	<-done
	require.False(t, returned)
	require.NoError(t, k.RunUntil(time.Minute))
	require.NoError(t, k.Close())
	require.True(t, other)
	require.ErrorIs(t, k.Run(), sim.ErrClosed)
	require.NoError(t, k.Close())
}

func TestDumpNamesTasksThatHaveNotBegun(t *testing.T) {
	k := newKernel(t, sim.Options{})
	k.NewNode("a").Start("fresh", func(env.Env) {})
	require.True(t, strings.Contains(sim.DumpTasks(k.Tasks()), `task "fresh" can run`))
}
