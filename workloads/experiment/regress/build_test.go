package regress

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir")
	require.NoError(t, os.WriteFile(file, []byte("program"), 0o700))
	b, err := Resolve(t.Context(), file, dir, "old")
	require.NoError(t, err)
	require.Equal(t, file, b.Binary)
	require.Len(t, b.SHA256, 64)

	_, err = Resolve(t.Context(), "no-such-thing", dir, "old")
	require.EqualError(t, err, "no-such-thing is neither a file nor a directory, nor a revision that git knows here")
	_, err = Resolve(t.Context(), dir, dir, "old")
	require.ErrorContains(t, err, "building "+dir)
}

func TestUnpackStaysInside(t *testing.T) {
	archive := func(name string) *bytes.Buffer {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "a/", Typeflag: tar.TypeDir, Mode: 0o755}))
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 5, Mode: 0o644}))
		_, err := w.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return &b
	}
	dir := t.TempDir()
	require.NoError(t, unpack(archive("a/b.go"), filepath.Join(dir, "x")))
	text, err := os.ReadFile(filepath.Join(dir, "x", "a", "b.go"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
	require.Error(t, unpack(archive("../out"), filepath.Join(dir, "x")))
	require.NoFileExists(t, filepath.Join(dir, "out"))
}

// TestRecordBatch reads a batch of the load with somebody else's decoder.
func TestRecordBatch(t *testing.T) {
	raw := recordBatch(batchRecords)
	var b kmsg.RecordBatch
	require.NoError(t, b.ReadFrom(raw))
	require.EqualValues(t, len(raw)-12, b.Length)
	require.Equal(t, crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)), binary.BigEndian.Uint32(raw[17:]))
	rest := b.Records
	for i := range batchRecords {
		var r kmsg.Record
		require.NoError(t, r.ReadFrom(rest))
		require.EqualValues(t, i, r.OffsetDelta)
		require.Len(t, r.Value, valueBytes)
		rest = rest[len(binary.AppendVarint(nil, int64(r.Length)))+int(r.Length):]
	}
	require.Empty(t, rest)
}
