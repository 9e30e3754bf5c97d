package share

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysHaveNames(t *testing.T) {
	key := Key{Group: "a:b", Topic: [16]byte{0xff, 0xfe, 1}, Partition: 12}
	require.Equal(t, "a:b:__4BAAAAAAAAAAAAAAAAAA:12", key.String(), "as Kafka's Uuid writes it")
	got, ok := ParseKey(key.String())
	require.True(t, ok)
	require.Equal(t, key, got)
	for _, name := range []string{"", "g", "g:1", "g:x:1", ":__4BAAAAAAAAAAAAAAAAAA:12", " :__4BAAAAAAAAAAAAAAAAAA:12", "g:__4BAAAAAAAAAAAAAAAAAA:", "g:__4BAAAAAAAAAAAAAAAAAA:x", "g:__4BAAAA:1"} {
		_, ok := ParseKey(name)
		require.False(t, ok, name)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("a:b:__4BAAAAAAAAAAAAAAAAAA:12")
	f.Fuzz(func(t *testing.T, name string) {
		if key, ok := ParseKey(name); ok {
			again, ok := ParseKey(key.String())
			require.True(t, ok)
			require.Equal(t, key, again)
		}
	})
}
