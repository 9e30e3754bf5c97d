package storage

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What compression.type makes of a batch is the same bytes on every machine:
// simulated runs are compared across architectures.
func TestRecodedBytesAreTheSameOnEveryMachine(t *testing.T) {
	var records []Record
	for i := range 2000 {
		records = append(records, Record{Key: fmt.Append(nil, "key ", i%37), Value: bytes.Repeat(fmt.Append(nil, i*i%91), i%40)})
	}
	plain := BuildBatch(nil, NoProducer(), records)
	got := map[string]string{}
	for kind := CompressionGzip; kind <= CompressionZstd; kind++ {
		l := mustOpen(t, newMemEnv(t), Config{CompressionType: kind})
		p, err := l.Prepare(bytes.Clone(plain), AppendOptions{})
		require.NoError(t, err)
		got[kind.String()] = fmt.Sprintf("%d bytes, %08x", len(p.records), crc32.ChecksumIEEE(p.records))
	}
	require.Equal(t, map[string]string{
		"gzip":   "17104 bytes, 69fa4282",
		"snappy": "32268 bytes, 2f7a3cd0",
		"lz4":    "28668 bytes, fd49833d",
		"zstd":   "18242 bytes, 5ca1d75e",
	}, got)
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
