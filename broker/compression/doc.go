// Package compression has the codecs of Kafka's record batches: gzip, snappy in
// the Java client's framing, lz4 and zstd. It is pure: bytes in, bytes out, no
// goroutines and no clock, so that simulated programs can use it.
package compression

import (
	"slices"
	"strconv"
)

// Codec is a codec, by its number in a batch's attributes.
type Codec int8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	Lz4
	Zstd
)

var names = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Names are the names of the codecs, as producers have them in
// compression.type.
func Names() []string { return slices.Clone(names) }

// String is the codec's name.
func (c Codec) String() string {
	if c < 0 || int(c) >= len(names) {
		return "codec " + strconv.Itoa(int(c))
	}
	return names[c]
}

// Parse is the codec of that name, false if there is none.
func Parse(name string) (Codec, bool) {
	i := slices.Index(names, name)
	return Codec(max(i, 0)), i >= 0
}
