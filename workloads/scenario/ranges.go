package scenario

import (
	"time"

	"github.com/weirlab/weir/drawn"
	"github.com/weirlab/weir/env"
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
