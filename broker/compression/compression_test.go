package compression

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func compress(t require.TestingT, c Codec, pieces ...[]byte) []byte {
	var out bytes.Buffer
	w, err := c.NewWriter(&out)
	require.NoError(t, err)
	for _, p := range pieces {
		_, err := w.Write(p)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestWhatIsCompressedIsReadBack(t *testing.T) {
	require.Equal(t, []string{"none", "gzip", "snappy", "lz4", "zstd"}, Names())
	for i, name := range Names() {
		c, ok := Parse(name)
		require.True(t, ok)
		require.Equal(t, Codec(i), c)
		rapid.Check(t, func(t *rapid.T) {
			piece := rapid.SliceOfN(rapid.Byte(), 0, 300)
			pieces := [][]byte{piece.Draw(t, "one"), bytes.Repeat(piece.Draw(t, "often"), rapid.IntRange(0, 300).Draw(t, "times"))}
			want := bytes.Join(pieces, nil)
			packed := compress(t, c, pieces...)
			got, err := c.Decompress(packed, 1<<20)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			if len(want) > 0 && c != None {
				_, err = c.Decompress(packed, int64(len(want))-1)
				require.Error(t, err, "no more than the limit")
				half, err := c.Decompress(packed[:len(packed)/2], 1<<20)
				require.False(t, err == nil && bytes.Equal(want, half))
			}
		})
	}
	_, ok := Parse("brotli")
	require.False(t, ok)
	_, err := Codec(5).NewWriter(nil)
	require.Error(t, err)
	_, err = Gzip.Decompress(compress(t, Gzip, make([]byte, 1000)), 999)
	require.True(t, errors.Is(err, ErrTooLarge))
}

// Simulated runs would differ by what was compressed before them.
func TestWhatIsUsedAgainWritesWhatANewOneWould(t *testing.T) {
	makers := map[Codec]func() (compressor, error){Gzip: newGzipWriter, Lz4: newLz4Writer, Zstd: newZstdWriter}
	for c, newWriter := range makers {
		rapid.Check(t, func(t *rapid.T) {
			pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange('a', 'e'), 0, 200), 0, 20).Draw(t, "pieces")
			times := rapid.IntRange(1, 400).Draw(t, "times")
			for i := range pieces {
				pieces[i] = bytes.Repeat(pieces[i], times)
			}
			var want bytes.Buffer
			w, err := newWriter()
			require.NoError(t, err)
			w.Reset(&want)
			for _, p := range pieces {
				_, err := w.Write(p)
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			require.True(t, bytes.Equal(want.Bytes(), compress(t, c, pieces...)))
		})
	}
}

// failing takes no more than it has room for.
type failing int

func (f *failing) Write(p []byte) (int, error) {
	if *f -= failing(len(p)); *f < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAWriterIsAsNewAfterItsErrors(t *testing.T) {
	src := bytes.Repeat([]byte("some records "), 20_000)
	for _, c := range []Codec{Gzip, Lz4, Zstd} {
		want := compress(t, c, src)
		for room := range 30 {
			to := failing(room)
			w, err := c.NewWriter(&to)
			require.NoError(t, err)
			_, writing := w.Write(src)
			require.Error(t, errors.Join(writing, w.Close()))
			_, err = w.Write(src)
			require.Error(t, err, "it belongs to somebody else by now")
			require.True(t, bytes.Equal(want, compress(t, c, src)))
		}
	}
}

func TestSnappyBlocksAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var src []byte
		for range rapid.IntRange(0, 40).Draw(t, "pieces") {
			piece := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "piece")
			src = append(src, bytes.Repeat(piece, rapid.IntRange(1, 9).Draw(t, "times"))...)
		}
		src = src[:min(len(src), snappyBlockBytes)]
		got, err := s2.Decode(nil, appendSnappy(nil, src))
		require.NoError(t, err)
		require.True(t, bytes.Equal(src, got))
	})
	full := bytes.Repeat([]byte{7}, snappyBlockBytes)
	got, err := s2.Decode(nil, appendSnappy(nil, full))
	require.NoError(t, err)
	require.True(t, bytes.Equal(full, got))
}

// Errors go into answers and events, and what a decoder notices first depends
// on the machine.
func TestDamageIsToldTheSameOnEveryMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "piece")
		packed := compress(t, Zstd, bytes.Repeat(piece, rapid.IntRange(1, 100).Draw(t, "times")))
		packed[rapid.IntRange(0, len(packed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := Zstd.Decompress(packed, 1<<20); !errors.Is(err, ErrTooLarge) && err != nil {
			require.ErrorIs(t, err, errZstd)
		}
	})
	_, err := Zstd.Decompress([]byte("no frame"), 1<<20)
	require.ErrorIs(t, err, errZstd)
	for _, length := range []uint64{1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		_, err := Snappy.Decompress(append(binary.AppendUvarint(nil, length), 0, 'x'), 1<<20)
		require.ErrorIs(t, err, ErrTooLarge)
	}
}
