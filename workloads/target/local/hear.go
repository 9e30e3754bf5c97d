//go:build unix

package local

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"slices"
	"time"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/target"
)

// hearEvery is how often the brokers' event logs are looked at for what faults
// wait for.
const hearEvery = 10 * time.Millisecond

// Tells implements target.Cluster: brokers log truncations, registrations and
// elections of the quorum, and answer for the state of partitions.
func (c *Cluster) Tells(e faults.Event) bool {
	switch e {
	case faults.Election, faults.ISRExpansion, faults.ISRShrink, faults.Truncation, faults.Registration:
		return true
	}
	return false
}

// Soon implements target.Cluster: whoever tells something may be kept.
func (c *Cluster) Soon(fn func()) { fn() }

// startHearing tells what the brokers log, if a fault waits for it, until it is
// ended.
func (c *Cluster) startHearing() (end func()) {
	if !slices.ContainsFunc(c.s.Faults.Plan, func(f faults.Fault) bool { return !f.After.IsZero() }) {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(hearEvery):
				c.hear()
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

// hear tells what the brokers have logged since it was last called. Lines that
// are not whole yet wait for the next time.
func (c *Cluster) hear() {
	for _, p := range c.processes {
		for _, line := range p.unheard() {
			var ev target.LoggedEvent
			if json.Unmarshal(line, &ev) != nil {
				continue
			}
			if o, ok := target.Occurrence(p.name, ev.Name, ev.Attrs); ok {
				c.tell.Happened(o)
			}
		}
	}
}

// unheard reads the whole lines that the process has logged since the last call.
func (p *process) unheard() [][]byte {
	f, err := os.Open(p.events)
	if err != nil {
		return nil // it has not begun
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(p.heard, io.SeekStart); err != nil {
		return nil
	}
	text, err := io.ReadAll(f)
	end := bytes.LastIndexByte(text, '\n') + 1
	if err != nil || end == 0 {
		return nil
	}
	p.heard += int64(end)
	return bytes.Split(text[:end-1], []byte{'\n'})
}
