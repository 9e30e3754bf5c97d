package regress

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteBench writes one side in the format of Go benchmarks, for benchstat: one
// line for each process and load. ns/op is time on the wall per request, the
// inverse of throughput.
func (r *Result) WriteBench(w io.Writer, side string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: github.com/weirlab/weir/workloads/experiment/regress\n", r.GOOS, r.GOARCH)
	if r.CPU != "" {
		fmt.Fprintf(&b, "cpu: %s\n", r.CPU)
	}
	for _, l := range loads {
		for _, p := range r.Processes {
			if p.Side != side {
				continue
			}
			requests := 0
			for _, s := range p.Slices {
				if s.Load == l.name {
					requests += s.Requests
				}
			}
			fmt.Fprintf(&b, "Benchmark%s-%d\t%d", strings.ToUpper(l.name[:1])+l.name[1:], r.CPUs, requests)
			for _, column := range benchColumns {
				m := Metric{load: l.name, cost: column.cost}
				if v := math.Exp(m.value(p)); v > 0 {
					fmt.Fprintf(&b, "\t%.1f %s", v, column.unit)
				}
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var benchColumns = []struct {
	unit string
	cost func(Slice) float64
}{
	{"ns/op", perRequest(wall)},
	{"cpu-ns/op", perRequest(cpu)},
	{"p50-ns", func(s Slice) float64 { return float64(s.P50) }},
	{"p99-ns", func(s Slice) float64 { return float64(s.P99) }},
}
