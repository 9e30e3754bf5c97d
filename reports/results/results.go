package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// Schema is the value of Part.Schema that this version writes and reads.
const Schema = "weir.results/1"

// Where results lie below the root of the project.
const (
	File      = "RESULTS.md"
	FigureDir = "docs/results"
	DataDir   = "docs/results/data"
)

// Names of the parts in the order in which they are run and shown.
var Names = []string{"calibrate", "versus", "unseen", "published", "compare", "regress", "mutants", "bench"}

// page is the name of the part's own page below FigureDir, which has all of it.
func (p *Part) page() string { return p.Name + ".md" }

// Part is one part of the results as it lies in DataDir.
type Part struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Made   Made   `json:"made"`

	Document *document.Document `json:"document"`
}

// Made tells how a part was made.
type Made struct {
	Command string        `json:"command"` // that makes it alone
	Date    time.Time     `json:"date"`
	Took    time.Duration `json:"took_ns"`
	Version string        `json:"version"`
	Commit  string        `json:"commit"`
	Go      string        `json:"go"`
	Machine string        `json:"machine"` // processor, cores, memory, kernel; no names
}

// Save writes a part below root, replacing the one before.
func Save(root string, p *Part) error {
	if !slices.Contains(Names, p.Name) {
		return fmt.Errorf("results: no part is called %q; the parts are %s", p.Name, strings.Join(Names, ", "))
	}
	if p.Document == nil {
		return fmt.Errorf("results: part %s has no document", p.Name)
	}
	if err := p.Document.Check(); err != nil {
		return fmt.Errorf("results: part %s: %w", p.Name, err)
	}
	p.Schema, p.Document.Schema = Schema, document.Schema
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Join(root, filepath.FromSlash(DataDir))
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, p.Name+".json"), append(b, '\n'), 0o644))
}

// Load reads the parts that there are below root, in order.
func Load(root string) ([]*Part, error) {
	var parts []*Part
	for _, name := range Names {
		file := path.Join(DataDir, name+".json")
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := parse(b)
		if err == nil && p.Name != name {
			err = fmt.Errorf("it holds part %q", p.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; run weir results --only %s", file, err, name)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func parse(b []byte) (*Part, error) {
	var p Part
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	if p.Schema != Schema {
		return nil, fmt.Errorf("schema %q, but this version of weir reads %q", p.Schema, Schema)
	}
	if p.Document == nil {
		return nil, errors.New("it has no document")
	}
	return &p, p.Document.Check()
}

// Render writes RESULTS.md, a page for each part and the figures below root and
// returns the files, relative to it. Pages and figures of earlier results are
// removed.
func Render(root string) ([]string, error) {
	parts, err := Load(root)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%s holds no results; run weir results", DataDir)
	}
	text, err := Markdown(parts)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, filepath.FromSlash(FigureDir))
	if err := removeRendered(dir); err != nil {
		return nil, err
	}
	files := []string{File}
	for _, p := range parts {
		var b strings.Builder
		if err := p.pageTo(&b); err != nil {
			return nil, fmt.Errorf("part %s: %w", p.Name, err)
		}
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, p.page()), []byte(b.String()), 0o644)); err != nil {
			return nil, err
		}
		files = append(files, path.Join(FigureDir, p.page()))
		names, err := render.WriteFigures(dir, p.shown())
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", p.Name, err)
		}
		for _, n := range names {
			files = append(files, path.Join(FigureDir, n))
		}
	}
	return files, os.WriteFile(filepath.Join(root, File), []byte(text), 0o644)
}

func removeRendered(dir string) error {
	old, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range old {
		if ext := filepath.Ext(e.Name()); e.Type().IsRegular() && (ext == ".png" || ext == ".svg" || ext == ".md") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// shown is the document of a part with names of figures that are its own, and
// without what its page says of how it was made.
func (p *Part) shown() *document.Document {
	d := *p.Document
	d.Facts = nil
	d.Sections = slices.Clone(d.Sections)
	for i := range d.Sections {
		s := &d.Sections[i]
		s.Figures = slices.Clone(s.Figures)
		for k := range s.Figures {
			if f := &s.Figures[k]; !strings.HasPrefix(f.Name, p.Name+"-") {
				f.Name = p.Name + "-" + f.Name
			}
		}
	}
	return &d
}
