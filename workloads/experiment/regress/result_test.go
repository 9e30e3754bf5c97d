package regress

import (
	"bytes"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/experiment"
)

// measured is a comparison with made-up times: equal builds but for slower.
func measured(slower float64) *Result {
	r := &Result{
		Schema: Schema, Started: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), Took: time.Minute,
		Old: Build{Name: "bin/weir.before"}, New: Build{Name: "bin/weir", Arguments: []string{plantArgument}},
		GOOS: "linux", GOARCH: "amd64", CPU: "Some Processor", CPUs: 2,
	}
	random := rand.New(rand.NewPCG(1, 1))
	for n := range DefaultMaxRounds {
		for i := range seats {
			p := Process{Round: n, Side: seats[(i+n)%len(seats)]}
			factor := math.Exp(0.02 * random.NormFloat64())
			if p.Side == New {
				factor *= 1 + slower
			}
			for block := range 8 {
				for _, l := range loads {
					f := factor * math.Exp(0.08*random.NormFloat64())
					if block == 3 && i == 1 {
						f *= 5 // a neighbour
					}
					took := func(us float64) time.Duration { return time.Duration(us * 1000 * f) }
					p.Slices = append(p.Slices, Slice{
						Load: l.name, Requests: l.requests, Bytes: 1 << 20,
						Wall: took(50_000), CPU: took(40_000), P50: took(400), P99: took(4000),
					})
				}
			}
			r.Processes = append(r.Processes, p)
		}
	}
	r.evaluate()
	return r
}

func TestEvaluate(t *testing.T) {
	equal, slower, faster := measured(0), measured(0.15), measured(-0.15)
	require.False(t, equal.Alarm)
	require.Equal(t, "Not slower by anything that this machine can tell from noise.", equal.Verdict())
	require.True(t, slower.Alarm)
	require.False(t, slower.undecided(), "six rounds are enough")
	require.Contains(t, slower.Verdict(), "Slower: cpu +1")
	require.False(t, faster.Alarm)
	require.Contains(t, faster.Verdict(), "Not slower. Faster: cpu -1")

	require.Len(t, equal.Metrics, len(metrics))
	for _, c := range equal.Metrics {
		require.GreaterOrEqual(t, c.Gate, c.Least, c.Name)
		require.True(t, c.Low <= c.Change && c.Change <= c.High, c.Name)
		require.Len(t, c.Old.All, 2*DefaultMaxRounds)
	}
	// Saturated, a slice of 1600 requests took about 40 ms of processor time.
	require.InDelta(t, 25, equal.Metrics[1].Old.Value, 2)
}

func TestWithoutProcessorTimesTheRestIsCompared(t *testing.T) {
	r := measured(0.15)
	for i := range r.Processes {
		for j := range r.Processes[i].Slices {
			r.Processes[i].Slices[j].CPU = 0
		}
	}
	r.evaluate()
	require.Len(t, r.Metrics, 5)
	require.True(t, r.Alarm)
	require.Equal(t, "saturate/wall", r.Metrics[0].Name)
	require.NoError(t, r.Document().Check())
}

func TestResultsAreReadAndJudgedAnew(t *testing.T) {
	r := measured(0.15)
	var file bytes.Buffer
	require.NoError(t, experiment.Write(&file, r))
	text := strings.ReplaceAll(file.String(), `"alarm": true`, `"alarm": false`)
	again, err := Read(strings.NewReader(text))
	require.NoError(t, err)
	require.True(t, again.Alarm)
	require.Equal(t, r.Verdict(), again.Verdict())
	require.NotContains(t, text, `"binary"`, "paths of this machine stay here")

	_, err = Read(strings.NewReader(`{"schema":"weir.run/1"}`))
	require.ErrorContains(t, err, `the result has schema "weir.run/1"`)
	_, err = Read(strings.NewReader(strings.Replace(text, `"round": 5`, `"round": 99`, 1)))
	require.ErrorContains(t, err, "damaged")
}

func TestDocuments(t *testing.T) {
	for _, slower := range []float64{0, 0.15} {
		d := measured(slower).Document()
		require.NoError(t, d.Check())
		var text bytes.Buffer
		require.NoError(t, d.JSON(&text))
		require.Equal(t, slower > 0, strings.Contains(text.String(), `"text": "slower"`))
	}
}

func proof(wrong, found int) *Proof {
	p := &Proof{Schema: ProofSchema, Started: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Took: 30 * time.Minute, Machine: "2 processors", Plain: Build{Name: "bin/weir"}, Faults: Build{Name: "bin/weir-faults"}}
	equal, slower := measured(0), measured(0.15)
	for n := range 20 {
		p.Trials = append(p.Trials,
			Trial{Number: n + 1, Alarm: n < wrong, Rounds: 4, Took: 40 * time.Second, CPU: equal.Metrics[0]},
			Trial{Number: n + 1, Planted: true, Alarm: n < found, Alarmed: []string{"cpu"}, Rounds: 6, Took: time.Minute, CPU: slower.Metrics[0]})
	}
	return p
}

func TestProof(t *testing.T) {
	require.True(t, proof(0, 20).Holds())
	require.True(t, proof(0, 18).Holds())
	require.False(t, proof(0, 17).Holds())
	require.False(t, proof(1, 20).Holds())
	require.False(t, new(Proof).Holds())
	p := proof(0, 19)
	require.Equal(t, "The same build against itself, 20 times: 0 alarms. With a slowdown of 15% planted, 20 times: 19 alarms.", p.Verdict())
	require.NoError(t, p.Document().Check())
	require.Contains(t, p.Trials[1].String(), "alarm: cpu")
	var file bytes.Buffer
	require.NoError(t, experiment.Write(&file, p))
	again, err := ReadProof(&file)
	require.NoError(t, err)
	require.Equal(t, p.Verdict(), again.Verdict())
	_, err = ReadProof(strings.NewReader("{}"))
	require.ErrorContains(t, err, `the result has schema ""`)
}

// TestBenchFormat checks the lines against the grammar of the Go benchmark data
// format: a name, iterations, and pairs of value and unit.
func TestBenchFormat(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, measured(0).WriteBench(&b, Old))
	line := regexp.MustCompile(`^Benchmark[A-Z]\S*-2\t\d+(\t[\d.]+ [a-zA-Z0-9/-]+){4}$`)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Equal(t, []string{"goos: linux", "goarch: amd64", "pkg: github.com/weirlab/weir/workloads/experiment/regress", "cpu: Some Processor"}, lines[:4])
	require.Len(t, lines[4:], len(loads)*2*DefaultMaxRounds)
	for _, l := range lines[4:] {
		require.Regexp(t, line, l)
	}
}

// TestOrdersAreBalanced holds what makes slow changes of the machine cancel.
func TestOrdersAreBalanced(t *testing.T) {
	places := map[[2]int]int{}
	for _, order := range orders {
		var sides []string
		for place, seat := range order {
			places[[2]int{place, seat}]++
			sides = append(sides, seats[seat])
		}
		require.Equal(t, sides[0], sides[3])
		require.Equal(t, sides[1], sides[2])
		require.NotEqual(t, sides[0], sides[1])
	}
	for place := range seats {
		for seat := range seats {
			require.Equal(t, 1, places[[2]int{place, seat}], "seat %d in place %d", seat, place)
		}
	}
}

func TestClustersGetPortsOfTheirOwn(t *testing.T) {
	p, seen := newPorts(), map[int]bool{}
	for range 50 {
		first, err := p.free(brokers)
		require.NoError(t, err)
		for port := first; port < first+brokers; port++ {
			require.False(t, seen[port], "%d", port)
			require.True(t, port >= firstPort && port <= lastPort+brokers, "%d", port)
			seen[port] = true
		}
	}
}
