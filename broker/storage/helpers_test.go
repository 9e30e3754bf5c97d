package storage

import (
	"testing"

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
