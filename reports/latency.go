package reports

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Kinds of latency that the report knows; any other tag is recorded and
// tabulated too.
const (
	// TagProduce is from the instant the record was meant to be sent to its
	// acknowledgement. A stalled producer cannot hide behind its own stall
	// (coordinated omission).
	TagProduce = "produce"
	// TagProduceUncorrected is from the actual send to the acknowledgement.
	TagProduceUncorrected = "produce-uncorrected"
	// TagEndToEnd is from the intended send to the arrival at a consumer.
	TagEndToEnd = "end-to-end"
)

// Histograms hold 1 ns to one hour with three significant digits.
const (
	latencyMax    = int64(time.Hour)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMax, latencyDigits)
}

// Latency records latencies into an HdrHistogram interval log (format 1.3,
// values in nanoseconds), one histogram per interval and tag. Safe for
// concurrent use.
type Latency struct {
	mu       sync.Mutex
	out      *bufio.Writer
	log      *hdrhistogram.HistogramLogWriter
	interval time.Duration
	start    time.Duration // of the interval being filled
	base     int64         // wall clock at the start of the run, ms since the epoch
	tags     []tagged      // in order of first use
	clamped  int64
	err      error
}

type tagged struct {
	tag  string
	hist *hdrhistogram.Histogram
}

// NewLatency writes to w. started is the wall clock at the start of the run,
// interval the length of one histogram (usually a second).
func NewLatency(w io.Writer, started time.Time, interval time.Duration) *Latency {
	out := bufio.NewWriterSize(w, 64<<10)
	l := &Latency{
		out:      out,
		log:      hdrhistogram.NewHistogramLogWriter(out),
		interval: interval,
		base:     started.Truncate(time.Second).UnixMilli(),
	}
	l.log.SetBaseTime(l.base)
	l.keep(l.log.OutputComment("[latencies in nanoseconds, recorded by weir]"))
	l.keep(l.log.OutputLogFormatVersion())
	l.keep(l.log.OutputBaseTime(l.base))
	l.keep(l.log.OutputStartTime(l.base))
	l.keep(l.log.OutputLegend())
	return l
}

// Record notes that n things of kind tag took d each and ended at time at since
// the run began. A value above an hour is recorded as an hour, a negative one
// as zero; Close reports either.
func (l *Latency) Record(tag string, at, d time.Duration, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at >= l.start+l.interval {
		l.closeInterval()
		l.start = at - at%l.interval
	}
	v := int64(d)
	if v < 0 || v > latencyMax {
		l.clamped += n
		v = max(0, min(v, latencyMax))
	}
	l.keep(l.histogram(tag).RecordValues(v, n))
}

func (l *Latency) histogram(tag string) *hdrhistogram.Histogram {
	for i := range l.tags {
		if l.tags[i].tag == tag {
			return l.tags[i].hist
		}
	}
	h := newHistogram()
	h.SetTag(tag)
	l.tags = append(l.tags, tagged{tag, h})
	return h
}

func (l *Latency) closeInterval() {
	for _, t := range l.tags {
		if t.hist.TotalCount() == 0 {
			continue
		}
		t.hist.SetStartTimeMs(l.base + l.start.Milliseconds())
		t.hist.SetEndTimeMs(l.base + (l.start + l.interval).Milliseconds())
		l.keep(l.log.OutputIntervalHistogram(t.hist))
		t.hist.Reset()
		t.hist.SetTag(t.tag)
	}
}

func (l *Latency) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Close writes the last interval. It returns the first error met, or one that
// tells how many values were out of range.
func (l *Latency) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeInterval()
	l.keep(l.out.Flush())
	if l.err == nil && l.clamped > 0 {
		return fmt.Errorf("%s: %d latencies were negative or above %v and were clamped", LatencyFile, l.clamped, time.Duration(latencyMax))
	}
	return l.err
}
