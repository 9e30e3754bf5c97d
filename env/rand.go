package env

import "time"

// Rand is a keyed random stream: draw number i is a pure function of (seed,
// purpose, entity, i). Removing one user of randomness from a run therefore
// leaves every other stream as it was, which is what makes shrinking a failing
// run possible. Not for cryptography. Not safe for concurrent use.
type Rand struct {
	key     uint64
	counter uint64
	salt    *uint64 // changes what is drawn from when it changes; nil for none
}

// NewRand returns the stream for (seed, purpose, entity).
func NewRand(seed uint64, purpose, entity string) *Rand {
	key := Mix64(seed ^ 0x9e3779b97f4a7c15)
	key = Mix64(key ^ HashString(purpose))
	key = Mix64(key ^ HashString(entity) ^ 0xd1b54a32d192ed03)
	return &Rand{key: key}
}

// Salted is the stream with what salt points to mixed in: with 0 it is the same
// stream, and from when the salt changes on it is another. A world that is to be
// the same up to a time, and then not, has one salt for all its streams.
func (r *Rand) Salted(salt *uint64) *Rand {
	r.salt = salt
	return r
}

// Uint64 draws 64 random bits.
func (r *Rand) Uint64() uint64 {
	r.counter++
	key := r.key
	if r.salt != nil {
		key ^= *r.salt
	}
	return Mix64(key + r.counter*0x9e3779b97f4a7c15)
}

// Int64n draws from [0, n). It panics if n <= 0.
func (r *Rand) Int64n(n int64) int64 {
	if n <= 0 {
		panic("env: Rand.Int64n needs n > 0")
	}
	// Rejection keeps the draw exactly uniform.
	limit := ^uint64(0) - (^uint64(0)%uint64(n)+1)%uint64(n)
	for {
		if v := r.Uint64(); v <= limit {
			return int64(v % uint64(n))
		}
	}
}

// Intn draws from [0, n). It panics if n <= 0.
func (r *Rand) Intn(n int) int { return int(r.Int64n(int64(n))) }

// Between draws a duration from [lo, hi]. It panics if hi < lo.
func (r *Rand) Between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.Int64n(int64(hi-lo)+1))
}

// Chance is true num times in den.
func (r *Rand) Chance(num, den int64) bool { return r.Int64n(den) < num }

// Perm draws a permutation of [0, n).
func (r *Rand) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := r.Intn(i + 1)
		p[i] = p[j]
		p[j] = i
	}
	return p
}

// Read fills p with random bytes; it never fails.
func (r *Rand) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		v := r.Uint64()
		for j := i; j < len(p) && j < i+8; j++ {
			p[j] = byte(v)
			v >>= 8
		}
	}
	return len(p), nil
}

// Mix64 is a bijective mixing of 64 bits (the finalizer of SplitMix64).
func Mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}

// HashString is FNV-1a over s.
func HashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
