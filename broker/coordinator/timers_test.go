package coordinator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimersAreThoseOfAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var timers Timers[string]
		model := map[string]time.Duration{}
		key := func() string { return rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"}).Draw(t, "key") }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, at := key(), time.Duration(rapid.IntRange(0, 5).Draw(t, "at"))
				timers.Set(k, at)
				model[k] = at
			},
			"remove": func(t *rapid.T) {
				k := key()
				timers.Remove(k)
				delete(model, k)
			},
			"": func(t *rapid.T) {
				k, at, ok := timers.First()
				require.Equal(t, len(model) > 0, ok)
				require.Equal(t, len(model), timers.Len())
				for other, deadline := range model {
					require.True(t, at < deadline || at == deadline && k <= other)
				}
			},
		})
	})
}
