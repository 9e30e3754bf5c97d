package reports

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

const summaryWidth = 100

// Summary is what a person should read on the terminal after a run: the
// verdict, what was found, the figures that matter, how to reproduce it and
// where the report is. It reads the result directory. Prose is wrapped at 100
// columns; with color it carries ANSI escapes.
func Summary(dir string, color bool) (string, error) {
	r, err := read(dir)
	if err != nil {
		return "", err
	}
	run, v := r.run, &r.run.Verdict
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	var b strings.Builder
	hue := map[linearizability.Status]string{linearizability.Pass: "1;32", linearizability.Failed: "1;31"}[v.Status]
	if hue == "" || statusWord(run) != "Passed" && v.Status == linearizability.Pass {
		hue = "1;33"
	}
	fmt.Fprintf(&b, "%s  %s, seed %s, %s\n", paint(hue, strings.ToUpper(statusWord(run))), run.Scenario, run.Seed, where(run))
	b.WriteString(wrap(r.sentence(), ""))
	const shown = 8
	for i, f := range v.Findings {
		if i == shown {
			fmt.Fprintf(&b, "  … and %d more in the report\n", len(v.Findings)-shown)
			break
		}
		more := ""
		if f.Count > 1 {
			more = fmt.Sprintf(" (and %s more like it)", number(f.Count-1))
		}
		b.WriteString("\n" + paint("31", pad(f.Code, 4)) + strings.TrimPrefix(wrap(f.Sentence+more, "    "), "    "))
		for _, e := range f.Evidence[:min(3, len(f.Evidence))] {
			b.WriteString(paint("2", strings.TrimSuffix(wrap("· "+e, "    "), "\n")) + "\n")
		}
	}
	lost := excuses(v)
	for i, e := range lost {
		if i == 4 && len(lost) > 5 {
			fmt.Fprintf(&b, "  … and %d more losses that are excused, in the report\n", len(lost)-4)
			break
		}
		b.WriteString(paint("33", wrap("excused: "+excuseText(e), "  ")))
	}
	b.WriteString("\n")
	if n, mb, over, ok := r.rate(); ok {
		fmt.Fprintf(&b, "throughput   %s records/s acknowledged, %s MB/s, %s\n", drawing.SI(n), drawing.Trim(mb), over)
	}
	for _, row := range r.percentileTable() {
		fmt.Fprintf(&b, "%s", pad(row.Name, 21))
		for i, name := range percentileNames() {
			if row.Values[i] != "–" {
				fmt.Fprintf(&b, "  %s %s", paint("2", name), row.Values[i])
			}
		}
		b.WriteString("\n")
	}
	passed, skipped, idle, looked := 0, 0, 0, int64(0)
	for _, k := range v.Checks {
		switch {
		case k.Status == linearizability.Skipped:
			skipped++
		case k.Inputs == 0 && k.Status == linearizability.Pass:
			idle++
		case k.Status == linearizability.Pass:
			passed++
		}
		looked += k.Inputs
	}
	fmt.Fprintf(&b, "checks       %d of %d passed, having looked at %s things", passed, len(v.Checks), number(looked))
	if idle > 0 {
		fmt.Fprintf(&b, "; %d saw nothing to check", idle)
	}
	if skipped > 0 {
		fmt.Fprintf(&b, "; %d had no place in this run", skipped)
	}
	b.WriteString("\n")
	if run.Simulated() && run.WallTime > 0 {
		fmt.Fprintf(&b, "simulation   %s simulated in %s (%s× real time), %s events, %s a second\n", seconds(run.ClusterTime), seconds(run.WallTime),
			drawing.Trim(run.ClusterTime.Seconds()/run.WallTime.Seconds()), number(run.Events), drawing.SI(float64(run.Events)/run.WallTime.Seconds()))
		if run.TraceHash != "" {
			fmt.Fprintf(&b, "trace hash   %s\n", run.TraceHash)
		}
	}
	for _, n := range r.notices() {
		b.WriteString(paint("33", strings.TrimSuffix(wrap("note: "+n, ""), "\n")) + "\n")
	}
	if run.Command != "" {
		fmt.Fprintf(&b, "reproduce    %s\n", run.Command)
	}
	fmt.Fprintf(&b, "report       %s\n", filepath.Join(dir, ReportFile))
	return b.String(), nil
}

func where(run *Run) string {
	if run.Simulated() {
		return fmt.Sprintf("%s simulated", plural(len(run.Brokers), "broker"))
	}
	return "target " + run.Target
}

func pad(s string, n int) string {
	if len(s) >= n {
		return s + " "
	}
	return s + strings.Repeat(" ", n-len(s))
}

// wrap breaks prose into lines that begin with indent.
func wrap(s, indent string) string {
	var b strings.Builder
	line := indent
	for i, word := range strings.Fields(s) {
		if i > 0 && len([]rune(line))+1+len([]rune(word)) > summaryWidth {
			b.WriteString(line + "\n")
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
