package main

import (
	"fmt"
	"io"
	"time"
)

// steps tells what a long measurement does next: one line that changes on a
// terminal, a line now and then in a pipe.
type steps struct {
	out      io.Writer
	terminal bool
	begun    time.Time
	lastLine time.Time
}

func newSteps(out io.Writer) *steps {
	return &steps{out: out, terminal: isTerminal(out), begun: now(), lastLine: now()}
}

func (p *steps) next(what string) {
	switch {
	case p.terminal:
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%5.0f s  %s", time.Since(p.begun).Seconds(), what)
	case time.Since(p.lastLine) >= lineEvery:
		p.lastLine = now()
		_, _ = fmt.Fprintf(p.out, "%.0f s: %s\n", time.Since(p.begun).Seconds(), what)
	}
}

// done takes the line away.
func (p *steps) done() {
	if p.terminal {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
