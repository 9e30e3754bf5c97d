package rundir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
	simtarget "github.com/weirlab/weir/workloads/target/sim"
)

// Directory is a result directory being written. It is the run's Sink.
type Directory struct {
	Dir     string
	files   []*os.File
	buffers []*bufio.Writer
	History io.Writer // of the run

	latency *reports.Latency
	series  *reports.Series
	events  *reports.Events
	brokers int
	rowErr  error
}

// Path is the directory of a run: out/<scenario>/<time>-<seed>.
func Path(out string, s *scenario.Scenario, started time.Time) string {
	return filepath.Join(out, s.Name, started.UTC().Format("20060102T150405.000")+"-"+s.Seed.String())
}

// Create makes a result directory with the plan of a run, which is explicit, in it
// and opens its files.
func Create(dir string, s *scenario.Scenario, started time.Time) (*Directory, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("result directory: %w", err)
	}
	plan, err := s.YAML()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, reports.PlanFile), plan, 0o644); err != nil {
		return nil, err
	}
	r := &Directory{Dir: dir, brokers: int(s.Cluster.Brokers.Value())}
	writers := map[string]*bufio.Writer{}
	for _, name := range []string{reports.HistoryFile, reports.LatencyFile, reports.SeriesFile, reports.EventsFile} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, r.closeFiles())
		}
		r.files = append(r.files, f)
		writers[name] = bufio.NewWriterSize(f, 256<<10)
		r.buffers = append(r.buffers, writers[name])
	}
	r.History = writers[reports.HistoryFile]
	r.latency = reports.NewLatency(writers[reports.LatencyFile], started, time.Second)
	r.events = reports.NewEvents(writers[reports.EventsFile])
	r.series, err = reports.NewSeries(writers[reports.SeriesFile], seriesColumns(s)...)
	return r, err
}

func seriesColumns(s *scenario.Scenario) []string {
	columns := []string{
		reports.ColOffered, reports.ColAcked, reports.ColAckedBytes, reports.ColFailed, reports.ColUnknown,
		reports.ColConsumed, reports.ColConsumedBytes, reports.ColLag,
	}
	for _, name := range s.BrokerNames() {
		columns = append(columns, reports.ColDiskWritten+":"+name, reports.ColDiskSyncs+":"+name, reports.ColNetSent+":"+name, reports.ColCPU+":"+name, reports.ColCredits+":"+name)
	}
	return columns
}

// Latency implements workloads.Sink.
func (r *Directory) Latency(tag string, at, d time.Duration, n int64) {
	r.latency.Record(tag, at, d, n)
}

// Row implements workloads.Sink.
func (r *Directory) Row(at time.Duration, row workloads.Row) {
	values := []int64{row.Offered, row.Acked, row.AckedBytes, row.Failed, row.Unknown, row.Consumed, row.ConsumedBytes, row.Lag}
	for i := range r.brokers {
		var b target.BrokerRow
		if i < len(row.Brokers) {
			b = row.Brokers[i]
		}
		credits := int64(-1)
		if b.HasCredits {
			credits = b.CreditsPPM
		}
		values = append(values, b.DiskWrittenBytes, b.DiskSyncs, b.NetSentBytes, int64(b.CPU), credits)
	}
	if err := r.series.Row(at, values...); err != nil && r.rowErr == nil {
		r.rowErr = err
	}
}

// Event implements workloads.Sink.
func (r *Directory) Event(node string, at time.Duration, name string, attrs []env.Attr) {
	ev := reports.Event{Time: at, Node: node, Name: name}
	if len(attrs) > 0 {
		ev.Attrs = make(map[string]any, len(attrs))
	}
	for _, a := range attrs {
		if a.IsText {
			ev.Attrs[a.Key] = a.Text
		} else {
			ev.Attrs[a.Key] = a.Int
		}
	}
	r.events.Write(ev)
}

// PartitionState implements workloads.Sink.
func (r *Directory) PartitionState(p linearizability.PartitionState) { r.events.PartitionState(p) }

// Close writes what is buffered. Errors of any file are reported together.
func (r *Directory) Close() error {
	errs := []error{r.rowErr, r.latency.Close(), r.series.Close(), r.events.Close()}
	for _, b := range r.buffers {
		errs = append(errs, b.Flush())
	}
	return errors.Join(append(errs, r.closeFiles())...)
}

// Finish writes what the run came to, and the report.
func (r *Directory) Finish(record Record, o *workloads.Outcome, probe *simtarget.Probe, wall time.Duration) error {
	record.fill(o, wall)
	if err := errors.Join(r.Close(), record.Save(r.Dir)); err != nil {
		return err
	}
	if len(o.Verdict.Findings) > 0 {
		e, err := Explanation(r.Dir, probe)
		if err == nil {
			err = reports.SaveExplanation(r.Dir, e)
		}
		if err != nil {
			return err
		}
	}
	if err := reports.Write(r.Dir); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (r *Directory) closeFiles() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files = nil
	return errors.Join(errs...)
}
