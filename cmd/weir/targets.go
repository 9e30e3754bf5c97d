package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

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
	flags.StringVar(&f.version, "kafka-version", "4.3.1", "version that Maven fetches")
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
		if o.KafkaLibs, err = f.kafka.fetch(ctx); err != nil {
			return nil, err
		}
		return workloads.RunApacheKafka(ctx, o)
	}
	o.Bootstrap, _ = kafka.Addresses(f.target)
	return workloads.RunKafka(ctx, o)
}

// fetch is the directory of Kafka's jars. What Maven has fetched once is kept in
// the user's cache.
func (f *kafkaFlags) fetch(ctx context.Context) (string, error) {
	if f.libs != "" {
		return f.libs, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "weir", "apache-kafka-"+f.version)
	libs := filepath.Join(dir, "libs")
	if _, err := os.Stat(libs); err == nil {
		return libs, nil
	}
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return "", fmt.Errorf("jars of Apache Kafka %s: give --kafka-libs, the directory \"libs\" of a distribution, or install Maven (Debian: maven), which fetches it: %w", f.version, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	pom := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(pom, fmt.Appendf(nil, kafkaPOM, f.version), 0o644); err != nil {
		return "", err
	}
	var text bytes.Buffer
	cmd := exec.CommandContext(ctx, maven, "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+libs+".new")
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("jars of Apache Kafka %s: mvn -f %s: %w: %s", f.version, pom, err, strings.TrimSpace(text.String()))
	}
	return libs, os.Rename(libs+".new", libs)
}

const kafkaPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>weir</groupId><artifactId>apache-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
`
