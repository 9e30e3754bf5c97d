package rundir

import (
	"context"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// LookClosely simulates a plan again, with a probe of the partition that a
// finding is about.
func LookClosely(ctx context.Context, plan *scenario.Scenario, f *linearizability.Finding) (*simtarget.Probe, *workloads.Outcome, error) {
	probe := &simtarget.Probe{Of: linearizability.TopicPartition{Topic: f.Topic, Partition: f.Partition}}
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: plan, Unjudged: true, Probe: probe})
	return probe, o, err
}

// Explanation is what a result directory and a probe, if there is one, say about
// a failure.
func Explanation(dir string, probe *simtarget.Probe) (*story.Explanation, error) {
	c, err := reports.Case(dir)
	if err != nil {
		return nil, err
	}
	if probe != nil {
		c.Replicas, c.Messages = probe.Replicas, probe.Messages
	}
	return story.Explain(c), nil
}
