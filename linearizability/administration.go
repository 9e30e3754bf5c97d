package linearizability

import (
	"context"
	"fmt"
	"time"
)

// Administration is what an administrator asked for, and what was wrong with the
// answer by all that the administrator knew.
type Administration struct {
	Process int64  `json:"process"`
	Op      string `json:"op"`    // "create", "delete records"
	Topic   string `json:"topic"` // of the administrator's own
	// Call and Return are when it was asked for and answered.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
	// Error is why no answer came, Wrong what is wrong with one: "" if nothing.
	Error string `json:"error,omitempty"`
	Wrong string `json:"wrong,omitempty"`
}

// AddAdministration takes what an administrator did.
func (l *Log) AddAdministration(a Administration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Administrations = append(l.h.Administrations, a)
	l.writeFact("administration", a)
}

// administration is K15: what administrators were told was done is done.
func (c *court) administration(context.Context) {
	for i := range c.h.Administrations {
		a := &c.h.Administrations[i]
		if a.Error == "" {
			c.cur.Inputs++
		}
		if a.Wrong != "" {
			c.found(&partition{tp: TopicPartition{Topic: a.Topic}}, int64(hashGroup(a.Op)), None, a.Return, fmt.Sprintf(
				"administrator %d asked to %s (topic %s) at %s, and at %s %s", a.Process, a.Op, a.Topic, clock(a.Call), clock(a.Return), a.Wrong))
		}
	}
}
