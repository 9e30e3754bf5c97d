package storage

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
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
