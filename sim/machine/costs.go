package machine

import (
	"embed"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"path"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Costs prices operations in time of one core.
type Costs struct {
	Name       string          `json:"name"`
	Operations map[string]Cost `json:"operations"`
	// Mechanisms are what makes operations take longer than their work.
	Mechanisms Mechanisms `json:"mechanisms,omitzero"`
	Source     Source     `json:"source"`
}

// Cost is the price of one kind of operation.
type Cost struct {
	CallNanos int64 `json:"call_ns"` // nanoseconds a call
	UnitPicos int64 `json:"unit_ps"` // picoseconds a unit
	// LargePicos is what a unit beyond the first LargeUnits of a call costs
	// more, in picoseconds: large buffers fit neither into the caches that the
	// processes of a machine share nor into the memory that they use again.
	LargePicos int64 `json:"large_ps,omitempty"`
}

// LargeUnits is how much of a call is not large.
const LargeUnits = 64 << 10

// Operations are the names of the operations that Weir's programs tell of; see
// the package's documentation for what each covers.
func Operations() []string {
	return []string{
		"request.produce", "request.fetch", "request.replica", "request.other", "response",
		"storage.append", "replica.append", "storage.read", "storage.sync", "storage.recover", "peer.request",
		"client.send", "client.receive", "client.record", "client.partition", "fetch.partition", "peer.partition",
	}
}

// Price is how long operation op over n units occupies a core; 0 if the table
// does not have it.
func (c Costs) Price(op string, n int64) time.Duration {
	cost, ok := c.Operations[op]
	if !ok {
		return 0
	}
	return cost.Price(n)
}

// Price is the price over n units, rounded down to a nanosecond.
func (c Cost) Price(n int64) time.Duration {
	d := c.CallNanos
	if n > 0 {
		d += picos(n, c.UnitPicos)
	}
	if n > LargeUnits && c.LargePicos > 0 {
		d += picos(n-LargeUnits, c.LargePicos)
	}
	return time.Duration(min(d, mostNanos))
}

// mostNanos bounds a price, so that a few can be added up.
const mostNanos = math.MaxInt64 >> 2

// picos is n units at a price in picoseconds, in nanoseconds.
func picos(n, each int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(each))
	if hi >= 1000 {
		return mostNanos >> 2
	}
	nanos, _ := bits.Div64(hi, lo, 1000)
	return int64(min(nanos, mostNanos>>2))
}

func (c Costs) check() error {
	for _, op := range env.SortedKeys(c.Operations) {
		cost := c.Operations[op]
		if cost.CallNanos < 0 || cost.UnitPicos < 0 || cost.LargePicos < 0 || cost.CallNanos > math.MaxInt64>>2 {
			return fmt.Errorf("operations.%s: prices must not be negative", op)
		}
	}
	if err := c.Mechanisms.check(); err != nil {
		return fmt.Errorf("mechanisms.%w", err)
	}
	if len(c.Operations) == 0 {
		return nil
	}
	if c.Name == "" {
		return errors.New("name: is missing")
	}
	if err := c.Source.check(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

// ParseCosts reads a cost table from JSON. A key that tables do not have is an
// error that names it.
func ParseCosts(data []byte) (Costs, error) {
	var c Costs
	if err := strict(data, &c); err != nil {
		return Costs{}, err
	}
	return c, c.check()
}

//go:embed data/*.json
var tables embed.FS

// CostTables are the names of the tables that are part of the program.
func CostTables() []string {
	entries, err := tables.ReadDir("data")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), costsSuffix); ok {
			names = append(names, name)
		}
	}
	return names
}

const costsSuffix = ".costs.json"

// CostTable finds a table that is part of the program: "weir" for Weir's own
// broker and client, "kafka-jvm" for Apache Kafka.
func CostTable(name string) (Costs, error) {
	data, err := tables.ReadFile(path.Join("data", name+costsSuffix))
	if err != nil {
		return Costs{}, fmt.Errorf("machine: there is no cost table %q; use one of %s", name, strings.Join(CostTables(), ", "))
	}
	c, err := ParseCosts(data)
	if err != nil {
		return Costs{}, fmt.Errorf("machine: cost table %s: %w", name, err)
	}
	return c, nil
}
