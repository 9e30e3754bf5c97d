package calibrate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
)

func TestFitCostsRecoversAPriceList(t *testing.T) {
	truth := machine.Costs{Operations: map[string]machine.Cost{
		"request.produce": {CallNanos: 30_000, UnitPicos: 400},
		"response":        {CallNanos: 9_000, UnitPicos: 300},
		"storage.append":  {CallNanos: 5_000, UnitPicos: 900},
		"client.record":   {CallNanos: 700},
	}}
	var list []Observation
	for i := range int64(12) {
		calls := 1000 + 517*i%900
		o := Observation{Work: []workloads.WorkCount{
			{Op: "request.produce", Calls: calls, Units: calls * (1000 + 7919*i%60_000)},
			{Op: "response", Calls: calls + 331*i%700, Units: calls * (50 + 311*i%4000)},
			{Op: "storage.append", Calls: calls * (1 + i%3), Units: calls * (1000 + 104_729*i%50_000)},
			{Op: "client.record", Calls: 40_000 * (i % 4), Units: 40_000 * (i % 4)},
		}}
		o.CPU = explained(truth, o.Work)
		list = append(list, o)
	}
	f, err := FitCosts(list)
	require.NoError(t, err)
	median, greatest := f.Error()
	require.Less(t, median, 1.0, "percent")
	require.Less(t, greatest, 3.0, "percent")
	require.Zero(t, f.Costs.Operations["client.record"].UnitPicos, "a record is one unit: there is nothing to tell apart")
	for _, o := range f.Costs.Operations {
		require.GreaterOrEqual(t, o.CallNanos, int64(0))
		require.GreaterOrEqual(t, o.UnitPicos, int64(0))
	}
}

func TestFitCostsNeedsObservations(t *testing.T) {
	_, err := FitCosts(nil)
	require.ErrorIs(t, err, errNothingToFit)
	_, err = FitCosts([]Observation{{CPU: time.Second, Work: []workloads.WorkCount{{Op: "response"}}}})
	require.Error(t, err)
}
