package workloads_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/program"
)

// spinning is a run of the quickstart beside a program that does something.
func spinning(t *testing.T, do func(e env.Env)) workloads.Options {
	return workloads.Options{Scenario: parse(t, 1, "30s"), Watchdog: time.Second, Programs: func() []program.Program {
		return []program.Program{&program.Custom{Name: "spinner", Count: 1, Run: func(e env.Env, _ *program.Member) error {
			do(e)
			return nil
		}}}
	}}
}

// A program that never waits is a finding of its run, which ends there.
func TestASpinningTaskIsAFinding(t *testing.T) {
	o := spinning(t, func(e env.Env) {
		for e.Now() >= 0 {
			continue
		}
	})
	out, err := workloads.RunSim(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, linearizability.Failed, out.Verdict.Status)
	f := out.Verdict.Findings[0]
	require.Equal(t, "K10", f.Code)
	require.Contains(t, f.Sentence, `task "spinner-0" of spinner-0 goes on and on while time stands still`)
	require.Contains(t, f.Evidence[0], "TestASpinningTaskIsAFinding")
	again, err := workloads.RunSim(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, out.Trace.Hash, again.Trace.Hash)
}

// One that does not even ask for the time is one too, though not at a time of its
// own.
func TestATaskThatHoldsTheSimulatorUpIsAFinding(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	defer close(release)
	defer cancel()
	out, err := workloads.RunSim(ctx, spinning(t, func(env.Env) { <-release }))
	require.NoError(t, err)
	require.True(t, out.Abandoned)
	require.False(t, out.Complete)
	require.Equal(t, linearizability.Failed, out.Verdict.Status)
	require.Equal(t, `task "spinner-0" of spinner-0 never gives the processor back`, out.Verdict.Findings[0].Sentence)
}
