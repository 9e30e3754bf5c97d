package calibrate

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asEcho turns the test program into the other process.
const asEcho = "WEIR_CALIBRATE_TEST_ECHO"

func TestMain(m *testing.M) {
	if os.Getenv(asEcho) != "" {
		if err := Echo(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMeasureLoopbackAsksAnotherProcess(t *testing.T) {
	t.Setenv(asEcho, "1")
	l, err := MeasureLoopback(LoopbackOptions{Echo: []string{os.Args[0]}, PerSeries: 5 * time.Millisecond, BulkBytes: 2 << 20})
	require.NoError(t, err)
	require.Len(t, l.RoundTrips, 10)
	for _, r := range l.RoundTrips {
		require.Positive(t, r.Count)
		require.Positive(t, at(r.Latency, 500_000))
	}
	require.Positive(t, l.BytesPerSecond)
	_, ok := l.Find(1, IdlePause)
	require.True(t, ok)
}

func TestMeasureLoopbackTellsWhatWentWrong(t *testing.T) {
	_, err := MeasureLoopback(LoopbackOptions{})
	require.ErrorContains(t, err, "names no program")
	_, err = MeasureLoopback(LoopbackOptions{Echo: []string{"/bin/true"}})
	require.ErrorContains(t, err, "told no address")
}
