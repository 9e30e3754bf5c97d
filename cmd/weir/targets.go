package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target/kafka"
)

// Targets of a run; kafka.Scheme begins those that somebody else runs.
const (
	targetSim         = rundir.TargetSim
	targetLocal       = rundir.TargetLocal
	targetApacheKafka = rundir.TargetApacheKafka
)

const targetNames = "sim; local for real broker processes on this machine; apache-kafka for processes of Apache Kafka; or kafka://host:port,… for a cluster that somebody else runs"

// kafkaFlags say where Apache Kafka comes from.
type kafkaFlags struct {
	libs    string
	version string
}

func (f *kafkaFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.libs, "kafka-libs", "", "directory of Kafka's jars for --target apache-kafka; by default Maven fetches them")
	flags.StringVar(&f.version, "kafka-version", apachekafka.Version, "version that Maven fetches")
}

func (f *runFlags) checkTarget() error {
	if f.target == targetSim {
		return nil
	}
	if _, ours := kafka.Addresses(f.target); !ours && f.target != targetLocal && f.target != targetApacheKafka {
		return fmt.Errorf("--target %q is not known; use %s", f.target, targetNames)
	}
	if len(f.plant) > 0 {
		return errors.New("--plant works with --target sim only: brokers of other targets are processes of their own")
	}
	if f.tape {
		return errors.New("--tape works with --target sim only: nobody chooses in which order real processes run")
	}
	return nil
}

// plan is the explicit scenario for the target.
func (f *runFlags) plan(sc *scenario.Scenario) (*scenario.Scenario, error) {
	explicit := sc.Resolve()
	if addrs, ours := kafka.Addresses(f.target); ours {
		return kafka.Prepare(explicit, addrs)
	}
	return explicit, nil
}

// lead runs the scenario against the target. dir is for brokers of this machine.
func (f *runFlags) lead(ctx context.Context, o workloads.Options, dir string) (_ *workloads.Outcome, err error) {
	o.Dir = dir
	switch f.target {
	case targetSim, "":
		return workloads.RunSim(ctx, o)
	case targetLocal:
		if o.Broker, err = ownBroker(); err != nil {
			return nil, err
		}
		return workloads.RunLocal(ctx, o)
	case targetApacheKafka:
		if o.Kafka, err = f.kafka.fetch(ctx); err != nil {
			return nil, err
		}
		return workloads.RunApacheKafka(ctx, o)
	}
	o.Bootstrap, _ = kafka.Addresses(f.target)
	return workloads.RunKafka(ctx, o)
}

// fetch is Apache Kafka's jars: those of the directory that was named, or Maven's.
func (f *kafkaFlags) fetch(ctx context.Context) (apachekafka.Jars, error) {
	if f.libs != "" {
		return apachekafka.Open(f.libs)
	}
	return apachekafka.Fetch(ctx, f.version)
}
