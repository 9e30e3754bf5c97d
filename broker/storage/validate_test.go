package storage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/env"
)

func through(w io.WriteCloser, out *bytes.Buffer, p []byte) []byte {
	_, _ = w.Write(p) // into memory
	_ = w.Close()
	return out.Bytes()
}

// testCodecs compress as clients do, by the number of the codec.
var testCodecs = []func([]byte) []byte{
	1: func(p []byte) []byte { var out bytes.Buffer; return through(gzip.NewWriter(&out), &out, p) },
	2: func(p []byte) []byte { return s2.EncodeSnappy(nil, p) },
	3: func(p []byte) []byte { var out bytes.Buffer; return through(lz4.NewWriter(&out), &out, p) },
	4: func(p []byte) []byte {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		return through(w, &out, p)
	},
	5: nil,
}

// testXerial is snappy as the Java client frames it, in two blocks.
func testXerial(p []byte) []byte {
	out := append([]byte("\x82SNAPPY\x00"), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, part := range [][]byte{p[:10], p[10:]} {
		block := s2.EncodeSnappy(nil, part)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(block))), block...)
	}
	return out
}

// compressedBatch is a batch as a client with a codec sends it.
func compressedBatch(codec byte, compress func([]byte) []byte) []byte {
	return recoded(testBatch("one", "two", "three"), codec, compress)
}

func recoded(plain Batch, codec byte, compress func([]byte) []byte) Batch {
	b := Batch(append(bytes.Clone(plain[:HeaderBytes]), compress(plain[HeaderBytes:])...))
	b[atAttributes+1] = b[atAttributes+1]&^attrCompression | codec
	return sealed(b)
}

// sealed makes length and checksum right.
func sealed(b Batch) Batch {
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthOverhead))
	b.updateCRC()
	return b
}

// rawRecord is one encoded record of any bytes, its length before it.
func rawRecord(body []byte) []byte {
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// withBody is a batch of n records whose bytes are body.
func withBody(n int32, body []byte) Batch {
	b := Batch(append(bytes.Clone(testBatch("x")[:HeaderBytes]), body...))
	binary.BigEndian.PutUint32(b[atLastOffsetDelta:], uint32(n-1))
	binary.BigEndian.PutUint32(b[atNumRecords:], uint32(n))
	return sealed(b)
}

// Records that a consumer could not get past are refused, with Kafka's code,
// compressed or not, and leave nothing in the log.
func TestPoisonRecordsAreRefused(t *testing.T) {
	good := (&kmsg.Record{Key: []byte("key"), Value: []byte("value"), Headers: []kmsg.Header{{Key: "h", Value: []byte("v")}}}).AppendTo(nil)[1:]
	require.Equal(t, byte(6), good[3], "where the length of the key is")
	change := func(at int, to byte) []byte { r := bytes.Clone(good); r[at] = to; return rawRecord(r) }
	bodies := map[string]struct {
		n    int32
		body []byte
	}{
		"2^31-1 records in a few bytes":     {1<<31 - 1, rawRecord(good)},
		"fewer records than claimed":        {2, rawRecord(good)},
		"more records than claimed":         {1, append(rawRecord(good), rawRecord(good)...)},
		"key longer than its record":        {1, change(3, 0x7e)},
		"value longer than its record":      {1, change(7, 0x7e)},
		"more headers than fit":             {1, change(13, 0x7e)},
		"negative count of headers":         {1, change(13, 0x03)},
		"header with a null key":            {1, change(14, 0x01)},
		"bytes behind the last header":      {1, rawRecord(append(bytes.Clone(good), 0))},
		"no offset delta":                   {1, rawRecord(good[:2])},
		"offset deltas that do not ascend":  {2, append(rawRecord(good), rawRecord(good)...)},
		"empty record":                      {1, rawRecord(nil)},
		"negative length":                   {1, []byte{0x01}},
		"number of eleven bytes":            {1, rawRecord(append([]byte{0}, bytes.Repeat([]byte{0xff}, 11)...))},
		"length of 2^31 bytes":              {1, binary.AppendVarint(nil, 1<<31)},
		"length that ends inside its bytes": {1, []byte{0x80}},
		"record and a half":                 {2, append(rawRecord(good), rawRecord(good)[:5]...)},
	}
	cases := map[string]struct {
		batch Batch
		want  *kerr.Error
	}{
		"codec 5":                               {recoded(testBatch("x"), 5, bytes.Clone), kerr.UnsupportedCompressionType},
		"codec 7":                               {recoded(testBatch("x"), 7, bytes.Clone), kerr.UnsupportedCompressionType},
		"transactional without a producer":      {func() Batch { b := Batch(testBatch("x")); b[atAttributes+1] |= attrTransactional; return sealed(b) }(), kerr.InvalidRecord},
		"transactional without a transaction":   {BuildBatch(nil, BatchOptions{ProducerID: 3, Transactional: true}, []Record{{}}), kerr.InvalidTxnState},
		"log append time claimed by a producer": {func() Batch { b := Batch(testBatch("x")); b[atAttributes+1] |= attrLogAppendTime; return sealed(b) }(), kerr.InvalidTimestamp},
	}
	for codec, compress := range testCodecs {
		if compress == nil {
			compress = bytes.Clone
		} else {
			b := Batch(compressedBatch(byte(codec), compress))
			cases[fmt.Sprint("codec ", codec, " cut short")] = struct {
				batch Batch
				want  *kerr.Error
			}{sealed(bytes.Clone(b[:len(b)-4])), kerr.InvalidRecord}
			cases[fmt.Sprint("codec ", codec, " in name only")] = struct {
				batch Batch
				want  *kerr.Error
			}{recoded(testBatch("one", "two"), byte(codec), bytes.Clone), kerr.InvalidRecord}
		}
		if codec > int(compression.Zstd) {
			continue
		}
		for name, c := range bodies {
			cases[fmt.Sprint("codec ", codec, ": ", name)] = struct {
				batch Batch
				want  *kerr.Error
			}{recoded(withBody(c.n, c.body), byte(codec), compress), kerr.InvalidRecord}
		}
	}
	l := mustOpen(t, newMemEnv(t), Config{})
	for _, name := range env.SortedKeys(cases) {
		c := cases[name]
		require.NoError(t, c.batch.Verify(), "the checksum holds")
		_, err := l.AppendLeader(c.batch, 0, AppendOptions{})
		require.ErrorIs(t, err, c.want, name)
		require.Zero(t, l.EndOffset(), name)
	}
	_, err := l.AppendLeader(withBody(1, rawRecord(good)), 0, AppendOptions{})
	require.NoError(t, err, "the record they were made of is sound")
}

// What a header claims of timestamps is made true.
func TestClaimedMaxTimestampIsRecomputed(t *testing.T) {
	for codec, compress := range testCodecs {
		b := Batch(testBatch("a", "b"))
		if compress != nil {
			b = recoded(b, byte(codec), compress)
		}
		binary.BigEndian.PutUint64(b[atMaxTimestamp:], 1<<62)
		l := mustOpen(t, newMemEnv(t), Config{})
		_, err := l.AppendLeader(sealed(b), 0, AppendOptions{})
		require.NoError(t, err)
		data, err := readAll(l)
		require.NoError(t, err)
		require.EqualValues(t, 1001, Batch(data).MaxTimestamp())
		require.NoError(t, Batch(data).Verify())
	}
}

func TestTimestampsOutsideTheLimitsAreRefused(t *testing.T) {
	now := time.Now().UnixMilli()
	const hour = 3600_000
	limits := TimestampLimits{Limited: true, BeforeMaxMillis: 2 * hour, AfterMaxMillis: hour}
	batch := func(ts ...int64) []byte {
		var records []Record
		for _, at := range ts {
			records = append(records, Record{TimestampMillis: at})
		}
		return BuildBatch(nil, NoProducer(), records)
	}
	for name, tc := range map[string]struct {
		records []byte
		limits  TimestampLimits
		bad     []int32
	}{
		"now":             {batch(now), limits, nil},
		"within":          {batch(now-2*hour+60_000, now+hour-60_000), limits, nil},
		"no timestamp":    {batch(noTimestamp), limits, nil},
		"too old":         {batch(now, now-2*hour-1, now), limits, []int32{1}},
		"too far ahead":   {batch(now+hour+60_000, now, now+1<<62), limits, []int32{0, 2}},
		"out of the type": {batch(-1<<63, now), limits, []int32{0}},
		"not limited":     {batch(0, 1<<62), TimestampLimits{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, newMemEnv(t), Config{Timestamps: tc.limits})
			_, err := l.AppendLeader(tc.records, 0, AppendOptions{})
			if tc.bad == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, kerr.InvalidTimestamp)
			var refused *AppendError
			require.ErrorAs(t, err, &refused)
			var bad []int32
			for _, r := range refused.Records {
				bad = append(bad, r.Index)
			}
			require.Equal(t, tc.bad, bad)

			// A topic with the broker's time does not look at the producer's.
			l = mustOpen(t, newMemEnv(t), Config{Timestamps: tc.limits, LogAppendTime: true})
			_, err = l.AppendLeader(tc.records, 0, AppendOptions{})
			require.NoError(t, err)
		})
	}
}

func TestCompactedTopicTakesNoRecordWithoutKey(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{CleanupPolicy: CleanupCompact | CleanupDelete})
	records := make([]Record, 300)
	records[7].Key = []byte{}
	_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), records), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidRecord)
	var refused *AppendError
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Records, maxRecordErrors, "an answer is no longer than the stated bound")
	require.EqualValues(t, 8, refused.Records[7].Index)
	_, err = l.AppendLeader(BuildBatch(nil, NoProducer(), records[7:8]), 0, AppendOptions{})
	require.NoError(t, err)
	o := NoProducer()
	o.Control = true
	_, err = l.AppendLeader(BuildBatch(nil, o, []Record{{}}), 0, AppendOptions{ControlBatches: true})
	require.NoError(t, err)
}

// A topic with a compression.type keeps batches so, whatever codec they come
// with, and records stay what they are.
func TestBatchesAreKeptWithTheTopicsCodec(t *testing.T) {
	var many []Record
	for i := range 3000 {
		many = append(many, Record{TimestampMillis: int64(1000 + i), Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte{byte(i)}, i%50),
			Headers: []Header{{Key: "h", Value: []byte("v")}}})
	}
	plain := Batch(BuildBatch(nil, BatchOptions{ProducerID: 3, ProducerEpoch: 1, LeaderEpoch: -1}, many))
	sources := map[string]Batch{"none": plain, "xerial": recoded(plain, 2, testXerial)}
	for codec, compress := range testCodecs {
		if compress != nil {
			sources[fmt.Sprint(codec)] = recoded(plain, byte(codec), compress)
		}
	}
	for kind, name := range compressionTypes {
		for _, source := range env.SortedKeys(sources) {
			t.Run(source+" to "+name, func(t *testing.T) {
				parsed, ok := ParseCompressionType(name)
				require.True(t, ok)
				require.Equal(t, CompressionType(kind), parsed)
				l := mustOpen(t, newMemEnv(t), Config{CompressionType: parsed})
				in := bytes.Clone(sources[source])
				_, err := l.AppendLeader(in, 4, AppendOptions{})
				require.NoError(t, err)
				data, err := readAll(l)
				require.NoError(t, err)
				b := Batch(data)
				require.NoError(t, b.Verify())
				want := Batch(sources[source]).Compression()
				if parsed != CompressionProducer {
					want = compression.Codec(kind) - 1
				}
				require.Equal(t, want, b.Compression())
				require.EqualValues(t, 3, b.ProducerID())
				i := 0
				for r, err := range b.Records() {
					require.NoError(t, err)
					require.Equal(t, many[i].TimestampMillis, r.TimestampMillis)
					require.True(t, bytes.Equal(many[i].Key, r.Key) && bytes.Equal(many[i].Value, r.Value))
					i++
				}
				require.Equal(t, len(many), i)
				res, err := l.AppendLeader(bytes.Clone(sources[source]), 4, AppendOptions{})
				require.NoError(t, err)
				require.True(t, res.Duplicate)
			})
		}
	}
	_, ok := ParseCompressionType("brotli")
	require.False(t, ok)
}

// A few bytes cannot make the broker use more memory than a stated bound, nor
// more time than decompressing that much takes.
func TestDecompressionIsBounded(t *testing.T) {
	zeros := rawRecord(append([]byte{0, 0, 0, 1}, make([]byte, minDecompressedLimit+1)...))
	for codec, compress := range testCodecs {
		if compress == nil || codec == int(compression.Snappy) {
			continue // a snappy block holds at most 64 times its bytes
		}
		bomb := recoded(withBody(1, zeros), byte(codec), compress)
		for _, kind := range []CompressionType{CompressionProducer, CompressionNone, CompressionGzip} {
			l := mustOpen(t, newMemEnv(t), Config{MaxMessageBytes: 1 << 20, CompressionType: kind})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := l.AppendLeader(bomb, 0, AppendOptions{})
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24<<20), "codec %d to %v", codec, kind)
			require.Zero(t, l.EndOffset())
		}
	}
	claims := Batch(append(bytes.Clone(testBatch("x")[:HeaderBytes]), binary.AppendUvarint(nil, 1<<31)...))
	claims[atAttributes+1] |= byte(compression.Snappy)
	l := mustOpen(t, newMemEnv(t), Config{})
	_, err := l.AppendLeader(sealed(claims), 0, AppendOptions{})
	require.ErrorIs(t, err, kerr.InvalidRecord)
}

func TestRecodedBatchTooLargeIsRefused(t *testing.T) {
	b := recoded(testBatch(string(make([]byte, 5000))), byte(compression.Zstd), testCodecs[compression.Zstd])
	for kind, want := range map[CompressionType]error{CompressionNone: kerr.MessageTooLarge, CompressionGzip: nil, CompressionProducer: nil} {
		l := mustOpen(t, newMemEnv(t), Config{MaxMessageBytes: 500, CompressionType: kind})
		_, err := l.AppendLeader(bytes.Clone(b), 0, AppendOptions{})
		require.ErrorIs(t, err, want)
		if kind == CompressionNone {
			_, err = l.AppendLeader(bytes.Clone(b), 0, AppendOptions{AnySize: true})
			require.NoError(t, err)
		}
	}
}

func TestBatchOfAnotherEpochIsRefused(t *testing.T) {
	l := mustOpen(t, newMemEnv(t), Config{})
	one, two := int32(1), int32(2)
	_, err := l.AppendLeader(testBatch("x"), 2, AppendOptions{OnlyInEpoch: &one})
	require.ErrorIs(t, err, kerr.FencedLeaderEpoch)
	_, err = l.AppendLeader(testBatch("x"), 2, AppendOptions{OnlyInEpoch: &two})
	require.NoError(t, err)
}

func BenchmarkPrepare1MB(b *testing.B) {
	var records []Record
	for i := range 1000 {
		records = append(records, Record{TimestampMillis: int64(i), Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte{byte(i)}, 1000)})
	}
	plain := Batch(BuildBatch(nil, NoProducer(), records))
	for codec, compress := range testCodecs {
		batch := plain
		if compress != nil {
			batch = recoded(plain, byte(codec), compress)
		} else if codec != 0 {
			continue
		}
		b.Run(fmt.Sprint("codec=", codec), func(b *testing.B) {
			l := benchLog(b)
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Prepare(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
