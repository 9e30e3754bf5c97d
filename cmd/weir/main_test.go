package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads/campaign"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main})
}

// TestScripts runs the scenes in testdata/script, which read like a terminal.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// call runs weir inside this process.
func call(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestMistakesOnTheCommandLine holds that whoever calls weir wrongly gets one
// sentence, with the remedy in it, and exit code 64.
func TestMistakesOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("name: bad\ntopic: {name: a, partitions: 1, replication.factor: 5}\n"), 0o600))
	properties := filepath.Join(dir, "server.properties")
	require.NoError(t, os.WriteFile(properties, []byte("# of Kafka\nssl.keystore.location = /etc/keys\n"), 0o600))
	for want, args := range map[string][]string{
		`there is no scenario file nowhere.yaml; built in are consumer-groups, directories, gp2-credits, harsh, quickstart`: {"run", "nowhere.yaml"},
		`bad.yaml:2: topic.replication.factor: 5 replicas need as many brokers, but the cluster has 3`:                      {"run", bad},
		`--target "moon" is not known; use sim; local for`:                                                                  {"run", "--target", "moon"},
		`--seed: seed "banana" is not a whole number`:                                                                       {"run", "--seed", "banana"},
		`unknown flag: --sead; see weir run --help`:                                                                         {"run", "--sead", "1"},
		`make faultbuild`:                                                               {"run", "--plant", "B1"},
		`--openmessaging and --driver: give both`:                                       {"run", "--driver", "kafka.yaml"},
		`only simulated brokers are measured so`:                                        {"run", "--driver", "kafka.yaml", "--openmessaging", "w.yaml", "--target", "local"},
		`--minute: 2m0s is not from 100ms to 1m`:                                        {"run", "--driver", "kafka.yaml", "--openmessaging", "w.yaml", "--minute", "2m"},
		`there is no planted bug "B999"`:                                                {"campaign", "--plant", "B999"},
		`--seeds 0 knows no end: give --budget`:                                         {"campaign", "--seeds", "0"},
		`--workers must be at least 1`:                                                  {"campaign", "--workers", "0"},
		`--shard: give the campaign a name`:                                             {"campaign", "--shard", "1/2"},
		`shards are counted from 1`:                                                     {"campaign", "--shard", "0/2"},
		`--resume: name the campaign`:                                                   {"campaign", "--resume"},
		`--draw-seeds: seeds are drawn from`:                                            {"campaign", "--draw-seeds"},
		`becomes the name of a directory`:                                               {"campaign", "--campaign", "a/b"},
		`--canary B1: exec: "nowhere"`:                                                  {"campaign", "--canary", "B1", "--canary-weir", "nowhere", "--out", dir},
		`there is no campaign.json in it or below`:                                      {"merge", dir},
		`no such file or directory`:                                                     {"history", filepath.Join(dir, "nothing")},
		`there is no history to judge`:                                                  {"check", filepath.Join(dir, "nothing")},
		`is not a result directory`:                                                     {"report", dir},
		`--data is missing`:                                                             {"broker"},
		`--listen "9092" is not host:port`:                                              {"broker", "--data", dir, "--listen", "9092"},
		`--voters: "1" is not id@host:port`:                                             {"broker", "--data", dir, "--voters", "1"},
		`--set: unknown broker setting num.partition (did you mean "num.partitions"?)`:  {"broker", "--data", dir, "--set", "num.partition=3"},
		`Invalid value many for configuration num.partitions: Not a number of type INT`: {"broker", "--data", dir, "--set", "num.partitions=many"},
		`--set: node.id is given by --node-id`:                                          {"broker", "--data", dir, "--set", "node.id=3"},
		`server.properties:2: unknown broker setting ssl.keystore.location; in Kafka it needs TLS`: {"broker", "--data", dir, "--config", properties},
		`--nodes 0 is not possible; use 1 to 99`:                                                   {"broker", "--data", dir, "--nodes", "0"},
		`broker.heartbeat.interval.ms (9s) must be below`:                                          {"broker", "--data", dir, "--set", "broker.heartbeat.interval.ms=9000"},
		`unknown command "brew" for "weir"`:                                                        {"brew"},
	} {
		code, _, errOut := call(append(args, "--help=false")...)
		require.Equal(t, exitUsage, code, "%v: %s", args, errOut)
		require.Contains(t, errOut, want, "%v", args)
		require.Equal(t, 1, strings.Count(strings.TrimSpace(errOut), "\n")+1, "%v: one sentence, not:\n%s", args, errOut)
	}
}

func TestBrokerSettingsArePrintedFromTheRegistry(t *testing.T) {
	code, out, errOut := call("broker", "--settings")
	require.Equal(t, exitPassed, code, errOut)
	for _, line := range []string{
		"retention.ms = 604800000\n    long; topic; at least -1\n",
		"log.retention.ms = unset\n    long; broker, cluster-wide; at least 1, or negative for no limit\n",
		"preallocate = false\n    boolean; topic; takes only its default, as anything else needs preallocation of segments\n",
	} {
		require.Contains(t, out, line)
	}
}

func TestBrokersAreConfiguredByFileAndThenByFlag(t *testing.T) {
	dir := t.TempDir()
	properties := filepath.Join(dir, "server.properties")
	require.NoError(t, os.WriteFile(properties, []byte("! both comments\n# of Kafka\n\nnum.partitions=3\nmessage.max.bytes = 5000\n"), 0o600))
	configs, err := brokerConfigs(brokerFlags{nodes: 1, nodeID: 1, listen: "127.0.0.1:9092", data: []string{dir}, config: properties, set: []string{"num.partitions=4"}})
	require.NoError(t, err)
	require.Equal(t, int32(4), configs[0].DefaultPartitions)
	require.Equal(t, "5000", configs[0].Values()["message.max.bytes"])
}

// runQuickly runs a short scenario and returns its result directory.
func runQuickly(t *testing.T) string {
	t.Helper()
	out := t.TempDir()
	code, stdout, stderr := call("run", "testdata/short.yaml", "--out", out)
	require.Equal(t, exitPassed, code, "%s%s", stdout, stderr)
	dir, err := filepath.EvalSymlinks(filepath.Join(out, "latest"))
	require.NoError(t, err)
	return dir
}

func TestARunLeavesAWholeResultDirectory(t *testing.T) {
	dir := runQuickly(t)
	for _, name := range []string{
		reports.PlanFile, reports.RunFile, reports.HistoryFile, reports.LatencyFile, reports.SeriesFile, reports.EventsFile, reports.ReportFile,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
	}
	r, err := reports.Load(dir)
	require.NoError(t, err)
	require.True(t, r.Complete)
	require.NotEmpty(t, r.TraceHash)
	require.NotEmpty(t, r.Faults)

	// The plan it wrote is explicit: running it is the same run.
	out := t.TempDir()
	code, stdout, stderr := call("run", filepath.Join(dir, reports.PlanFile), "--out", out, "--json")
	require.Equal(t, exitPassed, code, "%s", stderr)
	var again reports.Run
	require.NoError(t, json.Unmarshal([]byte(stdout), &again))
	require.Equal(t, r.TraceHash, again.TraceHash)
}

// TestReportInChromium opens a report in a real browser.
func TestReportInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (Debian package chromium): the report was not opened in a browser")
	}
	report := filepath.Join(runQuickly(t), reports.ReportFile)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", "file://"+report)
	var dom, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &dom, &log
	require.NoError(t, cmd.Run(), "%s", log.String())
	for line := range strings.Lines(log.String()) {
		require.NotContains(t, line, "CONSOLE", "the browser's console says")
	}
	require.GreaterOrEqual(t, strings.Count(dom.String(), "<svg"), 3, "plots in the report")
}

// foundIn100 is the first of 100 seeds that finds a planted bug and names it so; others
// may see no more of it than what it does to the brokers' inner states.
func foundIn100(t *testing.T, weir, scenario, bug, finding string) campaign.Result {
	t.Helper()
	for seed := 1; seed <= 100; {
		lines, err := exec.Command(weir, "campaign", scenario, "--from", strconv.Itoa(seed), "--seeds", strconv.Itoa(101-seed),
			"--plant", bug, "--fail-fast", "1", "--json", "--out", t.TempDir()).Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "no seed of 100 found it")
		require.Equal(t, exitFailed, exit.ExitCode(), "%s", exit.Stderr)
		for line := range bytes.Lines(lines) {
			var r campaign.Result
			require.NoError(t, json.Unmarshal(line, &r))
			at, err := strconv.ParseInt(r.Seed, 0, 64)
			require.NoError(t, err)
			seed = max(seed, int(at)+1)
			if r.Exit == exitFailed && regexp.MustCompile(finding).MatchString(strings.Join(r.Findings, "\n")) {
				return r
			}
		}
	}
	require.Fail(t, "no seed of 100 names it", "%s, as %s", bug, finding)
	return campaign.Result{}
}

// What is planted is found within 100 seeds of a scenario that brings it out,
// named for what it is, and without it the same seed passes.
func TestPlantedBugsAreNamed(t *testing.T) {
	weir := os.Getenv("WEIR_FAULTS")
	if weir == "" {
		t.Skip("needs a build with planted bugs; run \"make planted\"")
	}
	for _, c := range []struct{ bug, scenario, finding, evidence string }{
		{"B17", "last-replica.yaml", "K2: offset [0-9]+ of orders-[0-9] was acknowledged", "only 1 of the replicas relied on had been struck, fewer than min.insync.replicas=2"},
		{"W1", "blackout.yaml", "K2: offset [0-9]+ of orders-[0-9] was acknowledged", "no fault had taken the record from its disk; power-loss at [0-9.]+ s took only what lay from offset [0-9]+ on"},
		{"W2", "", "K8: client [0-9]+ was told at [0-9.]+ s that group [a-z-]+ had committed offset [0-9-]+ for orders-[0-9]+, which no order of the commits explains", "client [0-9]+ committed [0-9]+, "},
		{"B33", "", "K3: a broker refused a retry of value [0-9]+ of orders-[0-9]+ with OUT_OF_ORDER_SEQUENCE_NUMBER, although it had been appended", "offset [0-9]+: leader epoch"},
		{"B33", "resending.yaml", "K3: value [0-9]+ of orders-[0-9]+ is in the log twice.* for which there was no need", "sent by client"},
	} {
		t.Run(c.bug+" "+c.scenario, func(t *testing.T) {
			name := "quickstart"
			if c.scenario != "" {
				name = filepath.Join("testdata", "planted", c.scenario)
			}
			found := foundIn100(t, weir, name, c.bug, c.finding)
			words := strings.Fields(found.Command)
			var exit *exec.ExitError
			again, err := exec.Command(weir, append(words[1:], "--json", "--out", t.TempDir())...).Output()
			require.ErrorAs(t, err, &exit, "%s", again)
			var r reports.Run
			require.NoError(t, json.Unmarshal(again, &r))
			evidence := ""
			for _, f := range r.Verdict.Findings {
				evidence += strings.Join(f.Evidence, "\n") + "\n"
			}
			require.Regexp(t, c.evidence, evidence)
			clean := words[1:slices.Index(words, "--plant")]
			text, err := exec.Command(weir, append(clean, "--out", t.TempDir())...).CombinedOutput()
			require.NoError(t, err, "%s", text)
		})
	}
}

// TestPlantedBugs tests the tester: every bug that can be planted must be
// found within 200 seeds, and the command printed for it must find it again.
func TestPlantedBugs(t *testing.T) {
	weir := os.Getenv("WEIR_FAULTS")
	if weir == "" {
		t.Skip("needs a build with planted bugs; run \"make planted\"")
	}
	out := t.TempDir()
	search := exec.Command(weir, "campaign", "--seeds", "200", "--plant", "B1", "--fail-fast", "1", "--json", "--out", out)
	lines, err := search.Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "no seed of 200 found B1")
	require.Equal(t, exitFailed, exit.ExitCode(), "%s", exit.Stderr)

	var found campaign.Result
	seeds := 0
	for line := range bytes.Lines(lines) {
		var r campaign.Result
		require.NoError(t, json.Unmarshal(line, &r))
		if seeds++; r.Exit == exitFailed {
			found = r
		}
	}
	t.Logf("found in seed %s, after %d seeds: %s", found.Seed, seeds, found.Findings[0])
	require.Equal(t, "same", found.Rerun)

	words := strings.Fields(found.Command)
	require.Equal(t, weir, words[0])
	again, err := exec.Command(words[0], append(words[1:], "--json", "--out", out)...).Output()
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitFailed, exit.ExitCode(), "%s", exit.Stderr)
	var r reports.Run
	require.NoError(t, json.Unmarshal(again, &r))
	require.Equal(t, found.TraceHash, r.TraceHash)
	require.Equal(t, found.Findings[0], r.Verdict.Findings[0].Code+": "+r.Verdict.Findings[0].Sentence)

	// Without the bug the same seed passes.
	clean, err := exec.Command(weir, "run", "--seed", found.Seed, "--out", out).CombinedOutput()
	require.NoError(t, err, "%s", clean)

	// A history that holds batches, or one record in ten, is enough to find it.
	quickstart, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "quickstart.yaml"))
	require.NoError(t, err)
	for _, history := range []string{"batches", "sampled\n  sample-every: 10"} {
		file := filepath.Join(t.TempDir(), "quickstart.yaml")
		text := bytes.Replace(quickstart, []byte("\nload:\n"), []byte("\nload:\n  history: "+history+"\n"), 1)
		require.NotEqual(t, quickstart, text)
		require.NoError(t, os.WriteFile(file, text, 0o600))
		text, err = exec.Command(weir, "campaign", file, "--seeds", "50", "--plant", "B1", "--fail-fast", "1", "--out", out).CombinedOutput()
		require.ErrorAs(t, err, &exit, "no seed of 50 found B1 with history: %s\n%s", history, text)
		require.Equal(t, exitFailed, exit.ExitCode(), "%s", text)
	}
}
