// Package versus sets real runs beside simulated ones: the eight workloads of
// package calibrate on three real processes of this machine, several times,
// and on the simulated machine that weir calibrate made of it.
//
//	result, err := versus.Run(ctx, versus.Options{Weir: []string{exe}, Dir: ".", Profile: p, Repetitions: 5})
//	result.Median(versus.HeldOut, versus.Throughput)   // how wrong the simulation is
//	result.Document()
//
// Four of the workloads gave the profile its CPU costs; the other four are held
// out, and only they say what the simulation is worth where nobody has measured.
//
// Each workload is run in two phases: saturated, which is where throughput is
// from, and at the same modest rate for all, which is where latency is from.
// Real runs are repeated, all workloads in turn, so that what changes on the
// machine meanwhile is spread over all of them; figures show their median and
// their whole spread. An error is of the medians.
package versus
