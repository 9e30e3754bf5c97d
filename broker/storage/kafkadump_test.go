package storage

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
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

// TestKafkaReadsTransactions holds the files of a log byte by byte in
// testdata/kafka, with what kafka-dump-log of Apache Kafka 4.3.1 says of them. "make
// java" asks the tool again; REWRITE=1 writes both anew.
func TestKafkaReadsTransactions(t *testing.T) {
	dir := filepath.Join("testdata", "kafka")
	files := writtenForKafka(t)
	rewrite := os.Getenv("REWRITE") != ""
	var names []string
	for _, name := range []string{
		"00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex", "00000000000000000015.snapshot",
	} {
		require.Contains(t, files, name)
		if rewrite {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), files[name], 0o644))
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, files[name], name)
		names = append(names, filepath.Join(dir, name))
	}
	t.Run("asked again", func(t *testing.T) {
		kafka := apachekafka.ForTest(t)
		var said bytes.Buffer
		for _, name := range names {
			cmd := kafka.Command("org.apache.kafka.tools.DumpLogSegments", "--print-data-log", "--deep-iteration", "--files", name)
			cmd.Stdout = &said
			var exit *exec.ExitError
			if err := cmd.Run(); errors.As(err, &exit) {
				t.Fatalf("%s: %v: %s", name, err, exit.Stderr)
			}
		}
		if rewrite {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.txt"), said.Bytes(), 0o644))
		}
		want, err := os.ReadFile(filepath.Join(dir, "dump.txt"))
		require.NoError(t, err)
		require.Equal(t, string(want), said.String())
	})
}
