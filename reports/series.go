package reports

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Columns of series.csv that the report draws. Every row holds what happened
// in the interval that ends at its time; lag_records is the state then. A
// column of one broker carries its name after a colon: "disk_written_bytes:broker-1".
// Columns that the report does not know are kept for other readers.
const (
	ColOffered       = "offered_records"  // meant to be sent, by the open-loop schedule
	ColAcked         = "acked_records"    // acknowledged
	ColAckedBytes    = "acked_bytes"      // payload of those
	ColFailed        = "failed_records"   // definitely not appended
	ColUnknown       = "unknown_records"  // nobody knows
	ColConsumed      = "consumed_records" // received by consumers
	ColConsumedBytes = "consumed_bytes"
	ColLag           = "lag_records" // acknowledged and not yet consumed

	ColDiskWritten = "disk_written_bytes" // per broker
	ColDiskSyncs   = "disk_syncs"         // per broker
	ColNetSent     = "net_sent_bytes"     // per broker
	ColCPU         = "cpu_ns"             // per broker, CPU time charged

	// ColCredits is, per broker, what is left of the burst credits of which
	// the least is left, in millionths of the most; -1 where there are none.
	// Like the lag it is a state.
	ColCredits = "burst_credits_ppm"
)

const colTime = "time_s"

// Series writes series.csv. Safe for concurrent use.
type Series struct {
	mu      sync.Mutex
	out     *bufio.Writer
	columns int
	line    []byte
}

// NewSeries writes the header. The time column comes first by itself.
func NewSeries(w io.Writer, columns ...string) (*Series, error) {
	for _, c := range columns {
		if strings.ContainsAny(c, ",\"\r\n") || c == "" || c == colTime {
			return nil, fmt.Errorf("%s: column name %q: use a word without commas, quotes and line breaks", SeriesFile, c)
		}
	}
	s := &Series{out: bufio.NewWriter(w), columns: len(columns)}
	_, err := fmt.Fprintf(s.out, "%s,%s\n", colTime, strings.Join(columns, ","))
	return s, err
}

// Row writes the interval that ends at time at since the run began, one value
// per column.
func (s *Series) Row(at time.Duration, values ...int64) error {
	if len(values) != s.columns {
		return fmt.Errorf("%s: %d values for %d columns", SeriesFile, len(values), s.columns)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = strconv.AppendFloat(s.line[:0], at.Seconds(), 'f', 3, 64)
	for _, v := range values {
		s.line = append(s.line, ',')
		s.line = strconv.AppendInt(s.line, v, 10)
	}
	s.line = append(s.line, '\n')
	_, err := s.out.Write(s.line)
	return err
}

// Close writes what is buffered.
func (s *Series) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Flush()
}
