package storage

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest/apachekafka/golden"
	"github.com/weirlab/weir/broker/compression"
)

// frozenEnv is an Env whose clocks stand.
type frozenEnv struct{ *testEnv }

func (frozenEnv) Now() time.Duration { return time.Hour }
func (frozenEnv) Wall() time.Time    { return time.UnixMilli(1_700_000_000_000) }

// writtenForKafka are the files of a log with transactions that committed, aborted
// and are open, of a coordinator's records, and of epochs that markers began.
func writtenForKafka(t testing.TB) map[string][]byte {
	e := newMemEnv(t)
	l, _, err := Open(frozenEnv{e}, "d/log", Config{SegmentBytes: 1200, IndexIntervalBytes: 300})
	require.NoError(t, err)
	stamp := frozenEnv{}.Wall().UnixMilli()
	data := func(producer int64, epoch int16, seq int32, values ...string) []byte {
		o := NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = producer, epoch, seq, producer >= 0
		var records []Record
		for i, v := range values {
			records = append(records, Record{TimestampMillis: stamp + int64(i), Key: []byte("k"), Value: []byte(v)})
		}
		return BuildBatch(nil, o, records)
	}
	end := func(producer int64, epoch int16, commit bool) []byte {
		return BuildMarker(nil, Marker{ProducerID: producer, ProducerEpoch: epoch, CoordinatorEpoch: 4, Commit: commit}, stamp)
	}
	write := func(b []byte, opts AppendOptions) {
		_, err := l.AppendLeader(b, 2, opts)
		require.NoError(t, err)
	}
	markers := AppendOptions{ControlBatches: true, TransactionVersion: 2}
	write(data(-1, -1, -1, "plain"), AppendOptions{})
	write(data(7, 0, 0, "committed", "too"), inTxn)
	write(data(9, 3, 0, "aborted"), inTxn)
	write(end(7, 1, true), markers)
	write(data(9, 3, 1, "as well"), inTxn)
	write(data(7, 1, 0, "aborted later"), inTxn)
	write(end(9, 4, false), markers)
	write(end(7, 2, false), markers)
	write(data(11, 0, 0, "offset"), AppendOptions{Coordinator: true, Unverified: true})
	for len(l.segments) == 1 {
		write(data(-1, -1, -1, "to the end of the segment"), AppendOptions{})
	}
	return filesOf(t, e, l)
}

// filesOf are the files of the log of an environment that a golden directory has.
func filesOf(t testing.TB, e *testEnv, l *Log) map[string][]byte {
	e.runTasks()
	require.NoError(t, l.Close())
	files := map[string][]byte{}
	for name, node := range e.files.names {
		if base := filepath.Base(name); base != stateName {
			files[base] = node.data
		}
	}
	return files
}

// compressedForKafka are the files of a log with a batch in every codec.
func compressedForKafka(t testing.TB) map[string][]byte {
	e := newMemEnv(t)
	l, _, err := Open(frozenEnv{e}, "d/log", Config{})
	require.NoError(t, err)
	for codec := compression.None; codec <= compression.Zstd; codec++ {
		var records []Record
		for i := range 3 {
			records = append(records, Record{TimestampMillis: int64(1000 + i), Key: fmt.Append(nil, codec), Value: []byte(strings.Repeat("many times ", 4)),
				Headers: []Header{{Key: "h", Value: []byte{byte(i)}}}})
		}
		_, err := l.AppendLeader(compressed(codec, BuildBatch(nil, NoProducer(), records)), 0, AppendOptions{})
		require.NoError(t, err)
	}
	return filesOf(t, e, l)
}

// compactedForKafka are the files of a log that was cleaned: with gaps between and
// within batches, tombstones with their horizon, an empty batch that keeps its
// producer's sequence, markers.
func compactedForKafka(t testing.TB) map[string][]byte {
	e := newMemEnv(t)
	l, _, err := Open(frozenEnv{e}, "d/log", cleanConfig)
	require.NoError(t, err)
	makeCleanable(t, l)
	o := NoProducer()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence = 77, 0, 0
	for range 2 { // the second says again what the first has said
		batch := BuildBatch(nil, o, []Record{{TimestampMillis: 1100, Key: []byte("k0"), Value: []byte("mine")}, {TimestampMillis: 1101, Key: []byte("y"), Value: []byte("kept")}})
		_, err := l.AppendLeader(compressed(compression.Zstd, batch), 3, AppendOptions{})
		require.NoError(t, err)
		o.ProducerID++
	}
	for segments := len(l.segments); len(l.segments) == segments; {
		_, err := l.AppendLeader(BuildBatch(nil, NoProducer(), []Record{{TimestampMillis: 1102, Key: []byte("k0"), Value: []byte("last")}, {TimestampMillis: 1102, Key: []byte("z")}}), 3, AppendOptions{})
		require.NoError(t, err)
	}
	e.runTasks()
	require.NotZero(t, cleanAll(t, l, 0, 1200))
	files := filesOf(t, e, l)
	for name := range files { // cleaned and swapped away
		if strings.Contains(name, ".deleted") || strings.Contains(name, ".cleaned") {
			delete(files, name)
		}
	}
	return files
}

// TestKafkaReadsLogs holds the files of logs and what kafka-dump-log of Apache Kafka
// says of them.
func TestKafkaReadsLogs(t *testing.T) {
	for name, written := range map[string]func(testing.TB) map[string][]byte{
		"transactions": writtenForKafka, "compressed": compressedForKafka, "compacted": compactedForKafka,
	} {
		t.Run(name, func(t *testing.T) { golden.Hold(t, filepath.Join("testdata", "kafka", name), written(t)) })
	}
}

// Segments of a compacted topic have gaps, also where nothing beside them says so:
// those of Apache Kafka have no log-state.
func TestCleanedSegmentsAreKeptWithoutALogState(t *testing.T) {
	deleting := cleanConfig
	deleting.CleanupPolicy = CleanupDelete
	for _, c := range []struct {
		cfg     Config
		byKafka bool
	}{{cleanConfig, false}, {deleting, true}} { // whose policy was another one before
		e := newMemEnv(t)
		require.NoError(t, e.FS().MkdirAll("d/log"))
		files := compactedForKafka(t)
		if c.byKafka {
			files[kafkasMetadata] = []byte("version: 0\ntopic_id: MkU3OEVBNTcwNTJENDM2Qg\n")
		}
		for name, data := range files {
			f, err := e.FS().Create("d/log/" + name)
			require.NoError(t, err)
			_, err = f.WriteAt(data, 0)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		l, rec, err := Open(e, "d/log", c.cfg)
		require.NoError(t, err)
		require.Empty(t, rec.TruncatedReason)
		require.EqualValues(t, 58, l.EndOffset())
		require.Equal(t, "kept", foldOf(t, l)["y"])
		require.NoError(t, l.Close())
	}
}
