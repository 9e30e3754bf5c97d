package mutants

import (
	"slices"
	"time"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/scenario"
)

// Find is the first seed in which a bug was found, and by what.
type Find struct {
	Seed scenario.Seed `json:"seed"`
	Finding
}

// Row is what came of looking for one bug.
type Row struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Starred    bool     `json:"starred,omitempty"`
	About      string   `json:"about"`
	Checks     []string `json:"checks"`
	Also       []string `json:"also,omitempty"`
	Equivalent string   `json:"equivalent,omitempty"`

	Seeds    int           `json:"seeds"`             // looked at, the one of the find included
	Asked    int           `json:"asked"`             // in which the wrong code would have decided something
	Differed int           `json:"differed"`          // in which the run came out other than without the bug
	CPU      time.Duration `json:"cpu_ns"`            // processor time of the runs with the bug
	Skipped  int           `json:"skipped,omitempty"` // seeds that were left out
	Find     *Find         `json:"find,omitempty"`
	// Noticed is the first finding of a check that looks for something else than
	// this bug does. It says that something is wrong, not what, and may be the
	// alarm of a check that is wrong itself; so the search goes on.
	Noticed *Find `json:"noticed,omitempty"`
	Spent   bool  `json:"spent,omitempty"` // it was given up before the seeds were at their end
}

func newRow(b faults.Bug) *Row {
	return &Row{ID: b.ID, Name: b.Name, Source: b.Source, Starred: b.Starred, About: b.About, Checks: b.Checks, Also: b.Also, Equivalent: b.Equivalent}
}

// Why says why a bug was not found, "" if it was.
func (r *Row) Why() string {
	switch {
	case r.Find != nil:
		return ""
	case r.Equivalent != "":
		return "equivalent"
	case r.Noticed != nil:
		return "noticed only by a check that looks for something else, " + r.Noticed.Code
	case r.Asked == 0:
		return "never reached"
	case r.Differed == 0:
		return "reached, no run differed"
	}
	return "runs differed, no check saw it"
}

// Score is what came of looking for all of them.
type Score struct {
	Scenario string          `json:"scenario"`
	From     scenario.Seed   `json:"from"`
	Seeds    int             `json:"seeds"` // run without a bug
	BaseCPU  time.Duration   `json:"base_cpu_ns"`
	Alarms   []scenario.Seed `json:"alarms,omitempty"` // seeds in which something was found without a bug
	Rows     []*Row          `json:"rows"`
}

// Counted are the rows that make up the score: all but those of bugs that cannot
// be told from correct code.
func (s *Score) Counted() []*Row {
	return slices.DeleteFunc(slices.Clone(s.Rows), func(r *Row) bool { return r.Equivalent != "" })
}

// Found counts the bugs that were found among rows.
func Found(rows []*Row) int {
	n := 0
	for _, r := range rows {
		if r.Find != nil {
			n++
		}
	}
	return n
}

// Starred are the starred ones among rows.
func Starred(rows []*Row) []*Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r *Row) bool { return !r.Starred })
}

// MedianSeeds is the median number of seeds that it took to find those that were
// found, the larger of the two in the middle; 0 if none was.
func MedianSeeds(rows []*Row) int {
	var seeds []int
	for _, r := range rows {
		if r.Find != nil {
			seeds = append(seeds, r.Seeds)
		}
	}
	if len(seeds) == 0 {
		return 0
	}
	slices.Sort(seeds)
	return seeds[len(seeds)/2]
}
