package calibrate

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weirlab/weir/env"
)

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
	for _, s := range p.Disk.Series {
		line(s.Op, s.Bytes>>10, s.Depth, s.BytesPerSecond/s.Bytes, at(s.Latency, 500_000), at(s.Latency, 990_000), at(s.Latency, 999_000))
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "long runs: %d MB/s written, %d MB/s read, %d MB/s through the page cache and synced\n\n",
		p.Disk.WriteBytesPerSecond/1e6, p.Disk.ReadBytesPerSecond/1e6, r.Disk.WriteBackBytesPerSecond/1e6)
	line("loopback", "bytes", "pause", "p50", "p99", "CPU")
	for _, t := range r.Loopback.RoundTrips {
		line("round trip", t.Bytes, t.Pause, at(t.Latency, 500_000), at(t.Latency, 990_000), time.Duration(t.CPUNanos))
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "one connection: %d MB/s; wake-up p50 %v, p99 %v; a sleep ends %v late, p99 %v\n\n",
		r.Loopback.BytesPerSecond/1e6, at(p.Wakeup, 500_000), at(p.Wakeup, 990_000), at(p.Timer, 500_000), at(p.Timer, 990_000))
	line("CPU", "ns per call", "ps per unit")
	for _, op := range env.SortedKeys(p.Costs.Operations) {
		c := p.Costs.Operations[op]
		line(op, c.CallNanos, c.UnitPicos)
	}
	_ = w.Flush()
	median, greatest := r.Fit.Error()
	fmt.Fprintf(&b, "fit: median error %.0f%%, greatest %.0f%%, over %d observations\n\n", median, greatest, len(r.Fit.Observations))
	return b.String()
}
