package experiment

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Progress is told what an experiment does next, in a phrase. It is called by
// one goroutine at a time.
type Progress func(what string)

// Bench has places for some simulations at a time. The first that fails ends
// all others.
type Bench struct {
	ctx    context.Context
	group  *errgroup.Group
	places chan struct{}

	telling  sync.Mutex
	progress Progress
	begun    int
}

// NewBench has so many places, one for each processor if that is zero.
func NewBench(ctx context.Context, places int, progress Progress) *Bench {
	if places <= 0 {
		places = runtime.GOMAXPROCS(0)
	}
	b := &Bench{places: make(chan struct{}, places), progress: progress}
	b.group, b.ctx = errgroup.WithContext(ctx)
	return b
}

// take waits for a place and tells what begins.
func (b *Bench) take(what string) error {
	select {
	case b.places <- struct{}{}:
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
	if b.ctx.Err() != nil {
		<-b.places
		return context.Cause(b.ctx)
	}
	b.telling.Lock()
	defer b.telling.Unlock()
	b.begun++
	if b.progress != nil {
		b.progress(fmt.Sprintf("simulation %d: %s", b.begun, what))
	}
	return nil
}

// Do waits for a place and simulates on it.
func (b *Bench) Do(what string, simulate func(context.Context) error) error {
	if err := b.take(what); err != nil {
		return err
	}
	defer func() { <-b.places }()
	return simulate(b.ctx)
}

// Start waits for a place and simulates on it beside the caller: what is
// started first begins first.
func (b *Bench) Start(what string, simulate func(context.Context) error) {
	if err := b.take(what); err != nil {
		b.group.Go(func() error { return err })
		return
	}
	b.group.Go(func() error {
		defer func() { <-b.places }()
		return simulate(b.ctx)
	})
}

// Go lets a chain of simulations, each by Do, run beside the caller.
func (b *Bench) Go(chain func() error) { b.group.Go(chain) }

// Wait waits for all and returns the first error.
func (b *Bench) Wait() error { return b.group.Wait() }
