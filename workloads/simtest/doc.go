// Package simtest simulates Kafka clusters in go test: a seed decides everything
// that happens, nobody waits for the time that passes, and a test that fails says
// which line repeats its failure.
//
// # Settings
//
// Whether a cluster with these settings keeps its promises, whatever happens to
// it, is a scenario (docs/scenarios.md) in a file of the test's testdata, or one
// that is built in, and a line:
//
//	func TestOurSettingsLoseNothing(t *testing.T) {
//		simtest.Run(t, "testdata/ours.yaml", simtest.Seeds("1-10"))
//	}
//
// Each seed draws what the scenario leaves open, runs it and judges it, in a
// sub-test of its own. "go test -weir.seeds=1-1000" tries a thousand.
//
// # Programs
//
// What clients do besides is a function on package env, which runs beside the
// scenario's own producers and consumers, on simulated machines of its own. An
// error that it returns fails the seed:
//
//	simtest.Run(t, "quickstart", simtest.Programs(func() []program.Program {
//		return []program.Program{&program.Custom{Name: "auditor", Count: 2, Run: audit}}
//	}))
//
// # Clusters
//
// Code that wants a cluster and no judged load gets one with [Cluster]: a task next
// to simulated brokers, faults when it asks for them, and virtual time.
//
//	simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
//		heal, err := w.Strike(e, "kind: crash, node: leader of orders-0")
//		…
//		heal()
//		return w.AwaitSettled(e, time.Minute)
//	}, simtest.Topic("orders", 3))
//
// Tasks are started with [World.Go] or env.Env.Go, and never fail the test
// themselves: they return errors. Rules of simulated code are in package env.
//
// # When a seed fails
//
// The test prints what was found, the line that repeats it, and the line that
// keeps it. Its result directory, with plan, history and report, is in -weir.out,
// or else in the test's artifacts (go test -artifacts). With -weir.shrink the
// smallest plan that still fails in the same way is looked for, and is shrunk.yaml
// there.
//
// An explicit plan in testdata/weir/<test>/ is run again by every go test, before
// the seeds: that is where plans belong that once failed.
//
// # Flags
//
//	-weir.seed=0x2a        this seed only, and no kept plans
//	-weir.seeds=1-100,0x7  these seeds, whatever the test says
//	-weir.shrink           make the plan of a failing seed small
//	-weir.shrink.time=5m   … for at most so long
//	-weir.out=DIR          where result directories of failing seeds go
//
// A package whose tests use simtest has them all; for others of a module they are
// unknown flags.
package simtest
