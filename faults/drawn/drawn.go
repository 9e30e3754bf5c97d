package drawn

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

const (
	or = " | "
	to = ".."
)

// Alternatives are the parts of a text between " | ".
func Alternatives(text string) []string { return strings.Split(text, or) }

// Word draws one of the alternatives of a text.
func Word(r *env.Rand, text string) string {
	among := Alternatives(text)
	if len(among) == 1 {
		return text
	}
	return among[r.Intn(len(among))]
}

// between is a range, ends included.
type between struct{ lo, hi int64 }

// read parses alternatives of ranges with parse for a single value.
func read(text string, parse func(string) (int64, error)) ([]between, error) {
	var all []between
	for _, part := range Alternatives(text) {
		lo, hi, isRange := strings.Cut(part, to)
		if !isRange {
			hi = lo
		}
		var b between
		var err error
		if b.lo, err = parse(lo); err == nil {
			b.hi, err = parse(hi)
		}
		if err != nil {
			return nil, err
		}
		if b.lo < 0 || b.hi < b.lo {
			return nil, fmt.Errorf("%s is not a range", part)
		}
		all = append(all, b)
	}
	return all, nil
}

// bounds are the least and the most of ranges.
func bounds(all []between) (least, most int64) {
	least, most = all[0].lo, all[0].hi
	for _, b := range all[1:] {
		least, most = min(least, b.lo), max(most, b.hi)
	}
	return least, most
}

// pick draws the alternative, if there are several, and then the value, if
// there is a choice.
func pick(r *env.Rand, all []between) int64 {
	b := all[0]
	if len(all) > 1 {
		b = all[r.Intn(len(all))]
	}
	if b.lo == b.hi {
		return b.lo
	}
	return b.lo + r.Int64n(b.hi-b.lo+1)
}

// mixed is the text of a value that Min and Max alone do not say.
func mixed(text string, all []between) string {
	if len(all) == 1 {
		return ""
	}
	return text
}

// Number is a whole number that is not negative, or what a seed draws it from.
// The zero Number is 0.
type Number struct {
	Min, Max int64  // that may be drawn
	mix      string // the alternatives, if there are several
}

// Exactly is the number n.
func Exactly(n int64) Number { return Number{Min: n, Max: n} }

// Value is the number; of one that has not been drawn the least.
func (n Number) Value() int64 { return n.Min }

// Exact reports whether nothing is left to draw.
func (n Number) Exact() bool { return n.mix == "" && n.Min == n.Max }

// MarshalText writes the number as UnmarshalText reads it.
func (n Number) MarshalText() ([]byte, error) {
	switch {
	case n.mix != "":
		return []byte(n.mix), nil
	case n.Min == n.Max:
		return strconv.AppendInt(nil, n.Min, 10), nil
	}
	return fmt.Appendf(nil, "%d..%d", n.Min, n.Max), nil
}

// MarshalYAML writes an exact number as a number, all else as text.
func (n Number) MarshalYAML() (any, error) {
	if n.Exact() {
		return n.Min, nil
	}
	return n.String(), nil
}

// String is the number as files have it.
func (n Number) String() string {
	text, _ := n.MarshalText() // cannot fail
	return string(text)
}

// UnmarshalText reads "5", "1..10" or alternatives of these.
func (n *Number) UnmarshalText(text []byte) error {
	all, err := read(string(text), func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	if err != nil {
		return fmt.Errorf("%q is not a number; write one such as 100, a range such as 100..400, or alternatives such as 1 | 100..400", text)
	}
	n.Min, n.Max = bounds(all)
	n.mix = mixed(string(text), all)
	return nil
}

// IsZero reports whether the number is 0, as one that was not given.
func (n Number) IsZero() bool { return n == Number{} }

// Draw has the stream choose.
func (n Number) Draw(r *env.Rand) Number {
	if n.mix == "" {
		return Exactly(pick(r, []between{{n.Min, n.Max}}))
	}
	all, err := read(n.mix, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	if err != nil {
		panic("drawn: " + err.Error()) // it was read before
	}
	return Exactly(pick(r, all))
}

// Span is a length of time, or what a seed draws it from. The zero Span is 0.
type Span struct {
	Min, Max time.Duration // that may be drawn
	mix      string        // the alternatives, if there are several
}

// ExactSpan is the length d.
func ExactSpan(d time.Duration) Span { return Span{Min: d, Max: d} }

// Value is the length; of one that has not been drawn the least.
func (s Span) Value() time.Duration { return s.Min }

// Exact reports whether nothing is left to draw.
func (s Span) Exact() bool { return s.mix == "" && s.Min == s.Max }

// MarshalText writes the length as UnmarshalText reads it.
func (s Span) MarshalText() ([]byte, error) {
	switch {
	case s.mix != "":
		return []byte(s.mix), nil
	case s.Min == s.Max:
		return []byte(s.Min.String()), nil
	}
	return fmt.Appendf(nil, "%v..%v", s.Min, s.Max), nil
}

// String is the length as files have it.
func (s Span) String() string {
	text, _ := s.MarshalText() // cannot fail
	return string(text)
}

func parseDuration(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	return int64(d), err
}

// UnmarshalText reads "40s", "30s..1m" or alternatives of these.
func (s *Span) UnmarshalText(text []byte) error {
	all, err := read(string(text), parseDuration)
	if err != nil {
		return fmt.Errorf("%q is not a duration; write one such as 40s, a range such as 30s..1m, or alternatives such as 1s | 30s..1m", text)
	}
	least, most := bounds(all)
	s.Min, s.Max = time.Duration(least), time.Duration(most)
	s.mix = mixed(string(text), all)
	return nil
}

// IsZero reports whether the length is 0, as one that was not given.
func (s Span) IsZero() bool { return s == Span{} }

// Draw has the stream choose, to the millisecond.
func (s Span) Draw(r *env.Rand) Span {
	if s.Exact() {
		return s
	}
	all := []between{{int64(s.Min), int64(s.Max)}}
	if s.mix != "" {
		var err error
		if all, err = read(s.mix, parseDuration); err != nil {
			panic("drawn: " + err.Error()) // it was read before
		}
	}
	return ExactSpan(time.Duration(pick(r, all)).Round(time.Millisecond))
}

// Flag is true or false, or what a seed draws it from. The zero Flag is false.
type Flag struct {
	value bool
	mix   string // the alternatives, if there are several
}

// ExactFlag is the flag v.
func ExactFlag(v bool) Flag { return Flag{value: v} }

// Set is the flag's value; of one that has not been drawn the first.
func (f Flag) Set() bool { return f.value }

// Exact reports whether nothing is left to draw.
func (f Flag) Exact() bool { return f.mix == "" }

// May reports whether v may be drawn.
func (f Flag) May(v bool) bool {
	if f.mix == "" {
		return f.value == v
	}
	for _, word := range Alternatives(f.mix) {
		if flagWords[word] == v {
			return true
		}
	}
	return false
}

// MarshalText writes the flag as UnmarshalText reads it.
func (f Flag) MarshalText() ([]byte, error) {
	if f.mix != "" {
		return []byte(f.mix), nil
	}
	return strconv.AppendBool(nil, f.value), nil
}

// MarshalYAML writes an exact flag as a flag, all else as text.
func (f Flag) MarshalYAML() (any, error) {
	if f.Exact() {
		return f.value, nil
	}
	return f.mix, nil
}

// UnmarshalText reads "true" or "on", "false" or "off", or alternatives of
// these.
func (f *Flag) UnmarshalText(text []byte) error {
	among := Alternatives(string(text))
	for _, word := range among {
		if _, known := flagWords[word]; !known {
			return fmt.Errorf("%q is neither true nor false (on nor off), nor alternatives such as false | true", text)
		}
	}
	*f = Flag{value: flagWords[among[0]]}
	if len(among) > 1 {
		f.mix = string(text)
	}
	return nil
}

var flagWords = map[string]bool{"true": true, "on": true, "false": false, "off": false}

// IsZero reports whether the flag is false, as one that was not given.
func (f Flag) IsZero() bool { return f == Flag{} }

// Draw has the stream choose.
func (f Flag) Draw(r *env.Rand) Flag {
	if f.mix == "" {
		return f
	}
	return ExactFlag(flagWords[Word(r, f.mix)])
}
