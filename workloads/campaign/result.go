package campaign

import (
	"cmp"
	"slices"
	"time"
)

// Result is one line of results.jsonl.
type Result struct {
	Ordinal   int           `json:"ordinal"`
	Seed      string        `json:"seed"`
	Exit      int           `json:"exit"`                // as of "weir run"
	Signature string        `json:"signature,omitempty"` // what findings of one kind have in common
	Findings  []string      `json:"findings,omitempty"`  // codes and sentences
	Excused   int           `json:"excused,omitempty"`
	TraceHash string        `json:"trace_hash"`
	Rerun     string        `json:"rerun,omitempty"` // same, different or ""
	Events    uint64        `json:"events"`
	Acked     int64         `json:"acked_records"`
	Simulated time.Duration `json:"simulated_ns"`
	Wall      time.Duration `json:"wall_ns"`
	Command   string        `json:"command,omitempty"` // that repeats it
	Kept      string        `json:"kept,omitempty"`    // its result directory, within the campaign's
	Error     string        `json:"error,omitempty"`
	// NewStates are those that no seed before it had reached, on this machine:
	// names as of package explore.
	NewStates []string `json:"new_states,omitempty"`
}

// Passed says that the seed kept every promise.
func (r *Result) Passed() bool { return r.Exit == 0 }

// equal says that two runs of a seed came to the same.
func (r *Result) equal(o *Result) bool {
	return r.Seed == o.Seed && r.Exit == o.Exit && r.TraceHash == o.TraceHash
}

// Group is the seeds that failed in the same way.
type Group struct {
	Signature string
	Seeds     []Result // in order of ordinals
	// Smallest has the lowest ordinal, Fastest took the least time.
	Smallest, Fastest Result
}

// Groups sorts failing seeds by their signatures, the most frequent first.
func Groups(results []Result) []Group {
	bySignature := map[string]*Group{}
	var all []*Group
	for _, r := range results {
		if r.Passed() {
			continue
		}
		g := bySignature[r.Signature]
		if g == nil {
			g = &Group{Signature: r.Signature}
			bySignature[r.Signature] = g
			all = append(all, g)
		}
		g.Seeds = append(g.Seeds, r)
	}
	groups := make([]Group, 0, len(all))
	for _, g := range all {
		slices.SortFunc(g.Seeds, byOrdinal)
		g.Smallest = g.Seeds[0]
		g.Fastest = slices.MinFunc(g.Seeds, func(a, b Result) int { return cmp.Compare(a.Wall, b.Wall) })
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Seeds), len(a.Seeds)), cmp.Compare(a.Signature, b.Signature))
	})
	return groups
}

func byOrdinal(a, b Result) int { return cmp.Compare(a.Ordinal, b.Ordinal) }
