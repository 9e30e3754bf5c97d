package sim_test

import (
	"testing"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// ticker schedules itself again and again.
type ticker struct {
	k     *sim.Kernel
	left  *int
	every time.Duration
}

func (t *ticker) HandleEvent(arg uint64) {
	if *t.left--; *t.left > 0 {
		t.k.Schedule(t.k.Now()+t.every, t, arg)
	}
}

func perSecond(b *testing.B, unit string) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), unit)
}

// BenchmarkEvents is the kernel alone, with a thousand timers pending.
func BenchmarkEvents(b *testing.B) {
	k := sim.NewKernel(sim.Options{MaxStepsPerInstant: 1 << 62})
	defer func() { _ = k.Close() }()
	left := b.N
	for i := range 1000 {
		t := &ticker{k, &left, time.Duration(1000 + i)}
		k.Schedule(time.Duration(i), t, 1)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.RunWhile(func() bool { return left > 0 }); err != nil {
		b.Fatal(err)
	}
	perSecond(b, "events/s")
}

// BenchmarkSleep is a timer, a wake-up and two coroutine switches.
func BenchmarkSleep(b *testing.B) {
	k := sim.NewKernel(sim.Options{MaxStepsPerInstant: 1 << 62})
	defer func() { _ = k.Close() }()
	k.NewNode("a").Start("main", func(e env.Env) {
		for range b.N {
			e.Sleep(time.Microsecond)
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
	perSecond(b, "sleeps/s")
}

// BenchmarkYield is the price of switching between tasks.
func BenchmarkYield(b *testing.B) {
	k := sim.NewKernel(sim.Options{MaxStepsPerInstant: 1 << 62})
	defer func() { _ = k.Close() }()
	n := k.NewNode("a")
	for range 2 {
		n.Start("main", func(e env.Env) {
			for range b.N / 2 {
				e.Yield()
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
	perSecond(b, "switches/s")
}

// BenchmarkTimeoutCancelled is the usual fate of a request timeout.
func BenchmarkTimeoutCancelled(b *testing.B) {
	k := sim.NewKernel(sim.Options{MaxStepsPerInstant: 1 << 62})
	defer func() { _ = k.Close() }()
	k.NewNode("a").Start("main", func(e env.Env) {
		for range b.N {
			s := e.NewSignal()
			e.Go("answer", s.Set)
			s.Wait(30 * time.Second)
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.RunUntil(1); err != nil {
		b.Fatal(err)
	}
	perSecond(b, "waits/s")
}

// BenchmarkMailbox hands items from one task to another.
func BenchmarkMailbox(b *testing.B) {
	k := sim.NewKernel(sim.Options{MaxStepsPerInstant: 1 << 62})
	defer func() { _ = k.Close() }()
	k.NewNode("a").Start("main", func(e env.Env) {
		box := env.NewMailbox[int](e)
		e.Go("taker", func() {
			for {
				if _, ok := box.Take(); !ok {
					return
				}
			}
		})
		for i := range b.N {
			box.Put(i)
			e.Yield()
		}
		box.Close()
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.Run(); err != nil {
		b.Fatal(err)
	}
	perSecond(b, "items/s")
}
