package workloads_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

func onMachine(t *testing.T, c scenario.Cluster) *workloads.Outcome {
	t.Helper()
	s := &scenario.Scenario{
		Name: "machines", Seed: 1, Recovery: time.Minute, Cluster: c,
		Topic: scenario.Topic{Name: "t", Partitions: scenario.Exactly(2), ReplicationFactor: scenario.Exactly(3)},
		Load: scenario.Load{
			Duration:  scenario.ExactSpan(2 * time.Second),
			WarmUp:    500 * time.Millisecond,
			Producers: scenario.Producers{Count: scenario.Exactly(2), Rate: scenario.Exactly(500), RecordSize: scenario.Exactly(100)},
			Consumers: scenario.Consumers{Count: scenario.Exactly(1)},
		},
	}
	s.Cluster.Brokers = scenario.Exactly(3)
	text, err := s.YAML()
	require.NoError(t, err)
	s, err = scenario.Parse("machines.yaml", text)
	require.NoError(t, err)
	out, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s})
	require.NoError(t, err)
	require.Equal(t, linearizability.Pass, out.Verdict.Status, "%+v", out.Verdict.Findings)
	require.EqualValues(t, 1000, out.Acked)
	return out
}

func TestAReportNamesTheCostsAndTheStorageThatRan(t *testing.T) {
	about := func(c scenario.Cluster) (all string) {
		for _, m := range simtarget.Models(&scenario.Scenario{Cluster: c}, nil) {
			all += m.What + "\n"
		}
		return all
	}
	c := scenario.Cluster{Machine: "i3en.2xlarge", Storage: scenario.InstanceStore}
	require.Contains(t, about(c), "CPU costs of Weir's broker and client")
	c.Costs = "kafka-jvm"
	require.Contains(t, about(c), "CPU costs of Apache Kafka on the JVM")
	require.NotContains(t, about(c), "Weir's broker")

	p, err := simtarget.MachineOf(c)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "machine.json")
	require.NoError(t, p.Save(file))
	c = scenario.Cluster{Machine: file, Storage: "gp3"}
	require.Contains(t, about(c), "disk limits and credits of gp3")
	require.NotContains(t, about(c), "instance store")
}

func TestEveryStorageCarriesALightLoad(t *testing.T) {
	for _, c := range []scenario.Cluster{
		{Machine: "i3en.2xlarge", Storage: scenario.InstanceStore},
		{Machine: "i4i.2xlarge", Storage: scenario.InstanceStore},
		{Machine: "m5.2xlarge", Storage: "gp2", Volume: scenario.Volume{SizeGiB: 100}},
		{Machine: "m5.2xlarge", Storage: "gp3"},
		{Machine: "m5.2xlarge", Storage: "io2", Volume: scenario.Volume{SizeGiB: 100, IOPS: 3000}},
		{Machine: "m5.2xlarge", Storage: "st1", Volume: scenario.Volume{SizeGiB: 1024}},
		{Storage: "gp2", Volume: scenario.Volume{SizeGiB: 100}},
		{Storage: "st1", Volume: scenario.Volume{SizeGiB: 1024}},
	} {
		t.Run(c.Machine+" "+c.Storage, func(t *testing.T) {
			out := onMachine(t, c)
			require.Len(t, out.Usage, 3)
			for _, u := range out.Usage {
				require.Equal(t, 1500*time.Millisecond, u.Over)
				if c.Machine != "" {
					require.Positive(t, u.CPU, "%s costs processor time", u.Name)
					require.Equal(t, 8, u.Cores)
				}
			}
		})
	}
}

func TestProcessesOfOneMachineShareIt(t *testing.T) {
	out := onMachine(t, scenario.Cluster{Machine: "i3en.2xlarge", Storage: scenario.InstanceStore, Together: true})
	require.Len(t, out.Usage, 5, "the clients are on the machine too, and it is told of as a whole")
	require.Equal(t, "clients", out.Usage[3].Name)
	require.Positive(t, out.Usage[3].CPU)
	require.Equal(t, "machine", out.Usage[4].Name)
	require.Equal(t, 8, out.Usage[4].Cores)
}

func TestMistakesAboutMachines(t *testing.T) {
	for _, c := range []struct {
		cluster scenario.Cluster
		says    string
	}{
		{scenario.Cluster{Machine: "i99.huge", Storage: "gp3"}, "i99.huge"},
		{scenario.Cluster{Machine: "nowhere.json", Storage: scenario.MachineStorage}, "nowhere.json"},
		{scenario.Cluster{Machine: "i3en.2xlarge", Storage: scenario.MachineStorage}, "weir calibrate"},
		{scenario.Cluster{Machine: "i3en.2xlarge", Storage: "gp3", Costs: "cobol"}, "cobol"},
	} {
		_, err := simtarget.MachineOf(c.cluster)
		require.ErrorContains(t, err, c.says)
	}
}
