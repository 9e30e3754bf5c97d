package simtest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/simtest"
)

func TestAScenarioPassesWithEverySeed(t *testing.T) {
	simtest.Run(t, "testdata/small.yaml", simtest.Seeds("1-3, 0x10"))
}

// auditor counts what it reads of the load's topic, and at the end finds that it
// has missed nothing.
func auditor(total *atomic.Int64) *program.Custom {
	return &program.Custom{Name: "auditor", Count: 1, Run: func(e env.Env, m *program.Member) error {
		c, err := m.Client()
		if err != nil {
			return err
		}
		ends, err := ends(e, c, m)
		if err != nil {
			return err
		}
		total.Add(ends)
		if ends == 0 {
			return errors.New("the load has written nothing")
		}
		return nil
	}}
}

// latest is the timestamp that stands for the end of a log.
const latest = -1

// ends waits for the end of the load and adds up the end offsets of its topic.
func ends(e env.Env, c *client.Client, m *program.Member) (sum int64, err error) {
	e.Sleep(m.Left())
	for p := range m.Topic.Partitions {
		offset, _, err := c.Admin().ListOffset(client.TopicPartition{Topic: m.Topic.Name, Partition: p}, latest, time.Minute)
		if err != nil {
			return 0, err
		}
		sum += offset
	}
	return sum, nil
}

func TestAProgramOfTheTestsRunsBesideTheLoad(t *testing.T) {
	var total atomic.Int64
	simtest.Run(t, "testdata/small.yaml", simtest.Seeds("1-2"), simtest.Programs(func() []program.Program {
		return []program.Program{auditor(&total)}
	}))
	require.Greater(t, total.Load(), int64(300))
}

func TestSettingsAndScenariosAreChanged(t *testing.T) {
	seen := ""
	simtest.Run(t, "testdata/small.yaml", simtest.Set("num.replica.fetchers", "2"), simtest.Change(func(s *scenario.Scenario) {
		s.Load.Duration = scenario.ExactSpan(2 * time.Second)
		s.Faults = scenario.Faults{}
		seen = s.Cluster.Properties["min.insync.replicas"]
	}))
	require.Equal(t, "2", seen)
}

func TestKeptPlansAreRunAgain(t *testing.T) {
	var runs atomic.Int64
	simtest.Run(t, "testdata/small.yaml", simtest.Programs(func() []program.Program {
		runs.Add(1)
		return nil
	}), simtest.Change(func(s *scenario.Scenario) { s.Load.Duration = scenario.ExactSpan(9 * time.Second) }))
	require.Equal(t, int64(2), runs.Load())
}

func TestAClusterForCodeOfTheTests(t *testing.T) {
	simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
		c, err := w.Client(e, "test")
		if err != nil {
			return err
		}
		defer c.Close()
		p, err := c.NewProducer(client.DefaultProducerConfig())
		if err != nil {
			return err
		}
		defer p.Close(0)
		began := e.Now()
		heal, err := w.Strike(e, "kind: power-loss, node: leader of orders-0")
		if err != nil {
			return err
		}
		if result := p.ProduceSync(&client.Record{Topic: "orders", Value: []byte("x")}); result.Outcome != client.OutcomeOK {
			return fmt.Errorf("written after %v: %v: %w", e.Now()-began, result.Outcome, result.Err)
		}
		if e.Now()-began < time.Second {
			return errors.New("nobody had to notice that the leader was gone")
		}
		heal()
		heal()
		if err := w.AwaitSettled(e, time.Minute); err != nil {
			return err
		}
		if n := len(w.Partitions(e)); n < 3 {
			return fmt.Errorf("%d partitions", n)
		}
		elsewhere := false
		w.Go("other", func(other env.Env) { elsewhere = other.NodeName() == "other" }).Wait()
		if !elsewhere {
			return errors.New("the task did not run on a machine of its own")
		}
		e.Sleep(time.Minute)
		return nil
	}, simtest.Seeds("1-2"), simtest.Topic("orders", 3, "min.insync.replicas=2"), simtest.Brokers(3), simtest.Set("broker.session.timeout.ms", "3000"), simtest.Set("broker.heartbeat.interval.ms", "500"))
}

func TestFaultsThatCannotHappenAreErrors(t *testing.T) {
	simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
		for fault, complaint := range map[string]string{
			"kind: meteor, node: broker-1":                         "is not a fault",
			"kind: crash, node: broker-9":                          "broker-9",
			"kind: crash, node: broker-1, for: 2s":                 "leave out the keys at and for",
			"kind: crash, node: broker-1, nod: x":                  "nod",
			"kind: pause, node: it, after: election of controller": "waits for nothing",
		} {
			if _, err := w.Strike(e, fault); err == nil || !strings.Contains(err.Error(), complaint) {
				return fmt.Errorf("%s: %v", fault, err)
			}
		}
		if len(w.Bootstrap()) != 2 {
			return errors.New("two brokers were asked for")
		}
		return nil
	}, simtest.Brokers(2))
}

// victim makes the test binary run tests that fail.
const victim = "WEIR_TEST_SIMTEST_VICTIM"

func TestVictims(t *testing.T) {
	if os.Getenv(victim) == "" {
		t.Skip("these fail; other tests run them and look at what they say")
	}
	t.Run("program", func(t *testing.T) {
		simtest.Run(t, "testdata/small.yaml", simtest.Seeds("1-2"), simtest.Programs(func() []program.Program {
			return []program.Program{&program.Custom{Name: "doubter", Count: 1, Run: func(e env.Env, m *program.Member) error {
				e.Sleep(m.Left())
				if e.Rand("doubt", m.Name).Int64n(1000) > 800 { // 825 in seed 2, 280 in seed 1
					return errors.New("I have my doubts")
				}
				return nil
			}}}
		}))
	})
	t.Run("cluster", func(t *testing.T) {
		simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
			e.Sleep(time.Second)
			return errors.New("it was not to be")
		}, simtest.Brokers(1))
	})
	t.Run("panic", func(t *testing.T) {
		simtest.Cluster(t, func(e env.Env, w *simtest.World) error { panic("oh") }, simtest.Brokers(1))
	})
	t.Run("nondeterminism", func(t *testing.T) {
		var calls atomic.Int64
		simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
			e.Sleep(time.Duration(calls.Add(1)) * time.Second)
			return errors.New("as always")
		}, simtest.Brokers(1))
	})
}

// victims runs tests that fail and returns what they say.
func victims(t *testing.T, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	return string(out)
}

func TestAFailureSaysHowToRepeatIt(t *testing.T) {
	dir := t.TempDir()
	said := victims(t, "-test.run=^TestVictims$/^program$", "-weir.out="+dir)
	require.NotContains(t, said, "seed 0x1 of")
	require.Contains(t, said, "simtest: seed 0x2 of small: fail")
	require.Contains(t, said, "PROGRAM: doubter-0 ended with an error: I have my doubts")
	require.Contains(t, said, "go test github.com/weirlab/weir/workloads/simtest -count=1 -run '^TestVictims$/^program$/^seed$/^0x2$' -weir.seed=0x2")
	require.Contains(t, said, filepath.Join("testdata", "weir", "TestVictims", "program", "0x2.yaml"))
	require.NotContains(t, said, "-artifacts keeps it")
	dirs, err := filepath.Glob(filepath.Join(dir, "small", "*-0x2"))
	require.NoError(t, err)
	require.Len(t, dirs, 1)
	run, err := reports.Load(dirs[0])
	require.NoError(t, err)
	require.Equal(t, "same", run.Rerun)
	require.FileExists(t, filepath.Join(dirs[0], "report.html"))
	plan, err := scenario.ReadFile(filepath.Join(dirs[0], reports.PlanFile))
	require.NoError(t, err)
	require.True(t, plan.Explicit())

	// The line repeats it, and a plan that is kept fails again.
	again := victims(t, "-test.run=^TestVictims$/^program$/^seed$/^0x2$", "-weir.seed=0x2")
	require.Contains(t, again, "I have my doubts")
	require.Contains(t, again, "until the test has ended: -weir.out=DIR or -artifacts keeps it")
}

func TestAFailingPlanIsShrunk(t *testing.T) {
	dir := t.TempDir()
	said := victims(t, "-test.run=^TestVictims$/^program$", "-weir.seed=0x2", "-weir.shrink", "-weir.out="+dir)
	file := regexp.MustCompile(`the smallest plan that still fails so, of \d+ that were tried, is (.*shrunk\.yaml):`).FindStringSubmatch(said)
	require.NotNil(t, file, said)
	plan, err := scenario.ReadFile(file[1])
	require.NoError(t, err)
	require.Empty(t, plan.Faults.Plan)
	require.Less(t, plan.Load.Duration.Value(), 10*time.Second)
}

func TestOtherFailuresAreNamed(t *testing.T) {
	said := victims(t, "-test.run=^TestVictims$/^(cluster|panic|nondeterminism)$", "-weir.out="+t.TempDir())
	require.Contains(t, said, "PROGRAM: it was not to be")
	require.Contains(t, said, "PANIC: task director of director panicked: oh")
	require.Contains(t, said, "the same plan ran differently the second time")
}

func TestFlagsThatCannotBeReadAreNamed(t *testing.T) {
	require.Contains(t, victims(t, "-test.run=^TestVictims$/^program$", "-weir.seeds=9-1"), `"9-1": give a range upwards`)
	require.Contains(t, victims(t, "-test.run=^TestVictims$/^program$", "-weir.seed=x"), "x")
}
