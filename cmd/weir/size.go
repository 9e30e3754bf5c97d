package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/workloads/experiment/size"
	"github.com/weirlab/weir/workloads/scenario"
)

// sizeFlags are the flags of "weir size".
type sizeFlags struct {
	need      size.Need
	options   size.Options
	peak, avg float64
	seed      string
	formula   bool
	out       string
	json      bool
}

func sizeCommand(s streams) *cobra.Command {
	f := sizeFlags{need: size.DefaultNeed()}
	cmd := &cobra.Command{
		Use:   "size",
		Short: "Find the cheapest clusters on EC2 that carry a load",
		Long: "Searches instance types with their instance store or EBS volumes for the smallest\n" +
			"cluster of each that carries a load by what limits sustain, with headroom, and\n" +
			"with a broker lost; then simulates the cheapest with a broker lost and all burst\n" +
			"credits spent, until enough of them hold. Says what they cost with transfer\n" +
			"between zones, how long a lost broker takes to be in sync again, and which limit\n" +
			"rules. With --formula it sets AWS's sizing formula beside simulations instead.\n\n" +
			"Nothing is measured on EC2: RESULTS.md says how far the model is from what was.",
		Example: "  weir size --load 50 --average 25 --retention 72h --groups 2\n" +
			"  weir size --load 200 --growth 50 --instances i3en.2xlarge,i4i.2xlarge,r5.2xlarge\n" +
			"  weir size --formula",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSize(cmd, s, f) },
	}
	n, flags := &f.need, cmd.Flags()
	flags.Float64Var(&f.peak, "load", float64(n.PeakBytesPerSecond)/1e6, "MB/s of record values that producers send at most")
	flags.Float64Var(&f.avg, "average", 0, "MB/s that they send on average, which disks keep and transfer is paid for (default half of --load)")
	flags.Int64Var(&n.GrowthPercent, "growth", n.GrowthPercent, "percent by which both will have grown")
	flags.Int64Var(&n.RecordBytes, "record-size", n.RecordBytes, "bytes of value per record")
	flags.Int64Var(&n.BatchBytes, "batch-size", n.BatchBytes, "the producers' batch.size in bytes")
	flags.DurationVar(&n.Linger, "linger", n.Linger, "the producers' linger.ms")
	flags.IntVar(&n.Partitions, "partitions", n.Partitions, "partitions of all topics together")
	flags.DurationVar(&n.Retention, "retention", n.Retention, "how long records are kept")
	flags.IntVar(&n.Groups, "groups", n.Groups, "consumer groups, each of which reads everything")
	flags.IntVar(&n.ReplicationFactor, "replication-factor", n.ReplicationFactor, "replicas of each partition")
	flags.IntVar(&n.MinISR, "min-insync-replicas", n.MinISR, "min.insync.replicas")
	flags.BoolVar(&n.Fsync, "fsync", n.Fsync, "every batch is synced before it is acknowledged (flush.messages=1)")
	flags.IntVar(&n.Zones, "zones", n.Zones, "zones that replicas are spread over")
	flags.BoolVar(&n.FollowerFetch, "follower-fetch", n.FollowerFetch, "consumers read from replicas in their own zone")
	flags.Int64Var(&n.HeadroomPercent, "headroom", n.HeadroomPercent, "percent of every limit that stays free while no broker is lost")
	flags.DurationVar(&n.Away, "away", n.Away, "time from the failure of a host until a machine runs in its place")
	flags.DurationVar(&n.RebuildWithin, "rebuild-within", n.RebuildWithin, "time within which replicas are in sync again after a broker lost its disks")
	flags.StringVar(&n.Costs, "costs", n.Costs, "table of what requests cost a processor: kafka-jvm or weir")
	flags.IntVar(&n.MostBrokers, "most-brokers", n.MostBrokers, "brokers of a cluster at most")
	flags.StringSliceVar(&n.Instances, "instances", nil, "only these instance types; by default all")
	flags.StringSliceVar(&n.Classes, "storage", nil, "only these classes of storage: instance-store, gp2, gp3, io2, st1, sc1; by default all but sc1")
	flags.IntVar(&f.options.Answers, "answers", 3, "clusters that hold to find")
	flags.IntVar(&f.options.Trials, "trials", 12, "clusters to simulate for that at most")
	flags.IntVar(&f.options.Seeds, "seeds", 3, "seeds to simulate each by")
	flags.StringVar(&f.seed, "seed", "1", "first seed, decimal or 0x…")
	flags.BoolVar(&f.formula, "formula", false, "compare AWS's sizing formula with simulations over 40 combinations")
	flags.StringVar(&f.out, "out", "weir-out", "directory for result directories")
	flags.BoolVar(&f.json, "json", false, "print result.json instead of tables")
	return cmd
}

func runSize(cmd *cobra.Command, s streams, f sizeFlags) error {
	n := f.need
	var err error
	if n.Seed, err = scenario.ParseSeed(f.seed); err != nil {
		return fmt.Errorf("--seed: %w", err)
	}
	if f.options.Answers < 1 || f.options.Trials < 1 || f.options.Seeds < 1 {
		return errors.New("--answers, --trials and --seeds must be above zero")
	}
	if f.avg == 0 {
		f.avg = f.peak / 2
	}
	n.PeakBytesPerSecond, n.AverageBytesPerSecond = int64(f.peak*1e6), int64(f.avg*1e6)
	if err := n.Check(); err != nil {
		return err
	}
	steps, started := newSteps(s.err), now()
	f.options.Progress = steps.next
	dir := filepath.Join(f.out, "size", started.UTC().Format("20060102T150405.000")+"-"+n.Seed.String())
	if f.formula {
		r, err := size.Compare(cmd.Context(), n, 0, steps.next)
		steps.done()
		if err != nil {
			return internal(err)
		}
		r.Facts = madeBy(started)
		return keepAndShow(s, dir, "formula", r, f.json)
	}
	r, err := size.Run(cmd.Context(), n, f.options)
	steps.done()
	if err != nil {
		return internal(err)
	}
	r.Facts = madeBy(started)
	return keepAndShow(s, dir, "size", r, f.json)
}

func keepAndShow(s streams, dir, page string, found finding, asJSON bool) error {
	if err := keepFinding(dir, page, found); err != nil {
		return internal(err)
	}
	return showFinding(s, dir, page, found, found.Document(), asJSON)
}
