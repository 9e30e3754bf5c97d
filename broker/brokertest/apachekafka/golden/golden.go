// Package golden holds files of Weir to bytes that Apache Kafka's own tool has read.
//
// A directory below testdata has the files and, in dump.txt, what kafka-dump-log of
// Apache Kafka says of them. Every run of the tests compares the bytes; "make java"
// has the tool read them again. After a change that is meant, "REWRITE=1 make java"
// writes both anew; what the tool says of the change is then to be read by somebody.
package golden

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/env"
)

const dump = "dump.txt"

// Hold compares files, by their names, with those in dir. Then it has Kafka's tool
// read these, with options such as --offsets-decoder.
func Hold(t *testing.T, dir string, files map[string][]byte, options ...string) {
	t.Helper()
	rewrite := os.Getenv("REWRITE") != ""
	var names []string // of files that the tool has something to say of
	for _, name := range env.SortedKeys(files) {
		if len(files[name]) > 0 {
			names = append(names, name)
		}
		if rewrite {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), files[name], 0o644))
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, files[name]), name)
	}
	t.Run("dumped", func(t *testing.T) {
		kafka := apachekafka.ForTest(t)
		cmd := kafka.Command("org.apache.kafka.tools.DumpLogSegments", append(options, "--deep-iteration", "--print-data-log", "--files", strings.Join(names, ","))...)
		cmd.Dir = dir
		said, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		require.NoError(t, err)
		for _, complaint := range []string{"isvalid: false", "Mismatches in", "Exception", "Could not"} {
			require.NotContains(t, string(said), complaint)
		}
		if rewrite {
			require.NoError(t, os.WriteFile(filepath.Join(dir, dump), said, 0o644))
		}
		want, err := os.ReadFile(filepath.Join(dir, dump))
		require.NoError(t, err)
		require.Equal(t, string(bytes.TrimSpace(want)), string(bytes.TrimSpace(said)))
	})
}
