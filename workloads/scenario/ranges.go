package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Number is a whole number, or a range "lo..hi" of which a seed draws one.
type Number struct{ Min, Max int64 }

// Exactly is the number n.
func Exactly(n int64) Number { return Number{n, n} }

// Value is the number; the least of a range that has not been drawn from.
func (n Number) Value() int64 { return n.Min }

// MarshalText writes "5" or "1..10".
func (n Number) MarshalText() ([]byte, error) {
	if n.Min == n.Max {
		return strconv.AppendInt(nil, n.Min, 10), nil
	}
	return fmt.Appendf(nil, "%d..%d", n.Min, n.Max), nil
}

// UnmarshalText reads "5" or "1..10".
func (n *Number) UnmarshalText(text []byte) error {
	lo, hi, isRange := strings.Cut(string(text), "..")
	if !isRange {
		hi = lo
	}
	var err error
	if n.Min, err = strconv.ParseInt(lo, 10, 64); err == nil {
		n.Max, err = strconv.ParseInt(hi, 10, 64)
	}
	if err != nil || n.Min < 0 || n.Max < n.Min {
		return fmt.Errorf("%q is not a number; write one such as 100, or a range such as 100..400", text)
	}
	return nil
}

// IsZero reports whether nothing was given.
func (n Number) IsZero() bool { return n == Number{} }

func (n Number) draw(seed uint64, path string) Number {
	if n.Min == n.Max {
		return n
	}
	return Exactly(n.Min + env.NewRand(seed, "scenario", path).Int64n(n.Max-n.Min+1))
}

// Span is a length of time, or a range "lo..hi" of which a seed draws one.
type Span struct{ Min, Max time.Duration }

// ExactSpan is the length d.
func ExactSpan(d time.Duration) Span { return Span{d, d} }

// Value is the length; the least of a range that has not been drawn from.
func (s Span) Value() time.Duration { return s.Min }

// MarshalText writes "40s" or "30s..1m0s".
func (s Span) MarshalText() ([]byte, error) {
	if s.Min == s.Max {
		return []byte(s.Min.String()), nil
	}
	return fmt.Appendf(nil, "%v..%v", s.Min, s.Max), nil
}

// UnmarshalText reads "40s" or "30s..1m".
func (s *Span) UnmarshalText(text []byte) error {
	lo, hi, isRange := strings.Cut(string(text), "..")
	if !isRange {
		hi = lo
	}
	var err error
	if s.Min, err = time.ParseDuration(lo); err == nil {
		s.Max, err = time.ParseDuration(hi)
	}
	if err != nil || s.Min < 0 || s.Max < s.Min {
		return fmt.Errorf("%q is not a duration; write one such as 40s, or a range such as 30s..1m", text)
	}
	return nil
}

// IsZero reports whether nothing was given.
func (s Span) IsZero() bool { return s == Span{} }

func (s Span) draw(seed uint64, path string) Span {
	if s.Min == s.Max {
		return s
	}
	r := env.NewRand(seed, "scenario", path)
	return ExactSpan(r.Between(s.Min, s.Max).Round(time.Millisecond))
}
