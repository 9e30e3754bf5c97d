//go:build unix

package local

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
)

// TargetName implements faults.Machines.
func (c *Cluster) TargetName() string { return c.name }

// Kill implements faults.Processes.
func (c *Cluster) Kill(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGKILL, "")
}

// ShutDown implements faults.Processes.
func (c *Cluster) ShutDown(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGTERM, "")
}

// Pause implements faults.Processes.
func (c *Cluster) Pause(_ env.Env, broker int) (*faults.Strike, error) {
	return pauseAll([]*process{c.processes[broker]}, "")
}

// CutPower implements faults.Power.
func (c *Cluster) CutPower(_ env.Env, broker int) (*faults.Strike, error) {
	return c.processes[broker].strikeDown(syscall.SIGKILL, "imitated by SIGKILL: this machine keeps its power, so nothing unsynced was lost")
}

// Cut implements faults.Links.
func (c *Cluster) Cut(_ env.Env, between, and []int, _ bool) (*faults.Strike, error) {
	side := between
	if len(and) < len(side) {
		side = and
	}
	var list []*process
	for _, b := range side {
		list = append(list, c.processes[b])
	}
	return pauseAll(list, "imitated by SIGSTOP of the smaller side: it was silent towards clients too")
}

// Worsen implements faults.Links.
func (c *Cluster) Worsen(env.Env, []int, []int, bool, time.Duration, int64) (*faults.Strike, error) {
	return nil, errors.New("brokers on this machine reach each other without anything between them that could be slow")
}

// Reset implements faults.Links.
func (c *Cluster) Reset(env.Env, []int, []int) (*faults.Strike, error) {
	return nil, errors.New("brokers on this machine reach each other without anything between them that could reset connections")
}

func (p *process) strikeDown(sig syscall.Signal, detail string) (*faults.Strike, error) {
	p.mu.Lock()
	down := p.keptBy != nil || !p.isRunning()
	s := &faults.Strike{Detail: detail}
	if !down {
		p.keptBy = s
	}
	p.mu.Unlock()
	if down {
		return nil, fmt.Errorf("%s is down already", p.name)
	}
	killed := p.end(sig)
	s.Undo = func(env.Env) string {
		p.mu.Lock()
		p.keptBy = nil
		p.mu.Unlock()
		if err := p.start(); err != nil {
			return err.Error()
		}
		if killed {
			return "the broker did not shut down in time and was killed"
		}
		return ""
	}
	return s, nil
}

func pauseAll(list []*process, detail string) (*faults.Strike, error) {
	var paused []*process
	for _, p := range list {
		p.mu.Lock()
		if p.isRunning() && !p.stopped && p.cmd.Process.Signal(syscall.SIGSTOP) == nil {
			p.stopped = true
			paused = append(paused, p)
		}
		p.mu.Unlock()
	}
	if len(paused) == 0 {
		return nil, errors.New("no process to pause was running")
	}
	return &faults.Strike{Detail: detail, Undo: func(env.Env) string {
		for _, p := range paused {
			p.mu.Lock()
			if p.isRunning() && p.stopped {
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
				p.stopped = false
			}
			p.mu.Unlock()
		}
		return ""
	}}, nil
}
