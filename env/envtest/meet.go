package envtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

var meetChecks = []check{
	on0("a Mutex admits one at a time, across blocking calls", func(p *P) {
		mu := p.NewMutex()
		inside, total := 0, 0
		var tasks []env.Task
		for range 8 {
			tasks = append(tasks, p.Go("worker", func() {
				for range 20 {
					mu.Lock()
					inside++
					require.Equal(p, 1, inside)
					p.Yield()
					total++
					inside--
					mu.Unlock()
				}
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		require.Equal(p, 160, total)
	}),
	on0("unlocking an unlocked Mutex panics", func(p *P) {
		mu := p.NewMutex()
		cycle := func() { mu.Lock(); defer mu.Unlock() }
		require.Panics(p, mu.Unlock)
		cycle()
		require.Panics(p, mu.Unlock)
		cycle() // it is not broken
	}),
	on0("a Mutex may be unlocked by another task", func(p *P) {
		mu := p.NewMutex()
		mu.Lock()
		p.Go("other", mu.Unlock).Wait()
		mu.Lock()
		defer mu.Unlock()
	}),
	on0("Cond.Signal wakes the longest waiting first", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		woken := env.NewMailbox[int](p)
		turn := -1
		for i := range 5 {
			ready := p.NewSignal()
			p.Go("waiter", func() {
				mu.Lock()
				defer mu.Unlock()
				ready.Set()
				for turn < i {
					c.Wait()
				}
				woken.Put(i)
			})
			require.True(p, ready.Wait(long))
		}
		for i := range 5 {
			mu.Lock()
			turn = i
			c.Signal()
			mu.Unlock()
			got, ok := woken.TakeTimeout(long, p)
			require.True(p, ok)
			require.Equal(p, i, got)
		}
	}),
	on0("Cond.Broadcast wakes all", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		released := false
		var tasks []env.Task
		for range 5 {
			ready := p.NewSignal()
			tasks = append(tasks, p.Go("waiter", func() {
				mu.Lock()
				defer mu.Unlock()
				ready.Set()
				for !released {
					c.Wait()
				}
			}))
			require.True(p, ready.Wait(long))
		}
		mu.Lock()
		released = true
		c.Broadcast()
		mu.Unlock()
		for _, task := range tasks {
			task.Wait()
		}
	}),
	on0("a wake-up with nobody waiting is not kept", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		c.Signal()
		c.Broadcast()
		mu.Lock()
		defer mu.Unlock()
		require.False(p, c.WaitTimeout(short))
	}),
	on0("Cond.WaitTimeout tells a wake-up from the end of its time", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		mu.Lock()
		defer mu.Unlock()
		begin := p.Now()
		require.False(p, c.WaitTimeout(short))
		require.GreaterOrEqual(p, p.Now()-begin, short)
		require.False(p, c.WaitTimeout(0))
		require.False(p, c.WaitTimeout(-time.Second))

		p.Go("waker", func() {
			mu.Lock() // only once the waiter has let go of it
			defer mu.Unlock()
			c.Signal()
		})
		require.True(p, c.WaitTimeout(long))
	}),
	on0("a waiter that ran out of time takes no wake-up from others", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		mu.Lock()
		require.False(p, c.WaitTimeout(time.Millisecond))
		mu.Unlock()
		ready := p.NewSignal()
		task := p.Go("waiter", func() {
			mu.Lock()
			defer mu.Unlock()
			ready.Set()
			require.True(p, c.WaitTimeout(long))
		})
		require.True(p, ready.Wait(long))
		mu.Lock()
		c.Signal()
		mu.Unlock()
		task.Wait()
	}),
	on0("waits and wake-ups race without loss", func(p *P) {
		mu := p.NewMutex()
		c := p.NewCond(mu)
		tokens, taken := 0, 0
		var takers []env.Task
		for range 4 {
			takers = append(takers, p.Go("taker", func() {
				mu.Lock()
				defer mu.Unlock()
				for taken < 200 {
					if tokens == 0 {
						c.WaitTimeout(100 * time.Microsecond)
						continue
					}
					tokens--
					taken++
				}
				c.Broadcast()
			}))
		}
		for range 200 {
			mu.Lock()
			tokens++
			mu.Unlock()
			c.Signal()
			p.Yield()
		}
		for _, task := range takers {
			task.Wait()
		}
		require.Zero(p, tokens)
	}),
	on0("a Signal happens once and stays", func(p *P) {
		s := p.NewSignal()
		require.False(p, s.IsSet())
		require.False(p, s.Wait(0))
		begin := p.Now()
		require.False(p, s.Wait(short))
		require.GreaterOrEqual(p, p.Now()-begin, short)
		s.Set()
		s.Set()
		require.True(p, s.IsSet())
		require.True(p, s.Wait(0))
		require.True(p, s.Wait(env.Forever))
		require.True(p, s.Wait(long))
	}),
	on0("a Signal releases all who wait, with and without limit", func(p *P) {
		s := p.NewSignal()
		var tasks []env.Task
		for i := range 6 {
			limit := env.Forever
			if i%2 == 0 {
				limit = long
			}
			tasks = append(tasks, p.Go("waiter", func() { require.True(p, s.Wait(limit)) }))
		}
		p.Sleep(short)
		s.Set()
		for _, task := range tasks {
			task.Wait()
		}
	}),
	on0("a Mailbox keeps order and drains after Close", func(p *P) {
		box := env.NewMailbox[int](p)
		p.Go("sender", func() {
			for i := range 100 {
				require.True(p, box.Put(i))
				if i%10 == 0 {
					p.Yield()
				}
			}
			box.Close()
			require.False(p, box.Put(100))
		})
		for i := range 100 {
			got, ok := box.Take()
			require.True(p, ok)
			require.Equal(p, i, got)
		}
		_, ok := box.Take()
		require.False(p, ok)
	}),
	on0("Mailbox.TakeTimeout gives up", func(p *P) {
		box := env.NewMailbox[int](p)
		begin := p.Now()
		_, ok := box.TakeTimeout(short, p)
		require.False(p, ok)
		require.GreaterOrEqual(p, p.Now()-begin, short)
	}),
	on0("a Semaphore bounds what is in use", func(p *P) {
		sem := env.NewSemaphore(p, 3)
		mu := p.NewMutex()
		inUse := 0
		var tasks []env.Task
		for range 10 {
			tasks = append(tasks, p.Go("user", func() {
				sem.Acquire(1)
				mu.Lock()
				inUse++
				require.LessOrEqual(p, inUse, 3)
				mu.Unlock()
				p.Sleep(time.Millisecond)
				mu.Lock()
				inUse--
				mu.Unlock()
				sem.Release(1)
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		sem.Acquire(3)
	}),
}
