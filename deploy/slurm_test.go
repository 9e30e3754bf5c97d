package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const shortScenario = `name: short
topic: {name: orders, partitions: 1, replication.factor: 1}
cluster: {brokers: 1}
load:
  duration: 1s
  producers: {count: 1, rate: 20, record-size: 50}
`

// A real Slurm on this machine runs a campaign as an array of four tasks; what
// they wrote merges into the whole.
func TestAnArrayOfSlurmIsACampaign(t *testing.T) {
	dir := t.TempDir()
	slurm := startSlurm(t, dir)
	weir := build(t)
	scenario := filepath.Join(dir, "short.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte(shortScenario), 0o644))
	script, err := filepath.Abs(filepath.Join("slurm", "campaign.sbatch"))
	require.NoError(t, err)
	out := filepath.Join(dir, "out")
	text := slurm(t, "sbatch", "--wait", "--array=0-3", "--chdir="+dir,
		fmt.Sprintf("--export=ALL,WEIR=%s,SCENARIO=%s,SEEDS=30,CAMPAIGN=array,OUT=%s", weir, scenario, out), script)
	require.Contains(t, text, "Submitted batch job")

	campaign := filepath.Join(out, "campaign", "array")
	merged := command(t, dir, weir, "merge", campaign)
	require.Contains(t, merged, "short: 30 of 30 seeds passed")
	for shard, seeds := range map[int]int{1: 8, 2: 8, 3: 7, 4: 7} {
		lines, err := os.ReadFile(filepath.Join(campaign, fmt.Sprintf("shard-%d-of-4", shard), "results.jsonl"))
		require.NoError(t, err)
		require.Equal(t, seeds, bytes.Count(lines, []byte("\n")), "shard %d", shard)
	}

	// One shard less is noticed.
	require.NoError(t, os.RemoveAll(filepath.Join(campaign, "shard-2-of-4")))
	require.NoError(t, os.RemoveAll(filepath.Join(campaign, "merged")))
	cmd := exec.Command(weir, "merge", campaign)
	text2, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
	require.Contains(t, string(text2), "Of 4 shards 2 never wrote anything.")
	require.Contains(t, string(text2), "8 seeds are missing")
}

// A campaign is killed while it runs, as an out-of-memory killer would, and the
// same command goes on where it was.
func TestAKilledCampaignIsResumed(t *testing.T) {
	dir := t.TempDir()
	weir := build(t)
	scenario := filepath.Join(dir, "short.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte(shortScenario), 0o644))
	args := []string{"campaign", scenario, "--campaign", "killed", "--resume", "--seeds", "100", "--workers", "1", "--out", filepath.Join(dir, "out")}
	results := filepath.Join(dir, "out", "campaign", "killed", "results.jsonl")
	lines := func() int {
		text, err := os.ReadFile(results)
		if errors.Is(err, os.ErrNotExist) {
			return 0
		}
		require.NoError(t, err)
		return bytes.Count(text, []byte("\n"))
	}
	first := exec.Command(weir, args...)
	require.NoError(t, first.Start())
	for lines() < 5 {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, first.Process.Kill())
	_ = first.Wait() // it was killed
	before := lines()
	require.GreaterOrEqual(t, before, 5)
	require.Less(t, before, 100)
	require.Contains(t, command(t, dir, weir, args...), "short: 100 of 100 seeds passed")
	require.Equal(t, 100, lines())
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), text)
	return string(text)
}

// weir is the program, built once for all tests.
var weir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weir-deploy-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "weir")
	if text, err := exec.Command("go", "build", "-o", file, "../cmd/weir").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := weir(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file)) // it is in the directory for temporary files
	}
	os.Exit(code)
}

func build(t *testing.T) string {
	t.Helper()
	file, err := weir()
	require.NoError(t, err)
	return file
}

// startSlurm runs a controller and a node on loopback and returns how to call
// Slurm's commands. The test is skipped where there is no Slurm.
func startSlurm(t *testing.T, dir string) func(t *testing.T, name string, args ...string) string {
	t.Helper()
	for _, tool := range []string{"slurmctld", "slurmd", "sbatch", "sinfo"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine (Debian: slurm-wlm)", tool)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("a Slurm node is started by root")
	}
	host, err := os.Hostname()
	require.NoError(t, err)
	host, _, _ = strings.Cut(host, ".")
	at := filepath.Join(dir, "slurm")
	var config string
	for { // a port that was free may be taken before the daemon binds it
		config = configure(t, at, host)
		if start(t, config, at) {
			break
		}
		require.NoError(t, os.RemoveAll(at))
	}
	call := func(t *testing.T, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "SLURM_CONF="+config)
		text, err := cmd.CombinedOutput()
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(at, "d.log"))
			require.NoError(t, err, "%s\n%s", text, log)
		}
		return string(text)
	}
	return call
}

// configure writes slurm.conf for one node, with ports that nobody listens on.
func configure(t *testing.T, at, host string) string {
	t.Helper()
	for _, sub := range []string{"state", "spool"} {
		require.NoError(t, os.MkdirAll(filepath.Join(at, sub), 0o755))
	}
	one, other := freePorts(t)
	config := filepath.Join(at, "slurm.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `ClusterName=weir
SlurmctldHost=%[1]s(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/linear
ReturnToService=2
MpiDefault=none
SlurmctldPort=%[3]d
SlurmdPort=%[4]d
SlurmctldPidFile=%[2]s/ctld.pid
SlurmdPidFile=%[2]s/d.pid
StateSaveLocation=%[2]s/state
SlurmdSpoolDir=%[2]s/spool
SlurmctldLogFile=%[2]s/ctld.log
SlurmdLogFile=%[2]s/d.log
NodeName=%[1]s NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
`, host, at, one, other), 0o644))
	return config
}

// start starts both daemons and waits until the node takes jobs. It is false if
// one of them found its port taken.
func start(t *testing.T, config, at string) bool {
	t.Helper()
	ended := make(chan string, 2)
	var running []*exec.Cmd
	stop := func() {
		for _, cmd := range running {
			_ = cmd.Process.Signal(os.Interrupt) // it may be gone
		}
		for range running {
			<-ended
		}
	}
	for daemon, log := range map[string]string{"slurmctld": "ctld.log", "slurmd": "d.log"} {
		cmd := exec.Command(daemon, "-D", "-f", config)
		cmd.Env = append(os.Environ(), "SLURM_CONF="+config)
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
		go func() {
			_ = cmd.Wait()                                 // how it ended is in its log
			text, _ := os.ReadFile(filepath.Join(at, log)) // there is none if it ended at once
			ended <- daemon + ": " + string(text)
		}()
	}
	for {
		cmd := exec.Command("sinfo", "--noheader", "--format=%T")
		cmd.Env = append(os.Environ(), "SLURM_CONF="+config)
		if text, err := cmd.Output(); err == nil && strings.TrimSpace(string(text)) == "idle" {
			t.Cleanup(stop)
			return true
		}
		select {
		case text := <-ended:
			ended <- text
			stop()
			require.Contains(t, text, "Address already in use")
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePorts are two ports that nobody listens on.
func freePorts(t *testing.T) (one, other int) {
	t.Helper()
	var ports []int
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports[0], ports[1]
}
