package faults

import (
	"fmt"
	"strconv"
	"strings"
)

// MarshalText writes "2" or "1..3".
func (c Count) MarshalText() ([]byte, error) {
	if c.Min == c.Max {
		return strconv.AppendInt(nil, int64(c.Min), 10), nil
	}
	return fmt.Appendf(nil, "%d..%d", c.Min, c.Max), nil
}

// UnmarshalText reads "2" or "1..3".
func (c *Count) UnmarshalText(text []byte) error {
	lo, hi, isRange := strings.Cut(string(text), "..")
	if !isRange {
		hi = lo
	}
	var err error
	if c.Min, err = strconv.Atoi(lo); err == nil {
		c.Max, err = strconv.Atoi(hi)
	}
	if err != nil || c.Min < 0 || c.Max < c.Min {
		return fmt.Errorf("%q is not a count; write a number such as 2 or a range such as 1..3", text)
	}
	return nil
}

// IsZero reports whether nothing may be drawn.
func (c Count) IsZero() bool { return c == Count{} }
