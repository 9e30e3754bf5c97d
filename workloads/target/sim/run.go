package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	kernel "github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/workloads/target"
)

// slice is how much simulated time passes between two looks at the real world,
// for progress and cancellation.
const slice = 250 * time.Millisecond

const standsStill = "the simulated world can make no progress"

// stuckSentence says why a world stands still.
func stuckSentence(err error) string {
	if live, ok := errors.AsType[*kernel.LivelockError](err); ok {
		return standsStill + ": " + live.Summary()
	}
	return standsStill
}

// Direct implements target.Cluster.
func (c *Cluster) Direct(ctx context.Context, lead func(env.Env)) (interrupted string, err error) {
	c.watch.start()
	c.tellRows()
	done := false
	c.machine("director").Start("director", func(e env.Env) {
		lead(e)
		done = true
	})
	defer c.tellRow()
	for !done {
		if ctx.Err() != nil {
			return "the run was interrupted: " + context.Cause(ctx).Error(), nil
		}
		end := c.k.Now() + slice
		var stuck *kernel.DeadlockError
		var live *kernel.LivelockError
		switch err := c.k.RunWhile(func() bool { return !done && c.k.Now() < end }); {
		case errors.As(err, &stuck), errors.As(err, &live):
			c.stuck = err
			return standsStill, nil
		case err != nil:
			return "", err
		}
		c.tell.Progress(c.k.Now(), int64(c.k.Stats().Events))
	}
	return "", nil
}

// tellRows tells once a second what the brokers' machines did.
func (c *Cluster) tellRows() {
	c.k.After(time.Second, "row", func() {
		c.tellRow()
		c.tellRows()
	})
}

// tellRow tells what the brokers' machines did since it was told last.
func (c *Cluster) tellRow() {
	var rows []target.BrokerRow
	lags := c.followerLags()
	for i, b := range c.brokers {
		row := b.row(c.net)
		row.FollowerLag = lags[i]
		rows = append(rows, row)
	}
	c.tell.Row(c.k.Now(), rows)
}

// followerLags is how many records the replicas on each broker lack that their
// leaders have.
func (c *Cluster) followerLags() []int64 {
	ends := map[metadata.TopicPartition]int64{} // of the leaders' logs
	views := make([]broker.View, len(c.brokers))
	for i, b := range c.brokers {
		if b.b == nil || !c.k.Inspect(func() { b.b.Look(&views[i]) }) {
			views[i].Replicas = nil
		}
		for _, r := range views[i].Replicas {
			if c.underLoad(r.TP.Topic) && r.Role == replication.RoleLeader {
				ends[r.TP] = max(ends[r.TP], r.LogEndOffset)
			}
		}
	}
	lags := make([]int64, len(c.brokers))
	for i := range views {
		for _, r := range views[i].Replicas {
			if end, led := ends[r.TP]; led {
				lags[i] += max(0, end-r.LogEndOffset)
			}
		}
	}
	return lags
}

// ObserveEvery implements target.Cluster.
func (c *Cluster) ObserveEvery() time.Duration { return imageEvery }

// Facts implements target.Cluster.
func (c *Cluster) Facts() []linearizability.Fact {
	return []linearizability.Fact{
		linearizability.FactStates, linearizability.FactElections, linearizability.FactEpochStarts, linearizability.FactBeginnings,
		linearizability.FactWatermarks, linearizability.FactReplicas, linearizability.FactLive,
	}
}

// Struck implements target.Cluster.
func (c *Cluster) Struck(f linearizability.Fault) { c.watch.watcher.AddFault(f) }

// Committed implements target.Cluster.
func (c *Cluster) Committed(tp linearizability.TopicPartition, next int64, epoch int32, at time.Duration) {
	c.watch.watcher.Committed(tp, next, epoch, at)
}

// Remains implements target.Cluster. The brokers run on: their logs are read
// from outside the world.
func (c *Cluster) Remains(whole bool, _, _ time.Duration, _ []target.Usage) (target.Remains, error) {
	r := target.Remains{Now: c.k.Now(), Trace: c.k.Trace(), Stats: c.k.Stats(), Failures: c.k.Failures(), Points: c.k.Points(), States: c.k.States()}
	if c.stuck != nil {
		r.Findings = append(r.Findings, linearizability.Finding{
			Code: target.CodeProgress, Sentence: stuckSentence(c.stuck), Offset: linearizability.None,
			Time: r.Now, Evidence: []string{c.stuck.Error()}, Count: 1,
		})
	}
	if whole {
		c.watch.findImage()
		c.watch.picture()
		scans, err := c.replicas()
		if err != nil {
			r.Findings = append(r.Findings, target.Unreadable(err, r.Now))
		}
		r.Scans = scans
	}
	r.Epochs = c.watch.watcher.EpochStarts()
	r.Watched = c.watch.watcher.Verdict()
	for _, f := range r.Failures {
		r.Findings = append(r.Findings, linearizability.Finding{
			Code: target.CodePanic, Sentence: fmt.Sprintf("task %s of %s panicked: %s", f.Task, f.Node, f.Value),
			Offset: linearizability.None, Time: f.At, Evidence: []string{f.Stack}, Count: 1,
		})
	}
	return r, nil
}

// Close implements target.Cluster.
func (c *Cluster) Close() { _ = c.k.Close() }
