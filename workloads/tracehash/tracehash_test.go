package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// seeds is the fixed set whose traces must be the same everywhere.
var seeds = []string{"0x1", "0x2", "0x3"}

// To compile the broker and the standard library for three more architectures takes
// minutes where the build cache has nothing of them.
var everywhere = flag.Bool("everywhere", false, "compare other architectures too (\"make determinism\")")

// TestSameTraceEverywhere simulates the same seeds in two processes, and in
// programs built for different architectures, and compares the hash over every
// event.
func TestSameTraceEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out simulating in processes of their own")
	}
	dir := t.TempDir()
	want := run(t, build(t, dir, "amd64-v1", "GOARCH=amd64", "GOAMD64=v1"))
	require.Len(t, strings.Split(strings.TrimSpace(want), "\n"), 3*len(seeds), "three scenarios")
	require.NotContains(t, want, "acknowledged 0\n", "a world in which nothing happens proves nothing")
	t.Logf("amd64 v1:\n%s", want)

	t.Run("a second process", func(t *testing.T) {
		require.Equal(t, want, run(t, filepath.Join(dir, "amd64-v1")))
	})
	if !*everywhere {
		return
	}
	t.Run("amd64 v3", func(t *testing.T) {
		if !hasV3(t) {
			t.Skip("this processor is older than GOAMD64=v3")
		}
		require.Equal(t, want, run(t, build(t, dir, "amd64-v3", "GOARCH=amd64", "GOAMD64=v3")))
	})
	t.Run("386", func(t *testing.T) {
		require.Equal(t, want, run(t, build(t, dir, "386", "GOARCH=386")))
	})
	t.Run("wasm", func(t *testing.T) {
		require.Equal(t, want, runWasm(t, build(t, dir, "wasm", "GOOS=wasip1", "GOARCH=wasm")))
	})
}

func build(t *testing.T, dir, name string, environ ...string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Env = append(cmd.Env, environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

func run(t *testing.T, file string) string {
	t.Helper()
	started := time.Now()
	out, err := exec.Command(file, seeds...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s took %v", filepath.Base(file), time.Since(started).Round(time.Millisecond))
	return string(out)
}

// hasV3 tries whether a program built for the third level of amd64 starts.
func hasV3(t *testing.T) bool {
	t.Helper()
	info, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && bytes.Contains(info, []byte(" avx2 ")) && bytes.Contains(info, []byte(" bmi2 "))
}

// runWasm runs a program built for wasip1 in wazero.
func runWasm(t *testing.T, file string) string {
	t.Helper()
	started := time.Now()
	code, err := os.ReadFile(file)
	require.NoError(t, err)
	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	defer func() { require.NoError(t, runtime.Close(ctx)) }()
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	var out bytes.Buffer
	cfg := wazero.NewModuleConfig().WithArgs(append([]string{"tracehash"}, seeds...)...).
		WithStdout(&out).WithStderr(&out).WithSysWalltime().WithSysNanotime()
	_, err = runtime.InstantiateWithConfig(ctx, code, cfg)
	require.NoError(t, err, "%s", out.String())
	t.Logf("%s took %v", filepath.Base(file), time.Since(started).Round(time.Millisecond))
	return out.String()
}
