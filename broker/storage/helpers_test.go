package storage

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func newTestEnv(t testing.TB) env.Env {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "test", Seed: 1})
	return e
}

// testBatch is one batch with a record per value, its timestamps 1000, 1001, …
func testBatch(values ...string) []byte {
	var records []Record
	for i, v := range values {
		records = append(records, Record{TimestampMillis: 1000 + int64(i), Value: []byte(v)})
	}
	return BuildBatch(nil, NoProducer(), records)
}

// makeCleanable writes keys, tombstones and transactions.
func makeCleanable(t testing.TB, l *Log) {
	for i := range 24 {
		list := []Record{{TimestampMillis: int64(1000 + i), Key: fmt.Append(nil, "k", i%5), Value: fmt.Append(nil, i)}, {TimestampMillis: int64(1000 + i), Key: fmt.Append(nil, "t", i%3)}}
		var err error
		switch i {
		case 4, 9:
			o := NoProducer()
			o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = int64(i), 0, 0, true
			_, err = l.AppendLeader(BuildBatch(nil, o, list), int32(i/8), inTxn)
		case 6, 12:
			_, err = l.AppendLeader(txnMarker(map[int]int64{6: 4, 12: 9}[i], 0, i == 6, 0), int32(i/8), marker)
		default:
			_, err = l.AppendLeader(BuildBatch(nil, NoProducer(), list), int32(i/8), AppendOptions{})
		}
		require.NoError(t, err)
	}
}
