package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	reportcampaign "github.com/weirlab/weir/reports/campaign"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/campaign"
	"github.com/weirlab/weir/workloads/explore"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

type campaignFlags struct {
	name     string
	resume   bool
	from     string
	draw     bool
	seeds    int
	budget   time.Duration
	timeout  time.Duration
	shard    string
	workers  int
	plant    []string
	canary   canaryFlags
	failFast int
	rerun    int
	keep     int
	out      string
	json     bool
}

func campaignCommand(s streams) *cobra.Command {
	var f campaignFlags
	cmd := &cobra.Command{
		Use:   "campaign [scenario.yaml]",
		Short: "Simulate many seeds of a scenario",
		Long: "Simulate many seeds of a scenario, several at a time, and group what was found\n" +
			"by its signature. Every failing seed and one in --rerun of the others is run\n" +
			"twice: a run that is not a function of its seed is a finding of its own.\n\n" +
			"A campaign that was killed goes on with --campaign NAME --resume. With --shard\n" +
			"i/n this machine runs every n-th seed and exits with 0 whatever it finds, since\n" +
			"schedulers run again what fails; --shard auto asks the variables of Slurm,\n" +
			"AWS Batch, Kubernetes, GitLab CI, CircleCI, Buildkite, or WEIR_SHARD_INDEX (from\n" +
			"0) and WEIR_SHARDS. \"weir merge\" joins the shards and gives the verdict.",
		Example: "  weir campaign --seeds 1000\n" +
			"  weir campaign harsh --campaign nightly-2026-11-27 --draw-seeds --seeds 0 --budget 50m --shard auto\n" +
			"  bin/weir-faults campaign --seeds 200 --plant B1 --fail-fast 1",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			return runCampaign(cmd.Context(), s, file, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "campaign", "", "name of the campaign, the same on all shards; by default the time and the scenario")
	flags.BoolVar(&f.resume, "resume", false, "go on with the campaign of that name if it has begun already")
	flags.StringVar(&f.from, "from", "1", "first seed")
	flags.BoolVar(&f.draw, "draw-seeds", false, "draw the seeds from the campaign's name instead of counting from --from")
	flags.IntVar(&f.seeds, "seeds", 100, "how many seeds, on all shards together; 0 as many as --budget allows")
	flags.DurationVar(&f.budget, "budget", 0, "begin no seed after this time; 0 knows no end")
	flags.DurationVar(&f.timeout, "seed-timeout", 10*time.Minute, "a seed that takes longer has failed; 0 lets it run")
	flags.StringVar(&f.shard, "shard", "1/1", "which part of the campaign to run: i/n, or auto")
	flags.IntVar(&f.workers, "workers", runtime.NumCPU(), "how many to run at a time")
	flags.StringSliceVar(&f.plant, "plant", nil, "plant a bug in the broker, such as B1")
	f.canary.add(flags)
	flags.IntVar(&f.failFast, "fail-fast", 0, "stop after so many failing seeds; 0 runs all")
	flags.IntVar(&f.rerun, "rerun", 50, "run one in so many passing seeds twice; 0 none")
	flags.IntVar(&f.keep, "keep", 1, "write the result directories of so many seeds of each finding")
	flags.StringVar(&f.out, "out", "weir-out", "directory for the campaign's directory")
	flags.BoolVar(&f.json, "json", false, "print results as JSON lines instead of the summary")
	return cmd
}

func (f *campaignFlags) check() error {
	switch {
	case f.seeds < 0 || f.workers < 1:
		return errors.New("--seeds must not be negative, --workers must be at least 1")
	case f.seeds == 0 && f.budget <= 0:
		return errors.New("--seeds 0 knows no end: give --budget, or how many seeds")
	case f.failFast < 0 || f.rerun < 0 || f.keep < 0 || f.budget < 0 || f.timeout < 0:
		return errors.New("--fail-fast, --rerun, --keep, --budget and --seed-timeout must not be negative")
	case f.resume && f.name == "":
		return errors.New("--resume: name the campaign to go on with by --campaign")
	case f.draw && f.name == "":
		return errors.New("--draw-seeds: seeds are drawn from the campaign's name; give one by --campaign")
	case f.name != "" && (f.name != filepath.Base(f.name) || f.name == "." || f.name == ".."):
		return fmt.Errorf("--campaign %q becomes the name of a directory: leave out separators", f.name)
	}
	return nil
}

// seedRunner runs the seeds of a campaign.
type seedRunner struct {
	scenario *scenario.Scenario
	file     string
	manifest *campaign.Manifest
	dir      string
	planted  []faults.Bug
	rerun    int
	keep     int
	timeout  time.Duration

	mu   sync.Mutex
	kept map[string]int // result directories, by signature

	reached map[string]bool // states
}

func runCampaign(ctx context.Context, s streams, file string, f campaignFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	sc, err := loadScenario(file, f.from)
	if err != nil {
		return err
	}
	shard, err := campaign.ParseShard(f.shard, os.Getenv)
	if err != nil {
		return err
	}
	if shard.Of > 1 && f.name == "" {
		return errors.New("--shard: give the campaign a name by --campaign, the same on all shards")
	}
	planted, err := faults.Plant(f.plant)
	if err != nil {
		return err
	}
	m, err := manifest(sc, f, shard, planted)
	if err != nil {
		return internal(err)
	}
	dir := filepath.Join(f.out, "campaign", m.Campaign)
	if shard.Of > 1 {
		dir = filepath.Join(dir, fmt.Sprintf("shard-%d-of-%d", shard.Index, shard.Of))
	}
	if m.Canary, err = f.canary.search(ctx, s.err, file); err != nil {
		return err
	}
	journal, err := campaign.Open(dir, *m, f.resume)
	if err != nil {
		return err
	}

	runner := &seedRunner{scenario: sc, file: file, manifest: m, dir: dir, planted: planted, rerun: f.rerun, keep: f.keep, timeout: f.timeout, kept: map[string]int{}, reached: map[string]bool{}}
	for _, r := range journal.Before {
		if r.Kept != "" {
			runner.kept[r.Signature]++
		}
		for _, state := range r.NewStates {
			runner.reached[state] = true
		}
	}
	bar := newCountProgress(s.err, sc.Name, "seeds", len(mine(m)))
	for range journal.Before {
		bar.one()
	}
	lines := json.NewEncoder(io.Discard)
	if f.json {
		lines = json.NewEncoder(s.out)
	}
	ended, err := campaign.Run(ctx, journal, campaign.Options{
		Workers: f.workers, FailFast: f.failFast, Budget: f.budget, Simulate: runner.simulate,
		Done: func(r campaign.Result) {
			_ = lines.Encode(r) // whoever closes the pipe has read enough
			bar.one()
		},
	})
	bar.done()
	if err != nil {
		return internal(err)
	}
	merged, err := readAndMerge(dir)
	if err != nil {
		return internal(err)
	}
	if err := reportcampaign.Write(dir, merged); err != nil {
		return internal(err)
	}
	if !f.json {
		_, _ = io.WriteString(s.out, reportcampaign.Summary(merged))
		_, _ = fmt.Fprintf(s.out, "results: %s\n", filepath.Join(dir, campaign.ResultsFile))
		if ended == "" {
			_, _ = fmt.Fprintf(s.out, "it was cut short; go on with the same command and --campaign %s --resume\n", m.Campaign)
		}
	}
	code := campaignExit(merged)
	if shard.Of > 1 && ended != "" {
		code = exitPassed // "weir merge" has the verdict
	}
	return verdict(code)
}

// mine are the ordinals of this machine, none if the campaign has no number.
func mine(m *campaign.Manifest) []int {
	var all []int
	for k := range m.Seeds {
		if m.Mine(k) {
			all = append(all, k)
		}
	}
	return all
}

func manifest(sc *scenario.Scenario, f campaignFlags, shard campaign.Shard, planted []faults.Bug) (*campaign.Manifest, error) {
	binary, err := ownHash()
	if err != nil {
		return nil, err
	}
	text, err := sc.YAML()
	if err != nil {
		return nil, err
	}
	m := &campaign.Manifest{
		Schema: campaign.Schema, Campaign: f.name, Scenario: sc.Name, Text: string(text), Binary: binary, Commit: rundir.Provenance().Commit,
		From: sc.Seed.String(), Seeds: f.seeds, Of: shard.Of, Shards: []int{shard.Index}, Started: now().UTC(), Ended: []string{""},
	}
	if m.Campaign == "" {
		m.Campaign = m.Started.Format("20060102T150405.000") + "-" + sc.Name
	}
	if f.draw {
		m.From = ""
	}
	for _, bug := range planted {
		m.Planted = append(m.Planted, bug.ID)
	}
	return m, nil
}

// ownHash is the SHA-256 of this program.
func ownHash() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(exe)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// simulate runs one seed, and once more if it failed or its turn has come.
func (c *seedRunner) simulate(ctx context.Context, ordinal int) campaign.Result {
	one := *c.scenario
	one.Seed = c.manifest.Seed(ordinal)
	explicit := one.Resolve()
	started := now()
	r := campaign.Result{Seed: one.Seed.String()}
	if c.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		ctx = limited
	}
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit})
	r.Wall = now().Sub(started)
	switch {
	case err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("the simulation had not come to its end after %s (--seed-timeout)", c.timeout)
		fallthrough
	case err != nil:
		r.Exit, r.Error = exitInternal, err.Error()
		r.Signature = linearizability.Shape(r.Error)
		r.Command = reproduce(c.file, one.Seed, targetSim, c.planted)
		return r
	}
	r.TraceHash = fmt.Sprintf("%016x", o.Trace.Hash)
	r.NewStates = c.newStates(o)
	r.Events, r.Acked, r.Simulated, r.Excused = o.Trace.Steps, o.Acked, o.ClusterTime, len(o.Verdict.Excused)
	for _, finding := range o.Verdict.Findings {
		r.Findings = append(r.Findings, finding.Code+": "+finding.Sentence)
	}
	record := rundir.NewRun(explicit, targetSim, started, c.planted)
	record.Command = reproduce(c.file, one.Seed, targetSim, c.planted)
	if exit := exitCode(record.Run, o); !o.Abandoned && (exit != exitPassed || c.rerun > 0 && ordinal%c.rerun == 0) {
		again := c.again(ctx, &r, record, explicit, exit != exitPassed && c.claim(signature(o, exit, "")))
		if again != "" {
			r.Rerun = "same"
			if again != r.TraceHash {
				r.Rerun = "different"
			}
		}
	}
	record.Rerun = r.Rerun
	if r.Exit = exitCode(record.Run, o); r.Exit != exitPassed {
		r.Command = record.Command
		r.Error = o.Interrupted
		r.Signature = signature(o, r.Exit, r.Rerun)
	}
	return r
}

// newStates are the names of the states that no run before has reached.
func (c *seedRunner) newStates(o *workloads.Outcome) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range explore.Of(o) {
		if name := s.String(); !c.reached[name] {
			c.reached[name] = true
			names = append(names, name)
		}
	}
	return names
}

// claim says whether one more result directory of this signature is wanted.
func (c *seedRunner) claim(signature string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[signature]++
	return c.kept[signature] <= c.keep
}

// again runs a seed once more, with everything written down if it is to be
// kept, and returns its trace hash, "" if it did not come to its end.
func (c *seedRunner) again(ctx context.Context, r *campaign.Result, record rundir.Record, explicit *scenario.Scenario, keep bool) string {
	if !keep {
		o, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit, Unjudged: true})
		if err != nil || ctx.Err() != nil {
			return ""
		}
		return fmt.Sprintf("%016x", o.Trace.Hash)
	}
	started := now()
	kept := filepath.Join(campaign.FailDir, r.Seed)
	res, err := rundir.Create(filepath.Join(c.dir, kept), explicit, started)
	if err != nil {
		r.Error = err.Error()
		return ""
	}
	o, err := workloads.RunSim(ctx, workloads.Options{Scenario: explicit, Sink: res, History: res.History})
	if err != nil || ctx.Err() != nil {
		r.Error = errors.Join(err, ctx.Err(), res.Close(), record.Save(res.Dir)).Error()
		return ""
	}
	var probe *simtarget.Probe
	if f := o.Verdict.Gravest(); f != nil {
		probe, _, _ = rundir.LookClosely(ctx, explicit, f) // without it the story is poorer
	}
	if err := res.Finish(record, o, probe, now().Sub(started)); err != nil {
		r.Error = err.Error()
		return ""
	}
	r.Kept = filepath.ToSlash(kept)
	return fmt.Sprintf("%016x", o.Trace.Hash)
}

// signature is what failing seeds of the same kind have in common.
func signature(o *workloads.Outcome, exit int, rerun string) string {
	switch {
	case rerun == "different":
		return "not deterministic"
	case len(o.Verdict.Findings) > 0:
		return o.Verdict.Signature()
	case o.Interrupted != "":
		return linearizability.Shape(o.Interrupted)
	}
	return fmt.Sprintf("exit code %d", exit)
}
