package linearizability

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimedPayload(t *testing.T) {
	for _, size := range []int{MinTimedPayload, 25, 1024, 4096 + MinTimedPayload, 10_000} {
		b := AppendTimedPayload([]byte("before"), 1<<40+7, 3*time.Second+1, size)[6:]
		require.Len(t, b, size)
		v, at, ok := ParseTimedPayload(b)
		require.True(t, ok)
		require.Equal(t, int64(1<<40+7), v)
		require.Equal(t, 3*time.Second+1, at)
		v, ok = ParsePayload(b)
		require.True(t, ok)
		require.Equal(t, int64(1<<40+7), v)
		for i := 0; i < size; i += max(1, size/97) {
			b[i] ^= 4
			_, ok := ParsePayload(b)
			require.False(t, ok, "byte %d of %d was changed and nobody noticed", i, size)
			b[i] ^= 4
		}
		_, ok = ParsePayload(b[:size-1])
		require.False(t, ok, "a payload that lost its last byte")
	}
}
