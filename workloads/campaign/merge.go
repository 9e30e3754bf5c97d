package campaign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Conflict is a seed that came to different ends: a run that is not a function
// of its seed.
type Conflict struct{ One, Other Result }

// Range is the ordinals From to To, both included.
type Range struct{ From, To int }

func (r Range) String() string {
	if r.From == r.To {
		return fmt.Sprint(r.From)
	}
	return fmt.Sprintf("%d–%d", r.From, r.To)
}

// Merged is what the directories of a campaign come to together.
type Merged struct {
	Manifest  Manifest
	Results   []Result // in order of ordinals, each once
	Conflicts []Conflict
	// Repeated is how many lines told again what another had told: a shard that
	// ran twice.
	Repeated int
	// Absent are shards of which there is no directory, Cut those that did not
	// come to their end.
	Absent, Cut []int
	// Missing are ordinals that should have run and did not.
	Missing []Range
}

// Merge joins directories of one campaign. It does not matter in which order
// and in which steps they are joined, nor whether one is given twice. It is an
// error if they are not of one campaign.
func Merge(parts ...*Part) (*Merged, error) {
	if len(parts) == 0 {
		return nil, errors.New("there is nothing to merge")
	}
	m := &Merged{Manifest: parts[0].Manifest}
	ends := map[int]string{}
	starts := map[string]bool{} // directories of one run, by when it began
	m.Manifest.Wall = 0
	var all []Result
	for _, p := range parts {
		if err := m.Manifest.same(&p.Manifest); err != nil {
			return nil, fmt.Errorf("%s and %s are not of one campaign: %w", parts[0].Dir, p.Dir, err)
		}
		all = append(all, p.Results...)
		m.Conflicts = append(m.Conflicts, p.Conflicts...)
		for i, shard := range p.Manifest.Shards {
			ends[shard] = better(ends[shard], p.Manifest.Ended[i])
		}
		if p.Manifest.Started.Before(m.Manifest.Started) {
			m.Manifest.Started = p.Manifest.Started
		}
		if key := fmt.Sprint(p.Manifest.Shards, p.Manifest.Started.UnixNano()); !starts[key] {
			starts[key] = true
			m.Manifest.Wall += p.Manifest.Wall
		}
		m.Manifest.Canary = worseCanary(m.Manifest.Canary, p.Manifest.Canary)
	}
	m.Manifest.Shards, m.Manifest.Ended = nil, nil
	for shard := 1; shard <= m.Manifest.Of; shard++ {
		end, present := ends[shard]
		switch {
		case !present:
			m.Absent = append(m.Absent, shard)
			continue
		case end == "":
			m.Cut = append(m.Cut, shard)
		}
		m.Manifest.Shards, m.Manifest.Ended = append(m.Manifest.Shards, shard), append(m.Manifest.Ended, end)
	}
	var conflicts []Conflict
	m.Results, conflicts = unique(all)
	m.Repeated = len(all) - len(m.Results)
	m.Conflicts = append(m.Conflicts, conflicts...)
	m.Missing = m.missing(ends)
	return m, nil
}

// better is the end that says more: a shard that was cut and then run again has
// come to its end.
func better(a, b string) string {
	for _, end := range []string{Complete, FailFast, Budget} {
		if a == end || b == end {
			return end
		}
	}
	return ""
}

// worseCanary keeps the one that did not find its bug.
func worseCanary(a, b *Canary) *Canary {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case !b.Found && a.Found:
		return b
	}
	return a
}

// unique sorts results by ordinal, leaves each in once, and names those that
// contradict each other. A failing one is kept before one that passed.
func unique(all []Result) ([]Result, []Conflict) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Result) int {
		if d := byOrdinal(a, b); d != 0 {
			return d
		}
		return b.Exit - a.Exit
	})
	var conflicts []Conflict
	kept := all[:0:0]
	for _, r := range all {
		if n := len(kept); n > 0 && kept[n-1].Ordinal == r.Ordinal {
			if !kept[n-1].equal(&r) {
				conflicts = append(conflicts, Conflict{kept[n-1], r})
			}
			continue
		}
		kept = append(kept, r)
	}
	return kept, conflicts
}

// missing are the ordinals up to the end that every shard had to reach: all of
// the campaign's seeds, or, for a shard that ended early on purpose, those
// before its last.
func (m *Merged) missing(ends map[int]string) []Range {
	last := make(map[int]int) // of a shard, the ordinal after its last
	done := make(map[int]bool, len(m.Results))
	for _, r := range m.Results {
		done[r.Ordinal] = true
		last[m.Manifest.ShardOf(r.Ordinal)] = r.Ordinal + 1
	}
	end := m.Manifest.Seeds
	if end == 0 {
		for _, l := range last {
			end = max(end, l)
		}
	}
	var missing []Range
	for k := range end {
		shard := m.Manifest.ShardOf(k)
		early := ends[shard] == Budget || ends[shard] == FailFast || (m.Manifest.Seeds == 0 && ends[shard] != "")
		if done[k] || (early && k >= last[shard]) {
			continue
		}
		if n := len(missing); n > 0 && missing[n-1].To == k-1 {
			missing[n-1].To = k
		} else {
			missing = append(missing, Range{k, k})
		}
	}
	return missing
}

// Whole says that every seed ran once and every shard came to its end.
func (m *Merged) Whole() bool { return len(m.Missing)+len(m.Absent)+len(m.Cut) == 0 }

// Part is the merged campaign as a directory would hold it, to be merged again.
func (m *Merged) Part(dir string) *Part {
	return &Part{Dir: dir, Manifest: m.Manifest, Results: m.Results, Conflicts: m.Conflicts}
}

// Write writes the merged campaign as a directory, over an earlier one of the
// same campaign.
func (m *Merged) Write(dir string) error {
	if old, err := Read(dir); err == nil {
		if err := old.Manifest.same(&m.Manifest); err != nil {
			return fmt.Errorf("%s holds another campaign: %w", dir, err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := m.Manifest.save(dir); err != nil {
		return err
	}
	return writeLines(filepath.Join(dir, ResultsFile), m.Results, m.Conflicts)
}
