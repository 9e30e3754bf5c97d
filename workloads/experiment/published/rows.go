package published

import (
	"bytes"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed data/rows.csv data/quantiles.csv
var embedded embed.FS

// Lab is who published a row.
type Lab string

// The labs.
const (
	Confluent    Lab = "Confluent"
	StreamNative Lab = "StreamNative"
)

// Row is one published run.
type Row struct {
	ID  string `json:"id"`
	Lab Lab    `json:"lab"`

	Date   string `json:"date"`
	Source string `json:"source"` // what was published
	URL    string `json:"url"`    // and where
	Notes  string `json:"notes,omitempty"`
	System string `json:"system"` // "Kafka 2.6"

	Instance string `json:"instance"` // of the brokers
	Storage  string `json:"storage"`  // as the publication describes it
	Clients  string `json:"clients"`

	Brokers           int    `json:"brokers"`
	ReplicationFactor int    `json:"rf"`
	Acks              string `json:"acks"`
	Fsync             bool   `json:"fsync"` // flush.messages=1
	LingerMillis      int64  `json:"linger_ms"`
	BatchBytes        int64  `json:"batch_bytes"`
	Partitions        int64  `json:"partitions"`
	Producers         int    `json:"producers"`
	Consumers         int    `json:"consumers"`
	RecordBytes       int64  `json:"record_bytes"`

	OfferedPerSecond  float64 `json:"offered_per_s"`  // records
	AckedPerSecond    float64 `json:"acked_per_s"`    // records
	ConsumedPerSecond float64 `json:"consumed_per_s"` // records

	Publish  Latencies `json:"publish"`
	EndToEnd Latencies `json:"end_to_end"`
}

// Latencies are the published latencies of one kind.
type Latencies struct {
	Mean time.Duration `json:"mean"`
	// Quantiles by rising percentile.
	Quantiles []Quantile `json:"quantiles"`
}

// Quantile is one point of a distribution.
type Quantile struct {
	Percentile float64       `json:"percentile"` // 99.9
	Latency    time.Duration `json:"latency"`
}

// P is the latency at a percentile that was published, false at any other.
func (l Latencies) P(percentile float64) (time.Duration, bool) {
	for _, q := range l.Quantiles {
		if q.Percentile == percentile {
			return q.Latency, true
		}
	}
	return 0, false
}

// Saturated reports whether the run was offered more than the cluster took,
// so that what it acknowledged is its maximum.
func (r Row) Saturated() bool { return r.AckedPerSecond < 0.995*r.OfferedPerSecond }

// MiBPerSecond is the published throughput in MiB/s of record values.
func (r Row) MiBPerSecond() float64 { return r.AckedPerSecond * float64(r.RecordBytes) / mib }

const mib = 1 << 20

// Name is a short name for tables: the publication's own names run to a
// hundred characters.
func (r Row) Name() string {
	what := "latency"
	if r.Saturated() {
		what = "throughput"
	}
	fsync := "no fsync"
	if r.Fsync {
		fsync = "fsync"
	}
	name := fmt.Sprintf("%s %s, acks=%s, %s", r.Lab, what, r.Acks, fsync)
	if r.Partitions == 1 {
		name += ", 1 partition"
	}
	return name
}

// Slug is the row's name for files and scenarios: "sn20-thr-all-fsync".
func (r Row) Slug() string {
	parts := []string{"confluent20"}
	if r.Lab == StreamNative {
		parts[0] = "sn20"
	}
	if r.Saturated() {
		parts = append(parts, "thr")
	} else {
		parts = append(parts, "lat")
	}
	parts = append(parts, r.Acks)
	if r.Fsync {
		parts = append(parts, "fsync")
	} else {
		parts = append(parts, "nofsync")
	}
	if r.Partitions == 1 {
		parts = append(parts, "1p")
	}
	return strings.Join(parts, "-")
}

// Rows are the published runs, in the order of the data.
func Rows() ([]Row, error) {
	var rows []Row
	err := readTable("data/rows.csv", func(l *line) {
		r := Row{
			ID: l.text("run_id"), Date: l.text("date"), Source: l.text("source"), URL: l.text("url"),
			Notes: l.text("notes"), System: l.text("system") + " " + l.text("version"),
			Instance: l.text("broker_instance"), Storage: l.text("storage"), Clients: l.text("clients"),
			Brokers: int(l.whole("brokers")), ReplicationFactor: int(l.whole("rf")), Acks: l.text("acks"),
			Fsync: l.text("fsync") == "flush.messages=1", LingerMillis: l.whole("linger_ms"),
			Partitions: l.whole("partitions"), Producers: int(l.whole("producers")), Consumers: int(l.whole("consumers")),
			RecordBytes: l.whole("msg_bytes"), OfferedPerSecond: l.number("offered_msg_s"),
			AckedPerSecond: l.number("pub_msg_s"), ConsumedPerSecond: l.number("cons_msg_s"),
			Publish:  Latencies{Mean: l.millis("pub_avg_ms")},
			EndToEnd: Latencies{Mean: l.millis("e2e_avg_ms")},
		}
		r.Lab = Confluent
		if strings.HasPrefix(r.Source, string(StreamNative)) {
			r.Lab = StreamNative
		}
		// One row gives its batch size in words: "128 KiB (1ms config) …".
		if batch := l.text("batch_size"); strings.HasPrefix(batch, "128 KiB") {
			r.BatchBytes = 128 << 10
		} else {
			r.BatchBytes = l.whole("batch_size")
		}
		rows = append(rows, r)
	})
	if err != nil {
		return nil, err
	}
	return rows, addQuantiles(rows)
}

func addQuantiles(rows []Row) error {
	err := readTable("data/quantiles.csv", func(l *line) {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.ID == l.text("run_id") })
		if i < 0 {
			l.fail("run_id", errors.New("no such row in rows.csv"))
			return
		}
		to := &rows[i].Publish
		switch kind := l.text("kind"); kind {
		case "publish":
		case "e2e":
			to = &rows[i].EndToEnd
		default:
			l.fail("kind", fmt.Errorf("%q is neither publish nor e2e", kind))
		}
		to.Quantiles = append(to.Quantiles, Quantile{l.number("percentile"), l.millis("latency_ms")})
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		for _, l := range []Latencies{r.Publish, r.EndToEnd} {
			if !slices.IsSortedFunc(l.Quantiles, func(a, b Quantile) int { return int(a.Latency - b.Latency) }) || len(l.Quantiles) == 0 {
				return fmt.Errorf("published: %s: quantiles are missing or fall", r.ID)
			}
		}
	}
	return nil
}

// line is a line of a table. Reading a cell that is wrong keeps the first
// error.
type line struct {
	at     string
	header []string
	cells  []string
	err    error
}

func readTable(name string, each func(*line)) error {
	b, err := embedded.ReadFile(name)
	if err != nil {
		return fmt.Errorf("published: %w", err)
	}
	all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return fmt.Errorf("published: %s: %w", name, err)
	}
	for i, cells := range all[1:] {
		l := &line{at: fmt.Sprintf("published: %s, line %d", name, i+2), header: all[0], cells: cells}
		each(l)
		if l.err != nil {
			return l.err
		}
	}
	return nil
}

func (l *line) fail(column string, err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%s, column %s: %w", l.at, column, err)
	}
}

func (l *line) text(column string) string {
	i := slices.Index(l.header, column)
	if i < 0 {
		l.fail(column, errors.New("there is no such column"))
		return ""
	}
	return strings.TrimSpace(l.cells[i])
}

func (l *line) number(column string) float64 {
	v, err := strconv.ParseFloat(l.text(column), 64)
	if err != nil {
		l.fail(column, err)
	}
	return v
}

func (l *line) whole(column string) int64 {
	v, err := strconv.ParseInt(l.text(column), 10, 64)
	if err != nil {
		l.fail(column, err)
	}
	return v
}

func (l *line) millis(column string) time.Duration {
	return time.Duration(l.number(column) * float64(time.Millisecond))
}

// choose finds rows by ID or slug.
func choose(rows []Row, names []string) ([]Row, error) {
	if len(names) == 0 {
		return rows, nil
	}
	var chosen []Row
	for _, name := range names {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.ID == name || r.Slug() == name })
		if i < 0 {
			var known []string
			for _, r := range rows {
				known = append(known, r.Slug())
			}
			return nil, fmt.Errorf("published: there is no row %q; the rows are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

// Select finds rows by ID or slug; no names are all rows.
func Select(names []string) ([]Row, error) {
	rows, err := Rows()
	if err != nil {
		return nil, err
	}
	return choose(rows, names)
}
