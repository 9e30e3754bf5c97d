package regress

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/weirlab/weir/workloads/experiment"
)

// Options is what Run needs to know.
type Options struct {
	Old, New Build

	// Rounds is how many rounds there are at least; 0 means DefaultRounds.
	// MaxRounds is how many there are at most, if something looks slower without
	// being beyond doubt; 0 means DefaultMaxRounds.
	Rounds, MaxRounds int

	// RoundTime is how long the slices of one round may take; 0 means
	// DefaultRoundTime. Each process has at least two slices of each load.
	RoundTime time.Duration

	// Dir is where the brokers keep their data, 700 MB at a time at most; the
	// system's directory for temporary files if empty.
	Dir string

	// Progress is told what is about to happen, if it is not nil.
	Progress experiment.Progress
}

// Defaults of Options. Four rounds take 40 s, six take a minute.
const (
	DefaultRounds    = 4
	DefaultMaxRounds = 6
	DefaultRoundTime = 6 * time.Second
)

// leastRounds is from where on intervals of 95 % are bounded.
const leastRounds = 3

// Build is one side of the comparison.
type Build struct {
	Name      string   `json:"name"` // as it was asked for
	Binary    string   `json:"-"`    // file
	Arguments []string `json:"arguments,omitempty"`
	Commit    string   `json:"commit,omitempty"` // if it was built from one
	SHA256    string   `json:"sha256,omitempty"` // of the file
}

// Sides of the comparison.
const (
	Old = "old"
	New = "new"
)

// Process is what one cluster did in its round.
type Process struct {
	Round  int     `json:"round"`
	Side   string  `json:"side"`
	Slices []Slice `json:"slices"`
}

// seats of a round: who sits where in the order of slices.
var seats = [...]string{Old, New, Old, New}

// orders of the slices of a block by seat. Each row is ABBA or BAAB, and every
// seat is in every place once in four blocks.
var orders = [...][len(seats)]int{{0, 1, 3, 2}, {1, 2, 0, 3}, {2, 3, 1, 0}, {3, 0, 2, 1}}

// Run compares two builds.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if o.MaxRounds == 0 {
		o.MaxRounds = DefaultMaxRounds
	}
	if o.RoundTime == 0 {
		o.RoundTime = DefaultRoundTime
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Rounds < leastRounds {
		return nil, fmt.Errorf("%d rounds cannot tell noise from change; use 4 or more", o.Rounds)
	}
	o.MaxRounds = max(o.Rounds, o.MaxRounds)
	dir, err := os.MkdirTemp(o.Dir, "weir-regress-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r := &Result{
		Schema: Schema, Started: time.Now().UTC(), Old: o.Old, New: o.New,
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Go: runtime.Version(), CPUs: runtime.NumCPU(), CPU: cpuModel(),
	}
	wanted := func(n int) bool { return n < o.Rounds || n < o.MaxRounds && r.undecided() }
	free := newPorts()
	next, err := o.start(dir, 0, free)
	defer func() { next.stop() }()
	for n := 0; wanted(n); n++ {
		if next == nil && err == nil {
			next, err = o.start(dir, n, free)
		}
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("round %d of %d", n+1, o.Rounds)
		if n >= o.Rounds {
			what = fmt.Sprintf("round %d of %d, to be sure", n+1, o.MaxRounds)
		}
		o.Progress(what)
		this := next
		next = nil
		// Brokers elect a controller while this round's have their turn. Idle
		// ones cost nothing that could be measured.
		if wanted(n + 1) {
			next, err = o.start(dir, n+1, free)
		}
		processes, failed := this.run(ctx, o.RoundTime)
		this.stop()
		if failed != nil {
			return nil, failed
		}
		r.Processes = append(r.Processes, processes...)
		r.evaluate()
	}
	r.Took = time.Since(r.Started)
	return r, nil
}

// field is the clusters of one round.
type field struct {
	clusters [len(seats)]*cluster
	list     [len(seats)]Process
}

// start starts two clusters of each side. In odd rounds the sides change
// seats, so that neither is always started first.
func (o *Options) start(dir string, number int, free *ports) (*field, error) {
	f := new(field)
	for i := range seats {
		side, build := seats[(i+number)%len(seats)], o.Old
		if side == New {
			build = o.New
		}
		c, err := startCluster(build, filepath.Join(dir, fmt.Sprintf("%d-%d", number, i)), free)
		if err != nil {
			f.stop()
			return nil, err
		}
		f.clusters[i], f.list[i] = c, Process{Round: number, Side: side}
	}
	return f, nil
}

func (f *field) stop() {
	if f == nil {
		return
	}
	for _, c := range f.clusters {
		if c != nil {
			c.stop()
		}
	}
}

// run gives the clusters slices of load in turn.
func (f *field) run(ctx context.Context, d time.Duration) ([]Process, error) {
	fail := func(i int, err error) error {
		if gone := f.clusters[i].gone(); gone != nil {
			err = gone // which explains the rest
		}
		return fmt.Errorf("the brokers of %s: %w", f.list[i].Side, err)
	}
	for i, c := range f.clusters {
		if err := c.prepare(); err != nil {
			return nil, fail(i, err)
		}
	}
	// Warm up: connections, heaps, and the caches of the processors.
	for _, l := range loads {
		for i, c := range f.clusters {
			if _, err := c.slice(l); err != nil {
				return nil, fail(i, err)
			}
		}
	}
	start := time.Now()
	// Whole pairs of blocks, so that neither side is first more often.
	for block := 0; block < 2 || block%2 == 1 || time.Since(start) < d; block++ {
		for _, l := range loads {
			for _, i := range orders[block%len(orders)] {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				s, err := f.clusters[i].slice(l)
				if err != nil {
					return nil, fail(i, err)
				}
				f.list[i].Slices = append(f.list[i].Slices, s)
			}
		}
	}
	return f.list[:], nil
}
