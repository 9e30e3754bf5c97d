package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/experiment/compare"
	"github.com/weirlab/weir/workloads/scenario"
)

// compareFlags are the flags of "weir compare".
type compareFlags struct {
	ephemeral []string
	instance  string
	volumes   []string

	load      float64
	storedGiB int64
	seed      string
	render    string
	workers   int
	out       string
	json      bool

	plan compare.Plan
}

func compareCommand(s streams) *cobra.Command {
	f := compareFlags{plan: compare.DefaultPlan()}
	cmd := &cobra.Command{
		Use:   "compare ephemeral ebs",
		Short: "Compare instance stores and EBS volumes under a Kafka cluster",
		Long: "Simulates a cluster on the instance store of EC2 instances and on EBS volumes,\n" +
			"and compares: the throughput that each takes, and what holds it back; latencies,\n" +
			"with fsync and without; what happens when burst credits run out; what it takes\n" +
			"to bring a lost broker back, and what is exposed meanwhile; and what it costs.\n" +
			"Ends in a recommendation that is computed from these figures.\n\n" +
			"Name ephemeral, ebs, or both. The limits are AWS's specifications and measured\n" +
			"instance stores; nothing is measured on EC2.",
		Example: "  weir compare ephemeral ebs\n" +
			"  weir compare ephemeral ebs --load 60 --stored 400\n" +
			"  weir compare ebs --instance m5.2xlarge --volume gp3:1000:6000:500 --volume io2:1000:8000",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runCompare(cmd, s, args, f) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.ephemeral, "ephemeral", nil, "instance types with an instance store (default i3en.2xlarge,i4i.2xlarge)")
	flags.StringVar(&f.instance, "instance", "r5.2xlarge", "instance type that the EBS volumes are attached to")
	flags.StringArrayVar(&f.volumes, "volume", nil, "EBS volume of each broker, CLASS:GiB[:IOPS[:MiB/s]]; may be given several times (default gp2:250, gp3:250, io2:250:4000, st1:250)")
	flags.IntVar(&f.plan.Brokers, "brokers", f.plan.Brokers, "brokers")
	flags.IntVar(&f.plan.ReplicationFactor, "replication-factor", f.plan.ReplicationFactor, "replicas of each partition")
	flags.IntVar(&f.plan.MinISR, "min-insync-replicas", f.plan.MinISR, "min.insync.replicas")
	flags.IntVar(&f.plan.Partitions, "partitions", f.plan.Partitions, "partitions of the topic")
	flags.Int64Var(&f.plan.RecordBytes, "record-size", f.plan.RecordBytes, "bytes of value per record")
	flags.Int64Var(&f.plan.BatchBytes, "batch-size", f.plan.BatchBytes, "the producers' batch.size in bytes")
	flags.DurationVar(&f.plan.Linger, "linger", f.plan.Linger, "the producers' linger.ms")
	flags.StringVar(&f.plan.Costs, "costs", f.plan.Costs, "table of what requests cost a processor: kafka-jvm or weir")
	flags.Float64Var(&f.load, "load", float64(f.plan.LoadBytesPerSecond)/1e6, "MB/s that the cluster has to carry")
	flags.Int64Var(&f.storedGiB, "stored", f.plan.StoredBytes>>30, "GiB that each broker keeps")
	flags.DurationVar(&f.plan.Away, "away", f.plan.Away, "time from the failure of a host until a machine runs in its place")
	flags.IntVar(&f.plan.Hours, "hours", f.plan.Hours, "hours over which burst credits are followed")
	flags.BoolVar(&f.plan.CrossZone, "cross-zone", false, "add the price of replication between zones, with each replica in one of its own (latencies stay those of one zone)")
	flags.DurationVar(&f.plan.Window, "window", f.plan.Window, "simulated time that each measurement takes")
	flags.StringVar(&f.seed, "seed", "1", "seed, decimal or 0x…")
	flags.IntVar(&f.workers, "workers", 2, "simulations at a time")
	flags.StringVar(&f.render, "render", "", "show the result in this file (a result.json) instead of simulating")
	flags.StringVar(&f.out, "out", "weir-out", "directory for result directories")
	flags.BoolVar(&f.json, "json", false, "print result.json instead of the tables")
	return cmd
}

// planned is the plan that the command line asks for.
func (f compareFlags) planned(kinds []string) (compare.Plan, error) {
	p := f.plan
	var err error
	if p.Seed, err = scenario.ParseSeed(f.seed); err != nil {
		return p, fmt.Errorf("--seed: %w", err)
	}
	for _, kind := range kinds {
		if kind != compare.Ephemeral && kind != compare.EBS {
			return p, fmt.Errorf("%q is no kind of storage; name %s, %s, or both", kind, compare.Ephemeral, compare.EBS)
		}
	}
	if f.workers < 1 {
		return p, errors.New("--workers must be at least 1")
	}
	p.LoadBytesPerSecond, p.StoredBytes = int64(f.load*1e6), f.storedGiB<<30

	var chosen []compare.Configuration
	for _, c := range p.Configurations {
		byFlag := len(f.ephemeral) > 0
		if c.Kind() == compare.EBS {
			byFlag = len(f.volumes) > 0
			c.Instance = f.instance
		}
		if !byFlag {
			chosen = append(chosen, c)
		}
	}
	var own []compare.Configuration
	for _, instance := range f.ephemeral {
		own = append(own, compare.Configuration{Instance: instance})
	}
	for _, text := range f.volumes {
		v, err := compare.ParseVolume(text)
		if err != nil {
			return p, fmt.Errorf("--volume: %w", err)
		}
		own = append(own, compare.Configuration{Instance: f.instance, Volume: &v})
	}
	// Instance stores first, as in the default.
	chosen = append(chosen, own...)
	slices.SortStableFunc(chosen, func(a, b compare.Configuration) int { return strings.Compare(b.Kind(), a.Kind()) })
	p.Configurations = slices.DeleteFunc(chosen, func(c compare.Configuration) bool { return !slices.Contains(kinds, c.Kind()) })
	return p, p.Check()
}

func runCompare(cmd *cobra.Command, s streams, kinds []string, f compareFlags) error {
	if f.render != "" {
		return renderCompare(s, f)
	}
	plan, err := f.planned(kinds)
	if err != nil {
		return err
	}
	steps, started := newSteps(s.err), now()
	result, err := compare.Run(cmd.Context(), plan, f.workers, steps.next)
	steps.done()
	if err != nil {
		return internal(err)
	}
	result.Facts = madeBy(started)
	dir := filepath.Join(f.out, "compare", started.UTC().Format("20060102T150405.000")+"-"+plan.Seed.String())
	if err := keepFinding(dir, comparePage, result); err != nil {
		return internal(err)
	}
	return showFinding(s, dir, comparePage, result, result.Brief(), f.json)
}

// comparePage is the name of a comparison's page.
const comparePage = "report"

// renderCompare shows a comparison that was made before.
func renderCompare(s streams, f compareFlags) error {
	file, err := os.Open(f.render)
	if err != nil {
		return fmt.Errorf("--render: %w", err)
	}
	result, err := compare.Read(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("--render %s: %w", f.render, err)
	}
	dir := filepath.Dir(f.render)
	if _, err := render.WriteDir(dir, comparePage, result.Document()); err != nil {
		return internal(err)
	}
	return showFinding(s, dir, comparePage, result, result.Brief(), f.json)
}
