package calibrate

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
)

// replayCalls is how many calls of each kind are simulated for the summary.
const replayCalls = 2000

// Summary is the result in a page of text.
func (r *Result) Summary() string {
	var b strings.Builder
	p := r.Profile
	fmt.Fprintf(&b, "%s, %d MiB of memory\n\n", p.Title, p.MemoryBytes>>20)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	line("disk", "KiB", "at a time", "calls/s", "p50", "p99", "p99.9")
	row := func(op string, s machine.DiskSeries) {
		line(op, s.Bytes>>10, s.Depth, s.BytesPerSecond/s.Bytes, at(s.Latency, 500_000), at(s.Latency, 990_000), at(s.Latency, 999_000))
	}
	// Where the simulator has the operation, what it makes of the profile.
	replayed, err := p.Replay(replayCalls)
	for _, s := range p.Disk.Series {
		row(s.Op, s)
		if len(replayed) > 0 && replayed[0].Measured.Op == s.Op && replayed[0].Measured.Bytes == s.Bytes && replayed[0].Measured.Depth == s.Depth {
			row("simulated", replayed[0].Simulated)
			replayed = replayed[1:]
		}
	}
	_ = w.Flush()
	if err != nil {
		fmt.Fprintf(&b, "simulating the disk failed: %v\n", err)
	}
	fmt.Fprintf(&b, "long runs: %d MB/s written, %d MB/s read, %d MB/s through the page cache and synced\n\n",
		p.Disk.WriteBytesPerSecond/1e6, p.Disk.ReadBytesPerSecond/1e6, r.Disk.WriteBackBytesPerSecond/1e6)
	line("loopback", "bytes", "pause", "p50", "p99", "CPU")
	for _, t := range r.Loopback.RoundTrips {
		line("round trip", t.Bytes, t.Pause, at(t.Latency, 500_000), at(t.Latency, 990_000), time.Duration(t.CPUNanos))
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "one connection: %d MB/s; wake-up p50 %v, p99 %v; a sleep ends %v late, p99 %v\n\n",
		r.Loopback.BytesPerSecond/1e6, at(p.Wakeup, 500_000), at(p.Wakeup, 990_000), at(p.Timer, 500_000), at(p.Timer, 990_000))
	line("CPU", "ns per call", "ps per unit", "ps more beyond 64 Ki units")
	for _, op := range env.SortedKeys(p.Costs.Operations) {
		c := p.Costs.Operations[op]
		line(op, c.CallNanos, c.UnitPicos, c.LargePicos)
	}
	_ = w.Flush()
	if len(r.Syncs.Runs) > 0 {
		fmt.Fprintln(&b)
		line("syncs in busy brokers", "real", "simulated as measured alone", "simulated")
		for _, s := range r.Syncs.Runs {
			line(s.Workload, s.Real.Round(time.Microsecond), s.Alone.Round(time.Microsecond), s.Simulated.Round(time.Microsecond))
		}
		_ = w.Flush()
		fmt.Fprintf(&b, "a commit of the journal takes %v longer there than alone\n\n", r.Syncs.Busy.Round(time.Microsecond))
	}
	typical, greatest := r.Fit.Error()
	fmt.Fprintf(&b, "fit: median error %.0f%%, greatest %.0f%%, over %d observations\n\n", typical, greatest, len(r.Fit.Observations))
	return b.String()
}
