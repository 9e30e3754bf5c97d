package env

import (
	"math/bits"
	"time"
)

// Lab is a laboratory's hand in a program: it has rare but legal things happen
// at points of the program that ask for them ("buggify", after FoundationDB),
// and is told which states the program has been in. A nil *Lab, which is what
// the operating system has, wants nothing and keeps nothing; its methods inline
// to a comparison with nil.
//
// A point is named by a constant, "storage/roll-early", and stands where the
// program does something that its contract allows at any time, but that
// circumstances bring about too seldom for a test: answer with less than was
// asked for, wait, refuse once with an error that is retried. A point must
// never make correct behaviour wrong, and what it does must not stand in the
// way of progress: no point says yes every time.
type Lab struct{ hand Hand }

// Hand is what is behind a [Lab]. It must not block.
type Hand interface {
	// Strike draws whether something rare happens at point, now, at one in times
	// of the point's rate. The stream that it returns decides how much of it;
	// nil is no.
	Strike(point string, times int64) *Rand

	// Reached is told a state: see [Lab.Reached].
	Reached(kind, state, detail string)
}

// NewLab returns the laboratory that h is the hand of.
func NewLab(h Hand) *Lab { return &Lab{h} }

// Rare reports whether the rare thing happens at point, now.
func (l *Lab) Rare(point string) bool { return l != nil && l.hand.Strike(point, 1) != nil }

// Seldom is Rare, a sixteenth as often: for what costs whoever meets it much, such
// as a connection or a time-out.
func (l *Lab) Seldom(point string) bool { return l != nil && l.seldom(point) }

func (l *Lab) seldom(point string) bool {
	return l.hand.Strike(point, seldom) != nil
}

// seldom is how many times rarer Seldom is than Rare.
const seldom = 16

// Late is how long the rare delay at point is, at most most; mostly 0. The
// caller sleeps.
func (l *Lab) Late(point string, most time.Duration) time.Duration {
	if l == nil {
		return 0
	}
	return l.late(point, most)
}

func (l *Lab) late(point string, most time.Duration) time.Duration {
	r := l.hand.Strike(point, 1)
	if r == nil || most < 1 {
		return 0
	}
	// A delay up to twice as long is half as likely, so that a point that is come
	// by often costs little time on the whole.
	return r.Between(0, most>>(bits.Len64(uint64(r.Int64n(255)+1))-1)) + 1
}

// Fewer is n, or rarely some number from 1 to n-1 in its place.
func (l *Lab) Fewer(point string, n int64) int64 {
	if l == nil {
		return n
	}
	return l.fewer(point, n)
}

func (l *Lab) fewer(point string, n int64) int64 {
	if n < 2 {
		return n
	}
	r := l.hand.Strike(point, 1)
	if r == nil {
		return n
	}
	return 1 + r.Int64n(max(1, (n-1)>>r.Intn(8)))
}

// Reached tells that the program has been in a state that a test would want to
// see: a kind such as "answer", and what it was, such as "Produce" and
// "NOT_LEADER_OR_FOLLOWER". The names come from bounded sets: what is reached
// is counted for each combination of them.
func (l *Lab) Reached(kind, state, detail string) {
	if l != nil {
		l.hand.Reached(kind, state, detail)
	}
}
