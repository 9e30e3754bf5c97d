package storage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
)

func newTestEnv(t testing.TB) env.Env {
	e, err := osenv.New(osenv.Options{Root: t.TempDir(), Node: "test", Seed: 1})
	require.NoError(t, err)
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
