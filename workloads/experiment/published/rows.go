package published

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Lab is who published a row.
type Lab string

// The labs.
const (
	Confluent     Lab = "Confluent"
	StreamNative  Lab = "StreamNative"
	LinkedIn      Lab = "LinkedIn"
	Kesque        Lab = "Kesque"
	ElasticStream Lab = "elastic-stream"
	Pravega       Lab = "Pravega"
	AWS           Lab = "AWS"
)

// labs are the labs by how the IDs of their rows begin.
var labs = []struct {
	prefix string
	lab    Lab
}{
	{"confluent20-", Confluent}, {"sn20-", StreamNative}, {"kreps14-", LinkedIn}, {"kesque19-", Kesque},
	{"es23-", ElasticStream}, {"pravega21-", Pravega}, {"msk22-", AWS},
}

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
	Consumers         int    `json:"consumers"` // of all groups
	Groups            int    `json:"groups"`
	RecordBytes       int64  `json:"record_bytes"`

	// OfferedPerSecond is in records; 0 is as many as the producers can.
	OfferedPerSecond  float64 `json:"offered_per_s"`
	AckedPerSecond    float64 `json:"acked_per_s"`    // records
	ConsumedPerSecond float64 `json:"consumed_per_s"` // records

	Publish  Latencies `json:"publish"`
	EndToEnd Latencies `json:"end_to_end"`

	// Unpredicted says why the row is not simulated, empty if it is.
	Unpredicted string `json:"unpredicted,omitempty"`
}

// Latencies are the published latencies of one kind.
type Latencies struct {
	Mean time.Duration `json:"mean"` // 0 if it is not published
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
func (r Row) Saturated() bool {
	return r.OfferedPerSecond == 0 || r.AckedPerSecond < 0.995*r.OfferedPerSecond
}

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
	name := fmt.Sprintf("%s %s, acks=%s, %s", r.Lab, what, r.Acks, r.fsync())
	switch r.Lab {
	case Confluent, StreamNative:
	case AWS:
		return fmt.Sprintf("AWS MSK %s, %.0f MiB/s", strings.TrimPrefix(r.Instance, "kafka."), r.MiBPerSecond())
	default:
		return r.ID
	}
	if r.Partitions != usualPartitions {
		name += ", " + counted(r.Partitions, "partition")
	}
	if r.Saturated() && r.OfferedPerSecond <= modestRate {
		name += fmt.Sprintf(", %.0f k/s offered", r.OfferedPerSecond/1000)
	}
	if strings.Contains(r.ID, "catchup") {
		name += ", catch-up " + r.catchUp()
	}
	return name
}

// usualPartitions and modestRate are what most rows of the two labs of 2020 have.
const (
	usualPartitions = 100
	modestRate      = 200_000
)

// catchUp tells the runs that drain a backlog apart.
func (r Row) catchUp() string {
	if strings.Contains(r.ID, "bypass") {
		return "bypass"
	}
	return r.fsync()
}

func (r Row) fsync() string {
	if r.Fsync {
		return "fsync"
	}
	return "no fsync"
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Slug is the row's name for files and scenarios: "sn20-thr-all-fsync".
func (r Row) Slug() string {
	if r.Lab != Confluent && r.Lab != StreamNative || r.Unpredicted != "" {
		return r.ID
	}
	parts := []string{"confluent20"}
	if r.Lab == StreamNative {
		parts[0] = "sn20"
	}
	switch {
	case r.Saturated() && r.OfferedPerSecond <= modestRate:
		parts = append(parts, "thr200k")
	case r.Saturated():
		parts = append(parts, "thr")
	default:
		parts = append(parts, "lat")
	}
	parts = append(parts, r.Acks, strings.ReplaceAll(r.fsync(), " ", ""))
	if r.Partitions != usualPartitions {
		parts = append(parts, fmt.Sprintf("%dp", r.Partitions))
	}
	return strings.Join(parts, "-")
}

// Dimension is in what a row differs from those that most figures are of: 100
// partitions, two to four producers, i3en.2xlarge, no fsync, Kafka of 2020 and
// later.
type Dimension string

// The dimensions.
const (
	ByPartitions Dimension = "partitions"
	ByClients    Dimension = "clients"
	ByInstance   Dimension = "instance"
	ByFsync      Dimension = "fsync"
	ByAge        Dimension = "age"
)

// Dimensions are all dimensions.
func Dimensions() []Dimension {
	return []Dimension{ByPartitions, ByClients, ByInstance, ByFsync, ByAge}
}

// Differs are the dimensions in which the row differs.
func (r Row) Differs() []Dimension {
	var in []Dimension
	for _, d := range []struct {
		Dimension
		is bool
	}{
		{ByPartitions, r.Partitions != usualPartitions}, {ByClients, r.Producers < 2 || r.Producers > 4},
		{ByInstance, r.Instance != "i3en.2xlarge"}, {ByFsync, r.Fsync}, {ByAge, r.Date < "2020"},
	} {
		if d.is {
			in = append(in, d.Dimension)
		}
	}
	return in
}

// Rows are the published runs, in the order of the data. Those that are not
// simulated say why.
func Rows() ([]Row, error) {
	var rows []Row
	err := readTable("data/runs.csv", func(l *line) { rows = append(rows, l.row()) })
	if err != nil {
		return nil, err
	}
	return rows, addQuantiles(rows)
}

// syncEvery is how the data says that every batch was synced.
const syncEvery = "flush.messages=1"

func (l *line) row() Row {
	r := Row{
		ID: l.text("run_id"), Date: l.text("date"), Source: l.text("source"), URL: l.text("url"),
		Notes: l.text("notes"), System: strings.TrimSpace(l.text("system") + " " + l.text("version")),
		Instance: l.text("broker_instance"), Storage: l.text("storage"), Clients: l.text("clients"),
		Acks: l.text("acks"), Fsync: l.text("fsync") == syncEvery,
		AckedPerSecond: l.rate("pub_msg_s"), ConsumedPerSecond: l.optional("cons_msg_s"),
		OfferedPerSecond: l.rate("offered_msg_s"),
		Publish:          Latencies{Mean: l.mean("pub_avg_ms")},
		EndToEnd:         Latencies{Mean: l.mean("e2e_avg_ms")},
	}
	for _, known := range labs {
		if strings.HasPrefix(r.ID, known.prefix) {
			r.Lab = known.lab
		}
	}
	if r.Lab == "" {
		l.fail("run_id", errors.New("no lab's rows begin so; add it to labs"))
	}
	r.Unpredicted = r.unpredicted()
	if r.Unpredicted != "" {
		r.RecordBytes, _ = l.stated("msg_bytes")
		r.Partitions, _ = l.stated("partitions")
		r.Groups = 1
		return r
	}
	if sync := l.text("fsync"); !slices.Contains([]string{"", "no", syncEvery}, sync) {
		l.fail("fsync", fmt.Errorf("%q is neither no nor %s", sync, syncEvery))
	}
	r.Brokers, r.ReplicationFactor = int(l.whole("brokers")), int(l.whole("rf"))
	r.Partitions = l.whole("partitions")
	l.clients(&r)
	if r.AckedPerSecond == 0 {
		r.AckedPerSecond = l.number("pub_MiB_s") * mib / float64(r.RecordBytes)
	}
	if r.Lab == ElasticStream {
		r.atStatedRate()
	}
	if r.Acks == "-1" {
		r.Acks = "all"
	}
	return r
}

// clients reads what the publication says of clients, and fills in what
// [Assumptions] says where it says nothing.
func (l *line) clients(r *Row) {
	number := func(column string, assumed int64) int64 {
		if v, ok := l.stated(column); ok {
			return v
		}
		if l.text(column) != "" && column == "linger_ms" {
			return 0 // "0 (default)"
		}
		return assumed
	}
	r.LingerMillis = number("linger_ms", 1)
	r.Producers, r.Consumers = int(number("producers", assumedClients)), int(number("consumers", assumedClients))
	r.Groups = max(1, int(number("groups", 1)))
	switch batch := l.text("batch_size"); {
	case strings.HasPrefix(batch, "128 KiB"): // "128 KiB (1ms config) …"
		r.BatchBytes = 128 << 10
	case strings.HasPrefix(l.text("msg_bytes"), "64 KiB batch"):
		r.BatchBytes = 64 << 10
	default:
		r.BatchBytes = l.whole("batch_size")
	}
	r.RecordBytes = number("msg_bytes", 1024)
	if r.Acks == "" {
		r.Acks = "all"
	}
}

// atStatedRate makes a run of elastic-stream a load point. Its document says that
// clients and their concurrency were adjusted, and gives as Kafka's throughput what
// it reached with a 99th percentile of about 20 ms: with one core of eight in use,
// and no more records under way than the mean latency times that rate, 0.4 to 1.8
// MB, this is no maximum. What it calls end-to-end is the latency of the SDK's
// request. Its MB are 10^6 bytes.
func (r *Row) atStatedRate() {
	r.AckedPerSecond *= 1e6 / mib
	r.OfferedPerSecond = r.AckedPerSecond
	r.Publish, r.EndToEnd = r.EndToEnd, Latencies{}
}

// assumedClients is how many producers and consumers a run has that does not say.
const assumedClients = 4

// unpredicted says why a row is not simulated.
func (r Row) unpredicted() string {
	switch {
	case !strings.Contains(r.System, "Kafka"):
		return "another system: nothing of it is in the model"
	case strings.HasPrefix(r.ID, "sn20-catchup"):
		return "drains a backlog of 512 GB while it produces; seconds of it are not simulated"
	case r.Lab == Pravega:
		return "its hardware is not stated"
	case r.Lab == LinkedIn && r.AckedPerSecond == 0:
		return "reads a stored log or waits for single records; the model has neither"
	}
	return ""
}

func addQuantiles(rows []Row) error {
	err := readTable("data/quantiles.csv", func(l *line) {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.ID == l.text("run_id") })
		if i < 0 {
			l.fail("run_id", errors.New("no such row in runs.csv"))
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
	if err := readTable("data/runs.csv", func(l *line) { l.quantiles(rows) }); err != nil {
		return err
	}
	for _, r := range rows {
		for _, l := range []Latencies{r.Publish, r.EndToEnd} {
			if !slices.IsSortedFunc(l.Quantiles, func(a, b Quantile) int { return int(a.Latency - b.Latency) }) {
				return fmt.Errorf("published: %s: quantiles fall", r.ID)
			}
		}
	}
	return nil
}

// quantiles gives a row that has none in data/quantiles.csv those of its line.
func (l *line) quantiles(rows []Row) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.ID == l.text("run_id") })
	endToEnd := &rows[i].EndToEnd
	if rows[i].Lab == ElasticStream {
		endToEnd = &rows[i].Publish // see atStatedRate
	}
	for _, kind := range []struct {
		to     *Latencies
		prefix string
	}{{&rows[i].Publish, "pub_"}, {endToEnd, "e2e_"}} {
		if len(kind.to.Quantiles) > 0 {
			continue
		}
		for _, p := range []struct {
			column  string
			percent float64
		}{{"p50", 50}, {"p75", 75}, {"p95", 95}, {"p99", 99}, {"p999", 99.9}} {
			if l.text(kind.prefix+p.column) != "" {
				kind.to.Quantiles = append(kind.to.Quantiles, Quantile{p.percent, l.millis(kind.prefix + p.column)})
			}
		}
	}
}

// choose finds rows by ID, by slug or by how either begins. No names are all
// rows that are simulated.
func choose(rows []Row, names []string) ([]Row, error) {
	if len(names) == 0 {
		return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Unpredicted != "" }), nil
	}
	var chosen []Row
	for _, name := range names {
		found := 0
		for _, r := range rows {
			if r.Unpredicted != "" && r.ID != name || !strings.HasPrefix(r.ID, name) && !strings.HasPrefix(r.Slug(), name) {
				continue
			}
			if exact := r.ID == name || r.Slug() == name; !exact && slices.ContainsFunc(rows, func(o Row) bool { return o.ID == name || o.Slug() == name }) {
				continue
			}
			if r.Unpredicted != "" {
				return nil, fmt.Errorf("published: %s is not predicted: %s", name, r.Unpredicted)
			}
			found++
			chosen = append(chosen, r)
		}
		if found > 0 {
			continue
		}
		var known []string
		for _, r := range rows {
			if r.Unpredicted == "" {
				known = append(known, r.Slug())
			}
		}
		return nil, fmt.Errorf("published: there is no row %q; the rows are %s", name, strings.Join(known, ", "))
	}
	return chosen, nil
}

// Select finds rows by ID, by slug or by how either begins; no names are all
// rows that are simulated.
func Select(names []string) ([]Row, error) {
	rows, err := Rows()
	if err != nil {
		return nil, err
	}
	return choose(rows, names)
}
