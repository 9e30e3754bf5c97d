package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/mutants"
)

// Mutants is what "weir mutants" found as a document.
func Mutants(s *mutants.Score) *document.Document {
	rows := s.Counted()
	d := &document.Document{
		Title:    "Which planted bugs are found",
		Subtitle: fmt.Sprintf("Seeds of the scenario %s, from %s on, against %d bugs, one at a time", s.Scenario, s.From, len(s.Rows)),
		Summary:  []string{scoreWords(s, rows)},
	}
	d.Sections = append(d.Sections, foundSection(rows))
	if lost := slices.DeleteFunc(slices.Clone(rows), func(r *mutants.Row) bool { return r.Find != nil }); len(lost) > 0 {
		d.Sections = append(d.Sections, notFoundSection(lost))
	}
	if same := slices.DeleteFunc(slices.Clone(s.Rows), func(r *mutants.Row) bool { return r.Equivalent == "" }); len(same) > 0 {
		d.Sections = append(d.Sections, equivalentSection(same))
	}
	d.Provenance = []document.Source{{What: "the bugs", Basis: "specification", Validated: document.NeverCompared,
		Source: "faults.Bugs: documented bugs of Kafka and of systems like it, guards that model checking showed to be needed, and some of Weir's own"}}
	return d
}

func scoreWords(s *mutants.Score, rows []*mutants.Row) string {
	starred := mutants.Starred(rows)
	var cpu time.Duration
	for _, r := range s.Rows {
		cpu += r.CPU
	}
	found := mutants.Found(rows)
	words := fmt.Sprintf("%d of %d planted bugs are found (%d%%), %d of the %d starred ones, by at most %d seeds of the scenario %s; the median of those found takes %d seeds. "+
		"All of it took %s of processor time.",
		found, len(rows), 100*found/max(len(rows), 1), mutants.Found(starred), len(starred), s.Seeds, s.Scenario, mutants.MedianSeeds(rows),
		(s.BaseCPU + cpu).Round(time.Second))
	if len(s.Alarms) > 0 {
		words += fmt.Sprintf(" Seeds left out since something was found in them without any bug: %d.", len(s.Alarms))
	}
	return words
}

func starOf(r *mutants.Row) string {
	if r.Starred {
		return "★"
	}
	return ""
}

func countCell(n int) document.Cell { return document.Quantity(float64(n), "1", fmt.Sprint(n)) }

func secondsCell(d time.Duration) document.Cell {
	return document.Quantity(d.Seconds(), "s", fmt.Sprintf("%.1f", d.Seconds()))
}

func idsOf(r *mutants.Row) document.Cell {
	return document.Words(strings.Join(append([]string{r.ID}, r.Also...), ", "))
}

func foundSection(rows []*mutants.Row) document.Section {
	t := document.Table{Name: "found", Title: "Found", Columns: []document.Column{{Name: "bug"}, {Name: "★"}, {Name: "what is wrong"}, {Name: "met in"},
		{Name: "seeds", Number: true}, {Name: "of them reached", Number: true}, {Name: "processor time", Unit: "s", Number: true},
		{Name: "caught by"}, {Name: "in these words"}},
		Notes: []string{"Seeds: how many were looked at until something was found, that one included. Reached: in which the wrong code decided something; only those were run. " +
			"Only checks count that look for the harm that the bug does."}}
	for _, r := range rows {
		if r.Find == nil {
			continue
		}
		t.Rows = append(t.Rows, []document.Cell{idsOf(r), document.Words(starOf(r)), document.Words(r.About), document.Words(r.Source),
			countCell(r.Seeds), countCell(r.Asked), secondsCell(r.CPU), document.Words(r.Find.Code), document.Words(r.Find.Sentence)})
	}
	return document.Section{Title: "Bugs that are found", Tables: []document.Table{t}}
}

func notFoundSection(rows []*mutants.Row) document.Section {
	t := document.Table{Name: "not-found", Title: "Not found", Columns: []document.Column{{Name: "bug"}, {Name: "★"}, {Name: "what is wrong"}, {Name: "met in"},
		{Name: "seeds", Number: true}, {Name: "reached in", Number: true}, {Name: "differed in", Number: true}, {Name: "processor time", Unit: "s", Number: true}, {Name: "why not"}}}
	for _, r := range rows {
		t.Rows = append(t.Rows, []document.Cell{idsOf(r), document.Words(starOf(r)), document.Words(r.About), document.Words(r.Source),
			countCell(r.Seeds), countCell(r.Asked), countCell(r.Differed), secondsCell(r.CPU), document.Words(r.Why())})
	}
	return document.Section{Title: "Bugs that are not found", Tables: []document.Table{t}}
}

func equivalentSection(rows []*mutants.Row) document.Section {
	t := document.Table{Name: "equivalent", Title: "Equivalent", Columns: []document.Column{{Name: "bug"}, {Name: "what is wrong"}, {Name: "why nobody can tell"}}}
	for _, r := range rows {
		t.Rows = append(t.Rows, []document.Cell{idsOf(r), document.Words(r.About), document.Words(r.Equivalent)})
	}
	return document.Section{Title: "Bugs that cannot be told from correct code", Text: []string{"They do not count."}, Tables: []document.Table{t}}
}
