package reports

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the fixture and the golden files anew")

func TestTry(t *testing.T) {
	dir := os.Getenv("TRY")
	if dir == "" {
		t.Skip()
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "fail"), 0o755))
	writeFixture(t, dir)
	require.NoError(t, Write(dir))
	s, err := Summary(dir, false)
	require.NoError(t, err)
	t.Log("\n" + s)
	writeFixture(t, filepath.Join(dir, "fail"))
	r := fixtureRun()
	failed(r)
	require.NoError(t, r.Save(filepath.Join(dir, "fail")))
	require.NoError(t, Write(filepath.Join(dir, "fail")))
	s, err = Summary(filepath.Join(dir, "fail"), false)
	require.NoError(t, err)
	t.Log("\n" + s)
}
