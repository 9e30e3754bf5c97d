package simdisk

import "sort"

// span is the bytes [from, to) of a file.
type span struct{ from, to int64 }

// spans is a set of bytes: sorted, disjoint, never adjacent.
type spans []span

// after is the index of the first span that ends at or behind pos.
func (s spans) after(pos int64) int {
	if n := len(s); n == 0 || s[n-1].to < pos {
		return n
	} else if n == 1 || s[n-2].to < pos {
		return n - 1
	}
	return sort.Search(len(s), func(i int) bool { return s[i].to >= pos })
}

// add adds [from, to) and returns the set and how many bytes are new in it.
func (s spans) add(from, to int64) (spans, int64) {
	if from >= to {
		return s, 0
	}
	i := s.after(from)
	if i == len(s) {
		return append(s, span{from, to}), to - from
	}
	if s[i].from <= from && i == len(s)-1 {
		// The tail of the file grows: nearly every write.
		grown := max(0, to-s[i].to)
		s[i].to = max(s[i].to, to)
		return s, grown
	}
	merged, covered, j := span{from, to}, int64(0), i
	for ; j < len(s) && s[j].from <= to; j++ {
		merged.from = min(merged.from, s[j].from)
		merged.to = max(merged.to, s[j].to)
		covered += s[j].to - s[j].from
	}
	if j == i {
		s = append(s, span{})
		copy(s[i+1:], s[i:])
	} else {
		s = append(s[:i+1], s[j:]...)
	}
	s[i] = merged
	return s, merged.to - merged.from - covered
}

// cut drops everything from pos on and returns the set and how many bytes
// that were.
func (s spans) cut(pos int64) (spans, int64) {
	var dropped int64
	for n := len(s); n > 0; n-- {
		last := &s[n-1]
		if last.to <= pos {
			break
		}
		if last.from < pos {
			dropped += last.to - pos
			last.to = pos
			break
		}
		dropped += last.to - last.from
		s = s[:n-1]
	}
	return s, dropped
}

// take splits off spans from the front, of at least one span and about limit
// bytes.
func (s spans) take(limit int64) (taken, rest spans, bytes int64) {
	for i := range s {
		n := s[i].to - s[i].from
		if bytes+n > limit {
			split := s[i].from + limit - bytes
			if split > s[i].from {
				taken = append(taken, span{s[i].from, split})
				bytes = limit
			}
			rest = append(rest, span{split, s[i].to})
			return taken, append(rest, s[i+1:]...), bytes
		}
		taken = append(taken, s[i])
		bytes += n
	}
	return taken, nil, bytes
}

// overlaps reports whether any byte of [from, to) is in the set.
func (s spans) overlaps(from, to int64) bool {
	if n := len(s); n == 0 || s[n-1].to <= from {
		return false
	}
	i := sort.Search(len(s), func(i int) bool { return s[i].to > from })
	return i < len(s) && s[i].from < to
}

// within calls fn for the parts of the set that lie in [from, to).
func (s spans) within(from, to int64, fn func(from, to int64)) {
	i := sort.Search(len(s), func(i int) bool { return s[i].to > from })
	for ; i < len(s) && s[i].from < to; i++ {
		fn(max(from, s[i].from), min(to, s[i].to))
	}
}

// bytes is the number of bytes in the set.
func (s spans) bytes() int64 {
	var n int64
	for _, p := range s {
		n += p.to - p.from
	}
	return n
}
