package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/campaign"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/explore"
)

// Files of a campaign's directory that are for readers.
const (
	PageFile     = "index.html"
	JUnitFile    = "junit.xml"
	MarkdownFile = "report.md" // as $GITHUB_STEP_SUMMARY takes it
)

// Write writes the page and its other forms into dir.
func Write(dir string, m *campaign.Merged) error {
	d := Document(m)
	var page, markdown bytes.Buffer
	if err := errors.Join(render.HTML(&page, d), render.Markdown(&markdown, d, "")); err != nil {
		return err
	}
	xml, err := JUnit(m)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, PageFile), page.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, MarkdownFile), markdown.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, JUnitFile), xml, 0o644))
}

// totals are sums over the seeds of a campaign.
type totals struct {
	passed, reruns, different int
	simulated                 time.Duration
	events                    uint64
	slowest                   campaign.Result
}

func sum(m *campaign.Merged) (t totals) {
	for _, r := range m.Results {
		t.simulated += r.Simulated
		t.events += r.Events
		if r.Wall > t.slowest.Wall {
			t.slowest = r
		}
		switch r.Rerun {
		case "same":
			t.reruns++
		case "different":
			t.reruns++
			t.different++
		}
		if r.Passed() {
			t.passed++
		}
	}
	return t
}

// headline is what a campaign came to, the verdict first.
func headline(m *campaign.Merged) string {
	t := sum(m)
	text := fmt.Sprintf("%s: %d of %d seeds passed", m.Manifest.Scenario, t.passed, len(m.Results))
	if m.Manifest.Seeds > len(m.Results) {
		text += fmt.Sprintf("; %d of the campaign's %d ran", len(m.Results), m.Manifest.Seeds)
	}
	return text
}

// doubts are reasons why a campaign without findings proves nothing.
func doubts(m *campaign.Merged) []string {
	var all []string
	if c := m.Manifest.Canary; c != nil && !c.Found {
		all = append(all, fmt.Sprintf("The campaign is void: the planted bug %s was not found in %d seeds.", c.Bug, c.Seeds))
	}
	for _, c := range m.Conflicts {
		all = append(all, fmt.Sprintf("Seed %s came to two different ends: exit code %d with trace %s, and %d with %s.",
			c.One.Seed, c.One.Exit, c.One.TraceHash, c.Other.Exit, c.Other.TraceHash))
	}
	if len(m.Absent) > 0 {
		all = append(all, fmt.Sprintf("Of %d shards %s never wrote anything.", m.Manifest.Of, numbers(m.Absent)))
	}
	if len(m.Cut) > 0 && m.Manifest.Of > 1 {
		all = append(all, fmt.Sprintf("Shards %s were cut short.", numbers(m.Cut)))
	} else if len(m.Cut) > 0 {
		all = append(all, "It was cut short.")
	}
	if len(m.Missing) > 0 {
		n := 0
		var ranges []string
		for _, r := range m.Missing {
			n += r.To - r.From + 1
			if len(ranges) < 8 {
				ranges = append(ranges, r.String())
			}
		}
		if len(m.Missing) > len(ranges) {
			ranges = append(ranges, "…")
		}
		all = append(all, fmt.Sprintf("%d seeds are missing: ordinals %s.", n, strings.Join(ranges, ", ")))
	}
	return all
}

func numbers(list []int) string {
	text := make([]string, len(list))
	for i, n := range list {
		text[i] = fmt.Sprint(n)
	}
	return strings.Join(text, ", ")
}

// effort is how much was simulated, and how fast.
func effort(m *campaign.Merged) string {
	if len(m.Results) == 0 {
		return "No seed ran."
	}
	t := sum(m)
	text := fmt.Sprintf("%.0f simulated seconds in %.1f wall seconds, %.1f million events; slowest seed %s: %.1f s; %d seeds run twice",
		t.simulated.Seconds(), m.Manifest.Wall.Seconds(), float64(t.events)/1e6, t.slowest.Seed, t.slowest.Wall.Seconds(), t.reruns)
	if t.different > 0 {
		text += fmt.Sprintf(", %d of them differently", t.different)
	}
	return text
}

// Summary is the campaign on the terminal.
func Summary(m *campaign.Merged) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", headline(m))
	line("%s", effort(m))
	for _, d := range doubts(m) {
		line("%s", d)
	}
	if c := m.Manifest.Canary; c != nil && c.Found {
		line("canary: %s", canaryFact(m))
	}
	if names := states(m); names != nil {
		line("%s (%s lists them)", explore.Count(names), PageFile)
	}
	for _, g := range campaign.Groups(m.Results) {
		line("\n%d seeds: %s", len(g.Seeds), g.Signature)
		for _, f := range g.Fastest.Findings[:min(3, len(g.Fastest.Findings))] {
			line("  %s", f)
		}
		if g.Fastest.Error != "" {
			line("  %s", g.Fastest.Error)
		}
		line("  smallest seed %s; reproduce the fastest: %s", g.Smallest.Seed, g.Fastest.Command)
	}
	return b.String()
}

// states are the names of the states that were reached, nil for a campaign that
// did not note them.
func states(m *campaign.Merged) []string {
	reached := map[string]bool{}
	for _, r := range m.Results {
		for _, name := range r.NewStates {
			reached[name] = true
		}
	}
	if len(reached) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(reached))
}

// Document is the page of a campaign.
func Document(m *campaign.Merged) *document.Document {
	d := &document.Document{
		Title:    "Campaign " + m.Manifest.Campaign,
		Subtitle: headline(m),
		Summary:  append(append([]string{}, doubts(m)...), effort(m)+"."),
		Facts: []document.Fact{
			{Name: "started", Value: m.Manifest.Started.Format(time.RFC3339)},
			{Name: "commit", Value: m.Manifest.Commit},
			{Name: "SHA-256 of the program", Value: m.Manifest.Binary},
			{Name: "seeds", Value: seedsFact(m)},
			{Name: "canary", Value: canaryFact(m)},
		},
	}
	if len(m.Manifest.Planted) > 0 {
		d.Facts = append(d.Facts, document.Fact{Name: "planted bugs", Value: strings.Join(m.Manifest.Planted, ", ")})
	}
	d.Sections = []document.Section{findings(m), shards(m), slowest(m)}
	if names := states(m); names != nil {
		d.Sections = append(d.Sections, document.Section{Title: "States reached", Text: explore.Told(names)})
	}
	return d
}

func seedsFact(m *campaign.Merged) string {
	from := "drawn from the campaign's name"
	if m.Manifest.From != "" {
		from = "counted from " + m.Manifest.From
	}
	if m.Manifest.Seeds == 0 {
		return from + ", as many as the time allowed"
	}
	return fmt.Sprintf("%d, %s", m.Manifest.Seeds, from)
}

func canaryFact(m *campaign.Merged) string {
	c := m.Manifest.Canary
	switch {
	case c == nil:
		return "none was asked for"
	case !c.Found:
		return fmt.Sprintf("%s was not found in %d seeds", c.Bug, c.Seeds)
	}
	return fmt.Sprintf("%s was found by %s in seed %s", c.Bug, c.Check, c.Seed)
}

func findings(m *campaign.Merged) document.Section {
	s := document.Section{Title: "Findings"}
	groups := campaign.Groups(m.Results)
	if len(groups) == 0 {
		s.Text = []string{"No seed broke a promise."}
		return s
	}
	t := document.Table{Name: "findings", Title: "By signature, the most frequent first",
		Columns: []document.Column{{Name: "seeds", Number: true}, {Name: "signature"}, {Name: "smallest seed"}, {Name: "fastest seed says"}, {Name: "reproduce"}, {Name: "kept"}}}
	for _, g := range groups {
		says := g.Fastest.Error
		if len(g.Fastest.Findings) > 0 {
			says = g.Fastest.Findings[0]
		}
		kept := ""
		if i := slices.IndexFunc(g.Seeds, func(r campaign.Result) bool { return r.Kept != "" }); i >= 0 {
			kept = g.Seeds[i].Kept
		}
		t.Rows = append(t.Rows, []document.Cell{
			document.Quantity(float64(len(g.Seeds)), "seeds", fmt.Sprint(len(g.Seeds))), document.Words(g.Signature).Marked(document.Bad),
			document.Words(g.Smallest.Seed), document.Words(says), document.Words(g.Fastest.Command), document.Words(kept),
		})
	}
	s.Tables = []document.Table{t}
	return s
}

func shards(m *campaign.Merged) document.Section {
	s := document.Section{Title: "Shards", Text: []string{fmt.Sprintf("%d lines told again what another had told.", m.Repeated)}}
	t := document.Table{Name: "shards", Title: "Who ran what",
		Columns: []document.Column{{Name: "shard", Number: true}, {Name: "seeds", Number: true}, {Name: "failing", Number: true}, {Name: "ended"}}}
	for i, shard := range m.Manifest.Shards {
		seeds, failing := 0, 0
		for _, r := range m.Results {
			if m.Manifest.ShardOf(r.Ordinal) == shard {
				seeds++
				if !r.Passed() {
					failing++
				}
			}
		}
		ended := document.Words(m.Manifest.Ended[i])
		if m.Manifest.Ended[i] == "" {
			ended = document.Words("cut short").Marked(document.Bad)
		}
		t.Rows = append(t.Rows, []document.Cell{number(shard), number(seeds), number(failing), ended})
	}
	s.Tables = []document.Table{t}
	return s
}

func number(n int) document.Cell { return document.Quantity(float64(n), "", fmt.Sprint(n)) }

func slowest(m *campaign.Merged) document.Section {
	results := slices.Clone(m.Results)
	slices.SortFunc(results, func(a, b campaign.Result) int { return int(min(1, max(-1, b.Wall-a.Wall))) })
	t := document.Table{Name: "slowest", Title: "What took longest",
		Columns: []document.Column{{Name: "seed"}, {Name: "wall time", Unit: "s", Number: true}, {Name: "simulated", Unit: "s", Number: true}, {Name: "events", Number: true}}}
	for _, r := range results[:min(5, len(results))] {
		t.Rows = append(t.Rows, []document.Cell{document.Words(r.Seed), seconds(r.Wall), seconds(r.Simulated), document.Quantity(float64(r.Events), "events", fmt.Sprint(r.Events))})
	}
	return document.Section{Title: "Slowest seeds", Tables: []document.Table{t}}
}

func seconds(d time.Duration) document.Cell {
	return document.Quantity(d.Seconds(), "s", fmt.Sprintf("%.1f", d.Seconds()))
}
