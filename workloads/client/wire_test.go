package client

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/linearizability"
)

func testBatch(topic string, index int32, values ...string) *batch {
	b := newBatch(&partition{topic: topic, index: index}, 10)
	for i, v := range values {
		r := &Record{Key: []byte("key"), Value: []byte(v), Headers: []Header{{"h", nil}}}
		ts := int64(1000 - i) // timestamps may go back within a batch
		first := ts
		if b.count > 0 {
			first = b.firstTS
		}
		b.add(r, ts, recordBytes(r, ts-first, b.count), nil)
	}
	b.seal(compression.None)
	b.number(7, 2, 40)
	return b
}

// The hand-written encoding is what the codec reads, in every version.
func TestProduceRequestMatchesCodec(t *testing.T) {
	batches := []*batch{testBatch("a", 0, "x", "y"), testBatch("a", 3, "z"), testBatch("bb", 1, string(bytes.Repeat([]byte("w"), 3000)))}
	for version := int16(produceMinVersion); version <= 11; version++ {
		frame, size := appendProduce(nil, batches, version, "me", "", AcksAll, 1500*time.Millisecond)
		all := bytes.Join(frame, nil)
		require.Len(t, all, size)
		req := kmsg.NewPtrProduceRequest()
		req.SetVersion(version)
		header := 4 + 2 + 2 + 4 + 2 + len("me")
		if req.IsFlexible() {
			header++
		}
		require.NoError(t, req.ReadFrom(all[header:]))
		require.Equal(t, all[header:], req.AppendTo(nil), "version %d", version)
		require.EqualValues(t, -1, req.Acks)
		require.EqualValues(t, 1500, req.TimeoutMillis)
		require.Len(t, req.Topics, 2)
		require.Equal(t, batches[1].buf, req.Topics[0].Partitions[1].Records)
	}
}

// The codec reads the batch, and so does the consumer's own decoder.
func TestBatchMatchesCodec(t *testing.T) {
	b := testBatch("t", 0, "one", "", "three")
	var got kmsg.RecordBatch
	require.NoError(t, got.ReadFrom(b.buf))
	require.EqualValues(t, 2, got.Magic)
	require.EqualValues(t, 3, got.NumRecords)
	require.EqualValues(t, 2, got.LastOffsetDelta)
	require.EqualValues(t, 7, got.ProducerID)
	require.EqualValues(t, 2, got.ProducerEpoch)
	require.EqualValues(t, 40, got.FirstSequence)
	require.EqualValues(t, 1000, got.FirstTimestamp)
	require.EqualValues(t, 1000, got.MaxTimestamp)
	require.Equal(t, b.buf, got.AppendTo(nil))

	c := chunk{data: b.buf}
	position := int64(1) // the first record has been read before
	for i, want := range []string{"", "three"} {
		var r ConsumedRecord
		end, ok, err := c.next(position, &r)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, string(r.Value))
		require.EqualValues(t, 41+i, r.Sequence)
		require.EqualValues(t, 999-i, r.TimestampMillis)
		position = end
	}
	end, ok, err := c.next(position, &ConsumedRecord{})
	require.NoError(t, err)
	require.False(t, ok)
	require.EqualValues(t, 3, end)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	b := testBatch("t", 0, "some value")
	for bit := batchMagic * 8; bit < len(b.buf)*8; bit++ {
		bad := bytes.Clone(b.buf)
		bad[bit/8] ^= 1 << (bit % 8)
		_, whole, err := readBatch(bad, false)
		require.ErrorIs(t, err, ErrCorrupt, "bit %d", bit)
		require.False(t, whole)
	}
}

func TestReadCommittedHidesAborted(t *testing.T) {
	batch := func(base int64, pid int64, attributes byte, values ...string) []byte {
		b := testBatch("t", 0, values...)
		b.buf[batchBaseOffset+7] = byte(base)
		b.buf[batchAttributes+1] = attributes
		b.number(pid, 0, 0)
		return b.buf
	}
	marker := func(base, pid int64, kind byte) []byte {
		b := newBatch(&partition{}, 10)
		r := &Record{Key: []byte{0, 0, 0, kind}, Value: []byte{}}
		b.add(r, 0, recordBytes(r, 0, 0), nil)
		b.seal(compression.None)
		b.buf[batchBaseOffset+7] = byte(base)
		b.buf[batchAttributes+1] = attributeTransactional | attributeControl
		b.number(pid, 0, -1)
		return b.buf
	}
	data := bytes.Join([][]byte{
		batch(0, 1, attributeTransactional, "aborted 0", "aborted 1"),
		batch(2, 2, attributeTransactional, "committed 2"),
		marker(3, 1, 0),
		batch(4, 1, attributeTransactional, "committed 4"),
		marker(5, 2, 1),
		marker(6, 1, 1),
		batch(7, -1, 0, "plain 7"),
	}, nil)
	c := chunk{data: data, aborted: []abortedTransaction{{producerID: 1, first: 0}}}
	var got []string
	position := int64(0)
	for {
		var r ConsumedRecord
		end, ok, err := c.next(position, &r)
		require.NoError(t, err)
		position = end
		if !ok {
			break
		}
		got = append(got, string(r.Value))
	}
	require.Equal(t, []string{"committed 2", "committed 4", "plain 7"}, got)
	require.EqualValues(t, 8, position)
}

func TestSequenceWraps(t *testing.T) {
	require.EqualValues(t, 5, addSequence(2, 3))
	require.EqualValues(t, math.MaxInt32, addSequence(math.MaxInt32-1, 1))
	require.EqualValues(t, 0, addSequence(math.MaxInt32, 1))
	require.EqualValues(t, 2, addSequence(math.MaxInt32-1, 4))
}

// Vectors of Kafka's own UtilsTest.testMurmur2.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		require.Equal(t, want, int32(murmur2([]byte(key))), key)
	}
}

func TestAssignRange(t *testing.T) {
	members := []subscriber{{"m2", "m2", []string{"a", "b"}}, {"m1", "m1", []string{"a"}}, {"m3", "i0", []string{"a"}}}
	got := assignRange(members, map[string]int32{"a": 5, "b": 1})
	require.Equal(t, map[string][]TopicPartition{
		"m3": {{"a", 0}, {"a", 1}},
		"m1": {{"a", 2}, {"a", 3}},
		"m2": {{"a", 4}, {"b", 0}},
	}, got)
	parts, err := decodeAssignment(encodeAssignment(got["m2"]))
	require.NoError(t, err)
	require.Equal(t, got["m2"], parts)
}

// A claim of failure must be one that the judge holds the cluster to.
func TestOutcomesAgreeWithTheJudge(t *testing.T) {
	checkedAtEntry := map[int16]bool{
		kerr.InvalidRequest.Code: true, kerr.InvalidTxnState.Code: true, kerr.TransactionalIDAuthorizationFailed.Code: true,
	}
	for code := int16(-1); code < 150; code++ {
		if ProduceOutcome(code) == OutcomeFail && !checkedAtEntry[code] {
			require.True(t, linearizability.DefiniteError(code), "%v", kerr.ErrorForCode(code))
		}
	}
	require.Equal(t, OutcomeInfo, ProduceOutcome(kerr.NotLeaderForPartition.Code))
	require.Equal(t, OutcomeOK, ProduceOutcome(kerr.DuplicateSequenceNumber.Code))
	require.Equal(t, OutcomeInfo, CommitOutcome(kerr.NotCoordinator.Code))
	require.Equal(t, OutcomeFail, CommitOutcome(kerr.IllegalGeneration.Code))
}

func FuzzFetchedRecords(f *testing.F) {
	f.Add(testBatch("t", 0, "one", "two").buf)
	f.Add(append(testBatch("t", 0, "one").buf, 1, 2, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := chunk{data: data, aborted: []abortedTransaction{{7, 0}}}
		for position := int64(0); ; {
			var r ConsumedRecord
			end, ok, err := c.next(position, &r)
			if end < position {
				t.Fatalf("position went from %d back to %d", position, end)
			}
			if position = end; !ok || err != nil {
				return
			}
		}
	})
}

func FuzzProduceResponse(f *testing.F) {
	resp := kmsg.NewPtrProduceResponse()
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "t"
	topic.Partitions = append(topic.Partitions, kmsg.NewProduceResponseTopicPartition())
	resp.Topics = append(resp.Topics, topic)
	for _, v := range []int16{3, 8, 11} {
		resp.SetVersion(v)
		f.Add(v, resp.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < produceMinVersion || version > 11 {
			return
		}
		r := &produceRequest{version: version}
		_ = r.decode(body)
	})
}

func TestConfigErrors(t *testing.T) {
	for want, cfg := range map[string]ProducerConfig{
		"needs acks=all, not acks=1": {Acks: AcksLeader, Idempotent: true},
		"at most 5, not 6":           {Acks: AcksAll, Idempotent: true, MaxInFlight: 6},
		"needs retries":              {Acks: AcksAll, Idempotent: true, Retries: NoRetries},
		"none of -1 (all), 0, 1":     {Acks: 3},
		"must not be negative":       {Linger: -5},
	} {
		_, err := cfg.withDefaults()
		require.ErrorContains(t, err, want)
	}
	_, err := Config{}.withDefaults()
	require.ErrorContains(t, err, "Bootstrap is empty")
	_, err = ConsumerConfig{HeartbeatInterval: time.Minute}.withDefaults()
	require.ErrorContains(t, err, "must be shorter than session.timeout.ms")
	_, err = ParseAcks("some")
	require.ErrorContains(t, err, `"some"`)
	require.Equal(t, "all 0 1", fmt.Sprint(AcksAll, AcksNone, AcksLeader))
}
