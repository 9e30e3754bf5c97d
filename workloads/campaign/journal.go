package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files of a campaign's directory.
const (
	ManifestFile = "campaign.json"
	ResultsFile  = "results.jsonl"
	FailDir      = "fail"
)

// syncEvery is how old a line may be that a loss of power takes.
const syncEvery = time.Second

// Journal is the directory of a campaign that is being run.
type Journal struct {
	Dir      string
	Manifest Manifest
	// Before are the results that were there when it was opened.
	Before []Result

	lines  *os.File
	synced time.Time
}

// Open begins the campaign m in dir, or goes on with what is there if resume is
// true. A directory that holds a campaign is never overwritten.
func Open(dir string, m Manifest, resume bool) (*Journal, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("campaign %s: %w", m.Campaign, err)
	}
	j := &Journal{Dir: dir, Manifest: m}
	part, err := Read(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := j.save(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !resume:
		return nil, fmt.Errorf("%s holds a campaign already: give --resume to go on with it, or another --campaign", dir)
	default:
		if err := part.Manifest.same(&m); err != nil {
			return nil, fmt.Errorf("%s cannot be resumed, it holds another campaign: %w", dir, err)
		}
		if !slices.Equal(part.Manifest.Shards, m.Shards) {
			return nil, fmt.Errorf("%s holds shards %v, not %v", dir, part.Manifest.Shards, m.Shards)
		}
		j.Manifest.Started, j.Manifest.Wall = part.Manifest.Started, part.Manifest.Wall
		j.Before = part.Results
		if err := cutTornLine(filepath.Join(dir, ResultsFile)); err != nil {
			return nil, err
		}
		if err := j.save(); err != nil {
			return nil, err
		}
	}
	j.lines, err = os.OpenFile(filepath.Join(dir, ResultsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return j, err
}

// cutTornLine takes away what a killed process left of its last line.
func cutTornLine(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if whole := bytes.LastIndexByte(text, '\n') + 1; whole < len(text) {
		return os.Truncate(file, int64(whole))
	}
	return nil
}

// Append writes the line of a seed.
func (j *Journal) Append(r Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := j.lines.Write(append(line, '\n')); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(j.synced) >= syncEvery {
		j.synced = now
		return j.lines.Sync()
	}
	return nil
}

// Close writes how the campaign ended, "" if it was cut short, and how long it
// worked this time.
func (j *Journal) Close(ended string, wall time.Duration) error {
	if err := errors.Join(j.lines.Sync(), j.lines.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(j.Dir, ResultsFile), err)
	}
	for i := range j.Manifest.Ended {
		j.Manifest.Ended[i] = ended
	}
	j.Manifest.Wall += wall
	return j.save()
}

func (j *Journal) save() error { return j.Manifest.save(j.Dir) }

func (m *Manifest) save(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, ManifestFile)
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Part is what a campaign's directory holds.
type Part struct {
	Dir      string
	Manifest Manifest
	Results  []Result // in order of ordinals, each once
	// Torn says that the last line was cut off by a crash; it is left out.
	Torn bool
	// Conflicts are seeds that came to different ends within this directory.
	Conflicts []Conflict
}

// Read reads a campaign's directory, finished or not.
func Read(dir string) (*Part, error) {
	p := &Part{Dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &p.Manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestFile), err)
	}
	if err := p.Manifest.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestFile), err)
	}
	file := filepath.Join(dir, ResultsFile)
	text, err = os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	p.Torn = whole < len(text)
	var all []Result
	for n, line := range bytes.SplitAfter(text[:whole], []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		var r Result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", file, n+1, err)
		}
		if err := p.Manifest.belongs(r); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", file, n+1, err)
		}
		all = append(all, r)
	}
	p.Results, p.Conflicts = unique(all)
	return p, nil
}

// belongs says why a line cannot be of this campaign.
func (m *Manifest) belongs(r Result) error {
	switch {
	case r.Ordinal < 0 || (m.Seeds > 0 && r.Ordinal >= m.Seeds):
		return fmt.Errorf("ordinal %d of a campaign with %d seeds", r.Ordinal, m.Seeds)
	case !m.Mine(r.Ordinal):
		return fmt.Errorf("ordinal %d belongs to shard %d, which is not one of this directory's %v: a seed was run by the wrong shard", r.Ordinal, m.ShardOf(r.Ordinal), m.Shards)
	case r.Seed != m.Seed(r.Ordinal).String():
		return fmt.Errorf("ordinal %d is seed %s, not %s", r.Ordinal, m.Seed(r.Ordinal), r.Seed)
	}
	return nil
}

// writeLines writes results.jsonl anew. Of a seed with a conflict both lines are
// kept, so that whoever reads them finds it again.
func writeLines(file string, results []Result, conflicts []Conflict) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	for _, c := range conflicts {
		if err := enc.Encode(c.Other); err != nil {
			return err
		}
	}
	if err := os.WriteFile(file+".new", text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
