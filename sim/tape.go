package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// Tape is what was chosen at every point of a run at which the kernel had a
// choice: which task runs next, which one gets a mutex, whether a task gives
// way. Choices are counted in the order in which FIFO would make them, so that 0
// is what FIFO does; only the others are kept. Replayed over the same world, a
// tape gives the same run whatever policy it was recorded under; with choices
// taken out of it, a run that is nearer to FIFO.
//
// The zero Tape is that of FIFO.
type Tape struct {
	choices []choice
}

// choice is the choice made at a point.
type choice struct {
	point uint64 // counted from 1
	what  uint64 // not 0
}

// tapeHead is where on a tape a run is.
type tapeHead struct {
	point uint64
	next  int // choice
}

// put records a choice.
func (t *Tape) put(at *tapeHead, what int) {
	at.point++
	if what > 0 {
		t.choices = append(t.choices, choice{at.point, uint64(what)})
	}
}

// next is the choice at the next point.
func (t *Tape) next(at *tapeHead) int {
	at.point++
	if at.next == len(t.choices) || t.choices[at.next].point != at.point {
		return 0
	}
	at.next++
	return int(t.choices[at.next-1].what)
}

// Len is in how many points the tape differs from FIFO.
func (t *Tape) Len() int { return len(t.choices) }

// Keep is the tape with those choices only, by their place among the Len, that
// keep wants.
func (t *Tape) Keep(keep func(i int) bool) *Tape {
	kept := &Tape{}
	for i, c := range t.choices {
		if keep(i) {
			kept.choices = append(kept.choices, c)
		}
	}
	return kept
}

// mostChoice bounds what a tape may say, so that any text can be replayed.
const mostChoice = 1 << 20

// MarshalText writes a word for each point in which the tape differs from FIFO:
// how many points after the one before it is, and with a colon the choice
// unless that is 1.
func (t *Tape) MarshalText() ([]byte, error) {
	var b []byte
	last := uint64(0)
	for _, c := range t.choices {
		if last > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, c.point-last, 10)
		if c.what > 1 {
			b = strconv.AppendUint(append(b, ':'), c.what, 10)
		}
		last = c.point
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes.
func (t *Tape) UnmarshalText(text []byte) error {
	var read Tape
	last := uint64(0)
	for _, word := range strings.Fields(string(text)) {
		gap, what, more := strings.Cut(word, ":")
		c := choice{what: 1}
		var err error
		if c.point, err = strconv.ParseUint(gap, 10, 48); err == nil && more {
			c.what, err = strconv.ParseUint(what, 10, 64)
		}
		if err != nil || c.point == 0 || c.what == 0 || c.what > mostChoice {
			return fmt.Errorf("%q is no choice of a tape; write how many points after the one before, as 12 or, with another choice than 1, 12:3", word)
		}
		c.point += last
		last = c.point
		read.choices = append(read.choices, c)
	}
	*t = read
	return nil
}
