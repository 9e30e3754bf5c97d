// Package measure runs scenarios to find out how fast they are.
//
//	m, err := measure.Run(ctx, s, measure.Target{Kind: measure.Sim})
//	m.Produce.P(99)       // from the intended sending of a record to its acknowledgement
//	m.AckedPerSecond      // over the window that is measured
//	m.Bottleneck()        // "broker-1: disk bandwidth"
//
// A performance run is a run like any other: the same scenario, the same
// director, the same judge. What is added is a [workloads.Sink] that keeps
// histograms of the window behind the warm-up, and the look at what the
// machines were busy with in that window.
//
// # Validity
//
// A figure is worth what its conditions are: [Measurement.Validity] says
// whether the generator kept its schedule, whether the cluster kept up,
// whether burst credits were used up, whether the history was whole.
// [Measurement.Models] lists the tables that a simulated figure rests on and
// whether they were ever compared with hardware.
package measure
