package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/weirlab/weir/workloads"
)

// progress shows how far a run is: a bar on a terminal, a line now and then in
// a pipe.
type progress struct {
	out  io.Writer
	name string

	mu       sync.Mutex
	bars     *mpb.Progress
	bar      *mpb.Bar
	last     workloads.Progress
	said     string // instead of last, by what is not a run
	lastLine time.Time
}

// lineEvery is how often a pipe gets a line.
const lineEvery = 10 * time.Second

func newProgress(out io.Writer, name string) *progress {
	p := &progress{out: out, name: name, lastLine: now()}
	if !isTerminal(out) {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string { return p.text() })),
		mpb.BarRemoveOnComplete())
	return p
}

func (p *progress) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said != "" {
		return p.said
	}
	l := p.last
	text := fmt.Sprintf("  %s  %.1f s", l.Phase, l.Now.Seconds())
	if l.Acked > 0 {
		text += fmt.Sprintf("  %d records", l.Acked)
	}
	return text
}

// say shows a text, for what does not know how far it is.
func (p *progress) say(text string) {
	p.mu.Lock()
	p.said = text
	line := p.bar == nil && time.Since(p.lastLine) >= lineEvery
	if line {
		p.lastLine = now()
	}
	p.mu.Unlock()
	if line {
		_, _ = fmt.Fprintf(p.out, "%s:%s\n", p.name, text)
	}
}

func (p *progress) update(l workloads.Progress) {
	p.mu.Lock()
	p.last = l
	line := p.bar == nil && time.Since(p.lastLine) >= lineEvery
	if line {
		p.lastLine = now()
	}
	p.mu.Unlock()
	switch {
	case p.bar != nil && l.Total > 0:
		p.bar.SetTotal(int64(l.Total), false)
		p.bar.SetCurrent(int64(min(l.Now, l.Total-1)))
	case line:
		_, _ = fmt.Fprintf(p.out, "%s:%s\n", p.name, p.text())
	}
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.bars.Wait()
}

// countProgress shows how many of a number of things are done.
type countProgress struct {
	out      io.Writer
	total    int
	bars     *mpb.Progress
	bar      *mpb.Bar
	finished int
	lastLine time.Time
}

func newCountProgress(out io.Writer, name, unit string, total int) *countProgress {
	p := &countProgress{out: out, total: total, lastLine: now()}
	if !isTerminal(out) {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	p.bar = p.bars.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d "+unit), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete())
	return p
}

func (p *countProgress) one() {
	p.finished++
	if p.bar != nil {
		p.bar.Increment()
		return
	}
	if time.Since(p.lastLine) >= lineEvery {
		p.lastLine = now()
		_, _ = fmt.Fprintf(p.out, "%d of %d\n", p.finished, p.total)
	}
}

func (p *countProgress) done() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
