package calibrate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/target"
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
		o := Observation{Work: []target.WorkCount{
			{Op: "request.produce", Calls: calls, Units: calls * (1000 + 7919*i%60_000)},
			{Op: "response", Calls: calls + 331*i%700, Units: calls * (50 + 311*i%4000)},
			{Op: "storage.append", Calls: calls * (1 + i%3), Units: calls * (1000 + 104_729*i%50_000)},
			{Op: "client.record", Calls: 40_000 * (i % 4), Units: 40_000 * (i % 4)},
		}}
		o.CPU = explained(truth, o.Work)
		list = append(list, o)
	}
	prior := machine.Costs{Operations: map[string]machine.Cost{
		"request.produce": {CallNanos: 10_000, UnitPicos: 100},
		"response":        {CallNanos: 10_000, UnitPicos: 100},
		"storage.append":  {CallNanos: 10_000, UnitPicos: 100},
		"client.record":   {CallNanos: 300},
		"client.send":     {CallNanos: 20_000, UnitPicos: 50},
	}}
	f, err := FitCosts(list, prior)
	require.NoError(t, err)
	median, greatest := f.Error()
	require.Less(t, median, 5.0, "percent")
	require.Less(t, greatest, 12.0, "percent")
	require.Zero(t, f.Costs.Operations["client.record"].UnitPicos, "the prior knows of no cost per unit")
	unseen := f.Costs.Operations["client.send"]
	require.Positive(t, unseen.CallNanos, "what nobody did costs what the prior says, scaled")
	for _, o := range f.Costs.Operations {
		require.GreaterOrEqual(t, o.CallNanos, int64(0))
		require.GreaterOrEqual(t, o.UnitPicos, int64(0))
	}
}

// Operations that always come together cannot be told apart; they keep the
// proportions of the prior.
func TestFitCostsKeepsTheProportionsOfThePrior(t *testing.T) {
	var list []Observation
	for i := range int64(6) {
		calls := 100 * (i + 1)
		list = append(list, Observation{CPU: time.Duration(calls) * 40 * time.Microsecond, Work: []target.WorkCount{
			{Op: "response", Calls: calls}, {Op: "request.produce", Calls: calls},
		}})
	}
	f, err := FitCosts(list, machine.Costs{Operations: map[string]machine.Cost{"response": {CallNanos: 1000}, "request.produce": {CallNanos: 3000}}})
	require.NoError(t, err)
	require.InDelta(t, 10_000, f.Costs.Operations["response"].CallNanos, 10)
	require.InDelta(t, 30_000, f.Costs.Operations["request.produce"].CallNanos, 10)
}

func TestFitCostsNeedsObservations(t *testing.T) {
	_, err := FitCosts(nil, machine.Costs{})
	require.ErrorIs(t, err, errNothingToFit)
	_, err = FitCosts([]Observation{{CPU: time.Second, Work: []target.WorkCount{{Op: "response"}}}}, machine.Costs{})
	require.Error(t, err)
}
