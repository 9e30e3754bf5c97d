package machine_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/machine"
)

func TestUnitsBeyondTheFirstOnesOfACallCostMore(t *testing.T) {
	c := machine.Cost{CallNanos: 1000, UnitPicos: 100, LargePicos: 400}
	require.Equal(t, 1000*time.Nanosecond, c.Price(0))
	require.Equal(t, 1100*time.Nanosecond, c.Price(1000))
	require.EqualValues(t, 1000+machine.LargeUnits/10, c.Price(machine.LargeUnits))
	require.EqualValues(t, 1000+(machine.LargeUnits+10_000)/10+4000, c.Price(machine.LargeUnits+10_000))
	require.Positive(t, machine.Cost{CallNanos: math.MaxInt64 >> 3, UnitPicos: math.MaxInt64, LargePicos: math.MaxInt64}.Price(math.MaxInt64))
	_, err := machine.ParseCosts([]byte(`{"name": "x", "operations": {"response": {"large_ps": -1}}, "source": {"what": "a", "basis": "assumption", "source": "b"}}`))
	require.ErrorContains(t, err, "negative")
}
