package envtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

func nodeNames(t *testing.T, w World) {
	var names [2]string
	w.Run(t,
		func(e env.Env) { names[0] = e.NodeName() },
		func(e env.Env) { names[1] = e.NodeName() })
	require.NotEmpty(t, names[0])
	require.NotEmpty(t, names[1])
	require.NotEqual(t, names[0], names[1])
}

var taskChecks = []check{
	on0("a task runs and can be waited for", func(p *P) {
		ran := false
		task := p.Go("worker", func() { ran = true })
		require.Equal(p, "worker", task.Name())
		task.Wait()
		require.True(p, ran)
		require.True(p, task.Done())
		task.Wait()
	}),
	on0("a task that has not returned is not done", func(p *P) {
		stop := p.NewSignal()
		task := p.Go("worker", func() { stop.Wait(env.Forever) })
		p.Sleep(short)
		require.False(p, task.Done())
		stop.Set()
		task.Wait()
		require.True(p, task.Done())
	}),
	on0("many tasks can wait for one", func(p *P) {
		stop := p.NewSignal()
		worker := p.Go("worker", func() { stop.Wait(env.Forever) })
		var waiters []env.Task
		for range 10 {
			waiters = append(waiters, p.Go("waiter", worker.Wait))
		}
		p.Sleep(short)
		for _, w := range waiters {
			require.False(p, w.Done())
		}
		stop.Set()
		for _, w := range waiters {
			w.Wait()
		}
	}),
	on0("tasks start tasks", func(p *P) {
		mu := p.NewMutex()
		count := 0
		var grow func(depth int)
		grow = func(depth int) {
			mu.Lock()
			count++
			mu.Unlock()
			if depth == 0 {
				return
			}
			left := p.Go("left", func() { grow(depth - 1) })
			right := p.Go("right", func() { grow(depth - 1) })
			left.Wait()
			right.Wait()
		}
		grow(7)
		require.Equal(p, 255, count)
	}),
	on0("Yield lets others run", func(p *P) {
		seen := p.NewSignal()
		p.Go("other", seen.Set)
		for i := 0; !seen.IsSet(); i++ {
			p.Yield()
			require.Less(p, i, 100_000_000)
		}
	}),
	on0("a task may outlive the one that started it", func(p *P) {
		done := p.NewSignal()
		p.Go("parent", func() {
			p.Go("child", func() {
				p.Sleep(short)
				done.Set()
			})
		}).Wait()
		require.True(p, done.Wait(long))
	}),
}
