package scenario

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults/drawn"
)

// Number is a whole number, or what the seed draws it from.
type Number = drawn.Number

// Exactly is the number n.
func Exactly(n int64) Number { return drawn.Exactly(n) }

// Span is a length of time, or what the seed draws it from.
type Span = drawn.Span

// ExactSpan is the length d.
func ExactSpan(d time.Duration) Span { return drawn.ExactSpan(d) }

// stream is what a value of the scenario is drawn from: each has its own, by
// its place in the file.
func stream(seed uint64, path string) *env.Rand { return env.NewRand(seed, "scenario", path) }

// Range is a length of time "lo..hi" that is not drawn by the seed: what it is
// of draws from it again and again while the run goes on.
type Range struct{ Min, Max time.Duration }

// MarshalText writes "40s" or "30s..1m0s".
func (r Range) MarshalText() ([]byte, error) {
	s := ExactSpan(r.Min)
	s.Max = r.Max
	return s.MarshalText()
}

// UnmarshalText reads "40s" or "30s..1m".
func (r *Range) UnmarshalText(text []byte) error {
	var s Span
	err := s.UnmarshalText(text)
	if err == nil && len(drawn.Alternatives(string(text))) > 1 {
		err = fmt.Errorf("%q: this is drawn again and again from one range; write it without alternatives", text)
	}
	*r = Range{s.Min, s.Max}
	return err
}

// IsZero reports whether nothing was given.
func (r Range) IsZero() bool { return r == Range{} }
