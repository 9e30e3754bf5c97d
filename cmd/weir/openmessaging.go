package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/openmessaging"
)

// openMessagingFlags are the flags of "weir run" for files of the OpenMessaging
// Benchmark.
type openMessagingFlags struct {
	workload, driver string
	minute           time.Duration
}

func (f *openMessagingFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.workload, "openmessaging", "", "simulate this workload file of the OpenMessaging Benchmark instead, on the scenario's brokers, and write its result file")
	flags.StringVar(&f.driver, "driver", "", "with --openmessaging: a file of the benchmark's Kafka driver")
	flags.DurationVar(&f.minute, "minute", time.Second, "with --openmessaging: how long a minute of the file is simulated")
}

// given reports whether one of the flags was.
func (f *openMessagingFlags) given(flags *pflag.FlagSet) bool {
	return flags.Changed("openmessaging") || flags.Changed("driver") || flags.Changed("minute")
}

func (f *openMessagingFlags) check(flags *pflag.FlagSet, target string) error {
	for _, name := range []string{"plant", "verify", "tape"} {
		if flags.Changed(name) {
			return fmt.Errorf("--%s means nothing with --openmessaging, which measures and does not judge; leave it out", name)
		}
	}
	switch {
	case f.workload == "" || f.driver == "":
		return errors.New("--openmessaging and --driver: give both, a workload file and a driver file")
	case f.minute < 100*time.Millisecond || f.minute > time.Minute:
		return fmt.Errorf("--minute: %v is not from 100ms to 1m", f.minute)
	case target != targetSim:
		return fmt.Errorf("--openmessaging: only simulated brokers are measured so; leave --target %s out", target)
	}
	return nil
}

func runOpenMessaging(cmd *cobra.Command, s streams, file string, f runFlags) error {
	o := &f.openMessaging
	if err := o.check(cmd.Flags(), f.target); err != nil {
		return err
	}
	base, err := loadScenario(file, f.seed)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.workload)
	if err != nil {
		return fmt.Errorf("--openmessaging: %w", err)
	}
	w, err := openmessaging.ReadWorkload(o.workload, text)
	if err != nil {
		return err
	}
	if text, err = os.ReadFile(o.driver); err != nil {
		return fmt.Errorf("--driver: %w", err)
	}
	d, err := openmessaging.ReadDriver(o.driver, text)
	if err != nil {
		return err
	}
	sc, notes, err := openmessaging.Scenario(base, w, d, o.minute)
	if err != nil {
		return err
	}
	for _, note := range notes {
		_, _ = fmt.Fprintf(s.err, "note: %s\n", note)
	}
	begun := now()
	m, err := measure.Run(cmd.Context(), sc.Resolve(), measure.Target{Kind: measure.Sim, Detailed: true})
	if err != nil {
		return internal(err)
	}
	r := openmessaging.NewResult(w, d, m)
	r.Version, r.BeginTime, r.EndTime = "weir", begun.UTC().Format(time.RFC3339), now().UTC().Format(time.RFC3339)
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return internal(err)
	}
	out := filepath.Join(f.out, r.FileName(begun))
	if err := errors.Join(os.MkdirAll(f.out, 0o755), os.WriteFile(out, append(b, '\n'), 0o644)); err != nil {
		return internal(err)
	}
	if f.json {
		_, err = s.out.Write(append(b, '\n'))
		return internal(err)
	}
	_, _ = fmt.Fprintf(s.out, "%s under %s, simulated: published %.0f records/s, %.1f MB/s; consumed %.0f records/s\n"+
		"publish latency p50 %v, p99 %v; end to end p50 %v, p99 %v\nresult: %s\n",
		w.Name, d.Name, m.AckedPerSecond, m.AckedBytesPerSecond/1e6, m.ConsumedPerSecond,
		m.ProduceUncorrected.P(50).Round(10*time.Microsecond), m.ProduceUncorrected.P(99).Round(10*time.Microsecond),
		m.EndToEnd.P(50).Round(10*time.Microsecond), m.EndToEnd.P(99).Round(10*time.Microsecond), out)
	return nil
}
