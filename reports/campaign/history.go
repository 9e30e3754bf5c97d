package campaign

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/campaign"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// RecordsFile is the history for machines: a JSON array with an entry per
// campaign, as dashboards of benchmark results take it.
const RecordsFile = "records.json"

// Night is one campaign among those over time.
type Night struct{ *campaign.Merged }

// Nights reads campaigns and joins the shards of each, the oldest first. A
// merged directory and the shards it was made of are one campaign.
func Nights(dirs []string) ([]Night, error) {
	type key struct{ campaign, scenario, binary, planted string }
	byKey := map[key][]*campaign.Part{}
	var keys []key
	for _, dir := range dirs {
		p, err := campaign.Read(dir)
		if err != nil {
			return nil, err
		}
		k := key{p.Manifest.Campaign, p.Manifest.Scenario, p.Manifest.Binary, fmt.Sprint(p.Manifest.Planted)}
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], p)
	}
	var nights []Night
	for _, k := range keys {
		m, err := campaign.Merge(byKey[k]...)
		if err != nil {
			return nil, err
		}
		nights = append(nights, Night{m})
	}
	slices.SortStableFunc(nights, func(a, b Night) int { return a.Manifest.Started.Compare(b.Manifest.Started) })
	return nights, nil
}

// perHour is how many seeds an hour of a shard's work came to.
func (n Night) perHour() float64 {
	if n.Manifest.Wall <= 0 {
		return 0
	}
	return float64(len(n.Results)) / n.Manifest.Wall.Hours()
}

// WriteHistory writes the page of campaigns over time, and its records.
func WriteHistory(dir string, nights []Night) error {
	var page bytes.Buffer
	if err := render.HTML(&page, History(nights)); err != nil {
		return err
	}
	records, err := json.MarshalIndent(records(nights), "", " ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, PageFile), page.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, RecordsFile), append(records, '\n'), 0o644))
}

type record struct {
	Timestamp  int64             `json:"timestamp"` // seconds since 1970
	Attributes map[string]string `json:"attributes"`
	Metrics    []metric          `json:"metrics"`
}

type metric struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

func records(nights []Night) []record {
	all := []record{}
	for _, n := range nights {
		t := sum(n.Merged)
		all = append(all, record{
			Timestamp:  n.Manifest.Started.Unix(),
			Attributes: map[string]string{"git_commit": n.Manifest.Commit, "campaign": n.Manifest.Campaign, "scenario": n.Manifest.Scenario},
			Metrics: []metric{
				{"seeds", "seeds", float64(len(n.Results))}, {"failing seeds", "seeds", float64(len(n.Results) - t.passed)},
				{"signatures", "signatures", float64(len(campaign.Groups(n.Results)))},
				{"seeds per hour", "seeds/h", n.perHour()}, {"simulated", "s", t.simulated.Seconds()},
			},
		})
	}
	return all
}

// History is the page of campaigns over time.
func History(nights []Night) *document.Document {
	d := &document.Document{Title: "Campaigns over time", Subtitle: fmt.Sprintf("%d campaigns", len(nights))}
	if len(nights) == 0 {
		return d
	}
	last := nights[len(nights)-1]
	d.Subtitle += fmt.Sprintf(", %s to %s", day(nights[0]), day(last))
	seeds := 0
	for _, n := range nights {
		seeds += len(n.Results)
	}
	d.Summary = []string{fmt.Sprintf("%d seeds in all. The newest, %s: %s.", seeds, last.Manifest.Campaign, headline(last.Merged))}
	d.Sections = []document.Section{over(nights), signatures(nights)}
	d.Provenance = []document.Source{{What: "seeds per hour", Basis: "measurement", Source: "the wall time of each shard, on whatever machine it ran"}}
	return d
}

func day(n Night) string { return n.Manifest.Started.UTC().Format(time.DateOnly) }

func over(nights []Night) document.Section {
	t := document.Table{Name: "campaigns", Title: "What ran, the newest first",
		Columns: []document.Column{{Name: "started"}, {Name: "campaign"}, {Name: "scenario"}, {Name: "commit"}, {Name: "seeds", Number: true},
			{Name: "failing", Number: true}, {Name: "signatures", Number: true}, {Name: "seeds per hour and shard", Unit: "1/h", Number: true}, {Name: "canary"}, {Name: "whole"}}}
	speed := document.Series{Name: "seeds per hour and shard", Basis: document.Real}
	broken := document.Series{Name: "signatures", Basis: document.Simulated}
	for i, n := range nights {
		speed.X, speed.Y = append(speed.X, float64(i+1)), append(speed.Y, n.perHour())
		broken.X, broken.Y = append(broken.X, float64(i+1)), append(broken.Y, float64(len(campaign.Groups(n.Results))))
	}
	for _, n := range slices.Backward(nights) {
		s := sum(n.Merged)
		failing := number(len(n.Results) - s.passed)
		if s.passed < len(n.Results) {
			failing = failing.Marked(document.Bad)
		}
		whole := document.Words("yes")
		if all := doubts(n.Merged); len(all) > 0 {
			whole = document.Words(all[0]).Marked(document.Bad)
		}
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(n.Manifest.Started.UTC().Format("2006-01-02 15:04")), document.Words(n.Manifest.Campaign), document.Words(n.Manifest.Scenario),
			document.Words(short(n.Manifest.Commit)), number(len(n.Results)), failing, number(len(campaign.Groups(n.Results))),
			document.Quantity(n.perHour(), "1/h", fmt.Sprintf("%.0f", n.perHour())), document.Words(canaryFact(n.Merged)), whole,
		})
	}
	x := document.Axis{Label: "campaign, from the oldest", Unit: "1"}
	return document.Section{Title: "Campaigns", Tables: []document.Table{t}, Figures: []document.Figure{
		{Name: "speed", Title: "Seeds per hour", About: "Of one shard; machines may differ.", Kind: document.Lines, Half: true, X: x,
			Y: document.Axis{Label: "seeds", Unit: "1/h"}, Basis: document.Real, Series: []document.Series{speed}},
		{Name: "signatures", Title: "Kinds of failure", About: "Signatures in each campaign.", Kind: document.Lines, Half: true, X: x,
			Y: document.Axis{Label: "signatures", Unit: "1"}, Basis: document.Simulated, Model: "the scenario of the campaign", Validated: document.NeverCompared,
			Series: []document.Series{broken}},
	}}
}

// signatures says of each kind of failure when it was seen.
func signatures(nights []Night) document.Section {
	type life struct {
		signature   string
		first, last Night
		nights      int
		seeds       int
		smallest    campaign.Result
	}
	lives := map[string]*life{}
	var all []*life
	for _, n := range nights {
		for _, g := range campaign.Groups(n.Results) {
			l := lives[g.Signature]
			if l == nil {
				l = &life{signature: g.Signature, first: n}
				lives[g.Signature] = l
				all = append(all, l)
			}
			l.last, l.smallest = n, g.Smallest
			l.nights++
			l.seeds += len(g.Seeds)
		}
	}
	s := document.Section{Title: "Findings"}
	if len(all) == 0 {
		s.Text = []string{"No campaign found anything."}
		return s
	}
	slices.SortFunc(all, func(a, b *life) int {
		return cmp.Or(b.last.Manifest.Started.Compare(a.last.Manifest.Started), cmp.Compare(b.seeds, a.seeds), cmp.Compare(a.signature, b.signature))
	})
	t := document.Table{Name: "findings", Title: "By signature, the last seen first",
		Columns: []document.Column{{Name: "signature"}, {Name: "first seen"}, {Name: "last seen"}, {Name: "campaigns", Number: true}, {Name: "seeds", Number: true}, {Name: "smallest seed of the last"}, {Name: "state"}}}
	newest := nights[len(nights)-1]
	for _, l := range all {
		state := document.Words("not seen in the newest").Marked(document.Good)
		switch {
		case l.last.Merged != newest.Merged:
		case l.nights == 1 && len(nights) > 1:
			state = document.Words("new").Marked(document.Bad)
		default:
			state = document.Words("known").Marked(document.Bad)
		}
		t.Rows = append(t.Rows, []document.Cell{document.Words(l.signature), document.Words(day(l.first) + " " + short(l.first.Manifest.Commit)),
			document.Words(day(l.last) + " " + short(l.last.Manifest.Commit)), number(l.nights), number(l.seeds), document.Words(l.smallest.Seed), state})
	}
	s.Tables = []document.Table{t}
	return s
}

func short(commit string) string { return commit[:min(10, len(commit))] }
