package reports

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/reports/drawing"
)

// result is a result directory as read.
type result struct {
	run       *Run
	series    table
	latency   []interval
	events    []Event
	explained *story.Explanation // nil if there is none
	missing   []string           // what could not be read, one sentence each
	files     []fileInfo
}

type fileInfo struct {
	Name string
	Size int64
}

// table is series.csv.
type table struct {
	columns []string
	rows    [][]float64 // first column: seconds
}

// interval is one histogram of latency.hlog.
type interval struct {
	tag        string
	start, end time.Duration
	hist       *hdrhistogram.Histogram
}

// read takes in everything that a report is made of. Only run.json must be
// there.
func read(dir string) (*result, error) {
	run, err := Load(dir)
	if err != nil {
		return nil, err
	}
	r := &result{run: run}
	r.take(dir, SeriesFile, func(f io.Reader) (err error) { r.series, err = readSeries(f); return })
	r.take(dir, LatencyFile, func(f io.Reader) (err error) { r.latency, err = readLatency(f); return })
	r.take(dir, EventsFile, func(f io.Reader) (err error) { r.events, err = readEvents(f); return })
	if r.explained, err = LoadExplanation(dir); err != nil {
		r.missing = append(r.missing, err.Error())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && !generated(e.Name()) {
			r.files = append(r.files, fileInfo{e.Name(), info.Size()})
		}
	}
	return r, nil
}

// generated says whether a file is one that Write makes.
func generated(name string) bool {
	ext := filepath.Ext(name)
	return name == ReportFile || ext == ".png" || ext == ".svg" || ext == ".tmp"
}

func (r *result) take(dir, name string, parse func(io.Reader) error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		r.missing = append(r.missing, name+" is missing")
		return
	}
	if err == nil {
		err = parse(f)
		_ = f.Close()
	}
	if err != nil {
		r.missing = append(r.missing, fmt.Sprintf("%s was read in part: %v", name, err))
	}
}

// readSeries reads until the first bad line and says which that is.
func readSeries(in io.Reader) (table, error) {
	var t table
	r := csv.NewReader(in)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	if header[0] != colTime {
		return t, fmt.Errorf("the first column is %q, want %q", header[0], colTime)
	}
	t.columns = header
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t, err
		}
		row := make([]float64, len(fields))
		for i, f := range fields {
			if row[i], err = strconv.ParseFloat(f, 64); err != nil || math.IsNaN(row[i]) || math.IsInf(row[i], 0) {
				line, _ := r.FieldPos(i)
				return t, fmt.Errorf("line %d, column %s: %q is no number", line, header[i], f)
			}
		}
		t.rows = append(t.rows, row)
	}
}

// column returns the index of a column, -1 if there is none.
func (t *table) column(name string) int { return slices.Index(t.columns, name) }

// perBroker returns the columns that a name has for brokers, in order.
func (t *table) perBroker(name string) (brokers []string, columns []int) {
	for i, c := range t.columns {
		if b, ok := strings.CutPrefix(c, name+":"); ok {
			brokers, columns = append(brokers, b), append(columns, i)
		}
	}
	return
}

// rates divides a column by the length of each row's interval.
func (t *table) rates(column int, scale float64) drawing.Points {
	var ps drawing.Points
	before := 0.0
	for _, row := range t.rows {
		if length := row[0] - before; length > 0 {
			ps = append(ps, drawing.Point{X: (before + row[0]) / 2, Y: row[column] / length * scale})
		}
		before = row[0]
	}
	return ps
}

// states are the values of a column as they stand at each row's time.
func (t *table) states(column int, scale float64) drawing.Points {
	var ps drawing.Points
	for _, row := range t.rows {
		ps = append(ps, drawing.Point{X: row[0], Y: row[column] * scale})
	}
	return ps
}

// readLatency reads until the first bad line.
func readLatency(in io.Reader) ([]interval, error) {
	var all []interval
	r := bufio.NewReaderSize(in, 1<<20)
	// The library's reader cannot tell a cut line from the end, so lines are
	// split here; base is the start of the run in seconds since the epoch.
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != '#' && line[0] != '"' {
			i, perr := parseInterval(line)
			if perr != nil {
				return all, fmt.Errorf("line %d: %w", n, perr)
			}
			all = append(all, i)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// parseInterval reads [Tag=name,]start,length,max,histogram.
func parseInterval(line string) (interval, error) {
	var i interval
	if rest, ok := strings.CutPrefix(line, "Tag="); ok {
		i.tag, line, _ = strings.Cut(rest, ",")
	}
	fields := strings.Split(line, ",")
	if len(fields) != 4 {
		return i, fmt.Errorf("%d fields, want start, length, maximum and histogram", len(fields))
	}
	start, err1 := strconv.ParseFloat(fields[0], 64)
	length, err2 := strconv.ParseFloat(fields[1], 64)
	if err := errors.Join(err1, err2); err != nil {
		return i, err
	}
	hist, err := hdrhistogram.Decode([]byte(fields[3]))
	if err != nil {
		return i, fmt.Errorf("histogram: %w", err)
	}
	i.start = time.Duration(start * float64(time.Second)).Round(time.Millisecond)
	i.end = i.start + time.Duration(length*float64(time.Second)).Round(time.Millisecond)
	i.hist = hist
	return i, nil
}

func readEvents(in io.Reader) ([]Event, error) {
	var all []Event
	r := bufio.NewReaderSize(in, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if len(strings.TrimSpace(string(line))) > 0 {
			var e Event
			if perr := json.Unmarshal(line, &e); perr != nil {
				return all, fmt.Errorf("line %d: %w", n, perr)
			}
			all = append(all, e)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// span is the length of the run on the time axis.
func (r *result) span() time.Duration {
	end := r.run.ClusterTime
	if n := len(r.series.rows); n > 0 {
		end = max(end, time.Duration(r.series.rows[n-1][0]*float64(time.Second)))
	}
	for _, i := range r.latency {
		end = max(end, i.end)
	}
	return max(end, time.Second)
}

// merged adds up the histograms of one kind, leaving out the warm-up; nil if
// there are none. dropped counts values that did not fit.
func (r *result) merged(tag string) (h *hdrhistogram.Histogram, dropped int64) {
	for _, i := range r.latency {
		if i.tag != tag || i.start < r.run.countsFrom() {
			continue
		}
		if h == nil {
			h = newHistogram()
		}
		dropped += h.Merge(i.hist)
	}
	return h, dropped
}

// tags are the kinds of latency, the known ones first.
func (r *result) tags() []string {
	var all []string
	for _, t := range []string{TagProduce, TagProduceUncorrected, TagEndToEnd} {
		if slices.ContainsFunc(r.latency, func(i interval) bool { return i.tag == t }) {
			all = append(all, t)
		}
	}
	known := len(all)
	for _, i := range r.latency {
		if !slices.Contains(all, i.tag) {
			all = append(all, i.tag)
		}
	}
	slices.Sort(all[known:])
	return all
}
