package reports

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
)

// ExplanationFile is what "weir explain" works out about a failing run.
const ExplanationFile = "explanation.json"

// SaveExplanation writes explanation.json into dir, replacing the old one in one
// step.
func SaveExplanation(dir string, e *story.Explanation) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", ExplanationFile, err)
	}
	name := filepath.Join(dir, ExplanationFile)
	if err := os.WriteFile(name+".tmp", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// LoadExplanation reads explanation.json from dir; nil if there is none.
func LoadExplanation(dir string) (*story.Explanation, error) {
	name := filepath.Join(dir, ExplanationFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var e story.Explanation
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", ExplanationFile, err)
	}
	if e.Schema != story.Schema {
		return nil, fmt.Errorf("%s: schema %q, but this version of weir reads %q", ExplanationFile, e.Schema, story.Schema)
	}
	return &e, nil
}

// Case is what a result directory says about the gravest finding of its run. A
// history or events that are missing or cut short make it poorer.
func Case(dir string) (story.Case, error) {
	run, err := Load(dir)
	if err != nil {
		return story.Case{}, err
	}
	f := run.Verdict.Gravest()
	if f == nil {
		return story.Case{}, fmt.Errorf("the run in %s found nothing (%s)", dir, run.Verdict.Status)
	}
	c := story.Case{Finding: *f}
	if file, err := os.Open(filepath.Join(dir, HistoryFile)); err == nil {
		c.History, _ = linearizability.ReadHistory(file)
		_ = file.Close()
	}
	if c.History == nil {
		c.History = &linearizability.History{Faults: run.Faults}
	}
	if c.Events, err = numberedEvents(filepath.Join(dir, EventsFile)); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return c, err
}

// numberedEvents reads events.jsonl up to the first bad line.
func numberedEvents(name string) ([]story.Event, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var all []story.Event
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			break
		}
		all = append(all, story.Event{Line: n, Time: e.Time, Node: e.Node, Name: e.Name, Attrs: e.Attrs, Partition: e.Partition})
	}
	return all, lines.Err()
}
