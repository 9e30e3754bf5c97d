package envtest

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// short is a wait that is long for a task switch and short for a person.
const short = 10 * time.Millisecond

// long is a wait that no test is meant to sit out.
const long = 30 * time.Second

var envChecks = []check{
	on0("Work returns, also for nothing", func(p *P) {
		p.Work("crc", 1<<20)
		p.Work("crc", 0)
		p.Work("an operation that no profile has heard of", 1)
	}),
	on0("Event takes attributes or none", func(p *P) {
		p.Event("tick")
		p.Event("election", env.Int("epoch", 3), env.Text("why", "timeout"))
	}),
	{"NodeName is a machine's own", nodeNames},
	on0("BootID stays while the machine has power", func(p *P) { require.Equal(p, p.BootID(), p.BootID()) }),
	on0("Rand streams differ by purpose and by entity", func(p *P) {
		a := p.Rand("uuid", "topic").Uint64()
		require.NotEqual(p, a, p.Rand("uuid", "group").Uint64())
		require.NotEqual(p, a, p.Rand("jitter", "topic").Uint64())
		require.NotEqual(p, p.Rand("ab", "c").Uint64(), p.Rand("a", "bc").Uint64())
	}),
	on0("a Rand stream does not start anew when it is asked for again", func(p *P) {
		seen := map[uint64]bool{}
		for range 100 {
			draw := p.Rand("uuid", "topic").Uint64()
			require.False(p, seen[draw])
			seen[draw] = true
		}
	}),
}

var clockChecks = []check{
	on0("Now never goes back", func(p *P) {
		last := p.Now()
		for range 1000 {
			now := p.Now()
			require.GreaterOrEqual(p, now, last)
			last = now
		}
	}),
	on0("Sleep lasts at least as long as asked", func(p *P) {
		begin := p.Now()
		p.Sleep(short)
		require.GreaterOrEqual(p, p.Now()-begin, short)
	}),
	on0("Sleep of nothing returns", func(p *P) {
		p.Sleep(0)
		p.Sleep(-time.Second)
	}),
	on0("shorter sleeps end first", func(p *P) {
		mu := p.NewMutex()
		inOrder := func() bool {
			var order []int
			var tasks []env.Task
			for i, d := range []time.Duration{9 * short, 5 * short, short} {
				tasks = append(tasks, p.Go("sleeper", func() {
					p.Sleep(d)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}))
			}
			for _, task := range tasks {
				task.Wait()
			}
			return slices.Equal(order, []int{2, 1, 0})
		}
		// A busy machine may wake a task late, but not every time.
		for tries := 1; !inOrder(); tries++ {
			require.Less(p, tries, 20)
		}
	}),
	on0("Wall follows Now when no clock fault is on", func(p *P) {
		wall, now := p.Wall(), p.Now()
		p.Sleep(short)
		require.GreaterOrEqual(p, p.Wall().Sub(wall), short/2)
		require.GreaterOrEqual(p, p.Now()-now, short)
		require.Equal(p, time.UTC, p.Wall().Location())
	}),
	on0("AfterFunc runs once, in time order, in tasks that may block", func(p *P) {
		fired := p.NewSignal()
		begin := p.Now()
		timer := p.AfterFunc(short, "timer", func() {
			p.Sleep(time.Millisecond)
			fired.Set()
		})
		require.True(p, fired.Wait(long))
		require.GreaterOrEqual(p, p.Now()-begin, short)
		require.False(p, timer.Stop(), "it has run already")
	}),
	on0("a stopped timer does not fire", func(p *P) {
		fired := p.NewSignal()
		timer := p.AfterFunc(2*short, "timer", fired.Set)
		require.True(p, timer.Stop())
		require.False(p, timer.Stop())
		require.False(p, fired.Wait(5*short))
	}),
	on0("AfterFunc of nothing fires soon", func(p *P) {
		fired := p.NewSignal()
		p.AfterFunc(0, "timer", fired.Set)
		require.True(p, fired.Wait(long))
		again := p.NewSignal()
		p.AfterFunc(-time.Second, "timer", again.Set)
		require.True(p, again.Wait(long))
	}),
}
