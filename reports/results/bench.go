package results

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// benchLine is one result of a Go benchmark.
type benchLine struct {
	name   string
	values map[string][]float64 // by unit, one value per repetition
	units  []string
}

// Bench reads what go test -bench printed and makes a document of it: one
// table, with the median of repetitions and their spread.
func Bench(in io.Reader) (*document.Document, error) {
	var lines []*benchLine
	var facts []document.Fact
	scanner := bufio.NewScanner(in)
	for n := 1; scanner.Scan(); n++ {
		fields := strings.Fields(scanner.Text())
		if len(fields) >= 2 && slices.Contains([]string{"goos:", "goarch:", "cpu:"}, fields[0]) {
			f := document.Fact{Name: strings.TrimSuffix(fields[0], ":"), Value: strings.Join(fields[1:], " ")}
			if !slices.Contains(facts, f) {
				facts = append(facts, f)
			}
		}
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		i := slices.IndexFunc(lines, func(l *benchLine) bool { return l.name == name })
		if i < 0 {
			i = len(lines)
			lines = append(lines, &benchLine{name: name, values: map[string][]float64{}})
		}
		for k := 2; k+1 < len(fields); k += 2 {
			v, err := strconv.ParseFloat(fields[k], 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %q is no number; give the output of go test -bench", n, fields[k])
			}
			l, unit := lines[i], fields[k+1]
			if len(l.values[unit]) == 0 {
				l.units = append(l.units, unit)
			}
			l.values[unit] = append(l.values[unit], v)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("no benchmark results; give the output of go test -bench")
	}
	return benchDocument(lines, facts), nil
}

// median of the repetitions in one unit; false if the benchmark has none.
func (l *benchLine) median(unit string) (float64, bool) {
	vs := slices.Sorted(slices.Values(l.values[unit]))
	n := len(vs)
	if n == 0 {
		return 0, false
	}
	return (vs[(n-1)/2] + vs[n/2]) / 2, true
}

// words tell what a benchmark of a whole simulation cost, "" of others.
func (l *benchLine) words() string {
	wall, _ := l.median("ns/op")
	cpu, _ := l.median("cpu-s")
	peak, ok := l.median("peak-MB")
	simulated, also := l.median("cluster-s")
	if !ok || !also {
		return ""
	}
	return fmt.Sprintf("%s: %s simulated seconds took %s s on one core (%s s of processor time) and %s MB of memory.",
		l.name, drawing.Trim(simulated), drawing.Trim(wall/1e9), drawing.Trim(cpu), drawing.Trim(peak))
}

func benchDocument(lines []*benchLine, facts []document.Fact) *document.Document {
	t := document.Table{Name: "benchmarks", Title: "As printed by Go's benchmarks", Columns: []document.Column{
		{Name: "benchmark"}, {Name: "median", Number: true}, {Name: "unit"}, {Name: "least", Number: true}, {Name: "most", Number: true}, {Name: "runs", Number: true}}}
	for _, l := range lines {
		name := l.name
		for _, unit := range l.units {
			vs := slices.Sorted(slices.Values(l.values[unit]))
			n := len(vs)
			median, _ := l.median(unit)
			cell := func(v float64) document.Cell { return document.Quantity(v, unit, drawing.SI(v)) }
			t.Rows = append(t.Rows, []document.Cell{document.Words(name), cell(median), document.Words(unit), cell(vs[0]), cell(vs[n-1]), document.Quantity(float64(n), "", strconv.Itoa(n))})
			name = ""
		}
	}
	var summary []string
	for _, l := range lines {
		if words := l.words(); words != "" {
			summary = append(summary, words)
		}
	}
	return &document.Document{Title: "Speed of the simulator", Subtitle: "What a simulation costs on the machine that runs it.", Summary: summary,
		Sections: []document.Section{{Title: "Benchmarks", Tables: []document.Table{t}}}, Facts: facts}
}
