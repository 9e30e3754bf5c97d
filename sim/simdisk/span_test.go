package simdisk

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSpansAgainstABitmap compares the set of byte ranges with a plain bitmap.
func TestSpansAgainstABitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 40
		var s spans
		var want [size]bool
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			a := int64(rapid.IntRange(0, size).Draw(t, "a"))
			b := int64(rapid.IntRange(0, size).Draw(t, "b"))
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				var added, fresh int64
				s, added = s.add(min(a, b), max(a, b))
				for i := min(a, b); i < max(a, b); i++ {
					if !want[i] {
						fresh++
						want[i] = true
					}
				}
				require.Equal(t, fresh, added)
			case 2:
				var dropped, gone int64
				s, dropped = s.cut(a)
				for i := a; i < size; i++ {
					if want[i] {
						gone++
						want[i] = false
					}
				}
				require.Equal(t, gone, dropped)
			case 3:
				taken, rest, n := s.take(max(1, a))
				require.Equal(t, s.bytes(), taken.bytes()+rest.bytes())
				require.Equal(t, n, taken.bytes())
				require.Equal(t, min(max(1, a), s.bytes()), n)
				for _, p := range taken {
					for i := p.from; i < p.to; i++ {
						want[i] = false
					}
				}
				s = rest
			}
			var got [size]bool
			last := int64(-1)
			for _, p := range s {
				require.Greater(t, p.from, last, "sorted, disjoint and not adjacent: %v", s)
				require.Greater(t, p.to, p.from)
				last = p.to
				for i := p.from; i < p.to; i++ {
					got[i] = true
				}
			}
			require.Equal(t, want, got)
			overlap := false
			var inside int64
			for i := min(a, b); i < max(a, b); i++ {
				overlap = overlap || want[i]
				if want[i] {
					inside++
				}
			}
			require.Equal(t, overlap, a != b && s.overlaps(min(a, b), max(a, b)))
			s.within(min(a, b), max(a, b), func(from, to int64) { inside -= to - from })
			require.Zero(t, inside)
		}
	})
}
