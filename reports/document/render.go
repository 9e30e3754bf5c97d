package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// table is a table as it is shown: it does not say the title of its section
// again.
func (s *Section) table(i int) *Table {
	t := s.Tables[i]
	if t.Title == s.Title {
		t.Title = ""
	}
	return &t
}

// JSON writes the document so that [Read] gives it back.
func (d *Document) JSON(w io.Writer) error {
	if err := d.Check(); err != nil {
		return err
	}
	whole := *d
	whole.Schema = Schema
	b, err := json.MarshalIndent(&whole, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Read takes in what [Document.JSON] wrote.
func Read(r io.Reader) (*Document, error) {
	var d Document
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return &d, d.Check()
}

// PNG writes one figure with title, legend and caption.
func (f *Figure) PNG(w io.Writer) error { return f.drawn().PNG(w, f.Caption()) }

// SVG writes the same as SVG.
func (f *Figure) SVG(w io.Writer) error { return f.drawn().WholeSVG(w, f.Caption()) }

// WriteFigures writes every figure as name.png and name.svg into dir and
// returns the names of the files.
func (d *Document) WriteFigures(dir string) (files []string, err error) {
	if err := errors.Join(d.Check(), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	for i := range d.Sections {
		for k := range d.Sections[i].Figures {
			f := &d.Sections[i].Figures[k]
			for _, part := range []struct {
				ending string
				render func(io.Writer) error
			}{{".png", f.PNG}, {".svg", f.SVG}} {
				if err := writeFile(dir, f.Name+part.ending, part.render); err != nil {
					return files, err
				}
				files = append(files, f.Name+part.ending)
			}
		}
	}
	return files, nil
}

// WriteDir writes base.html, base.json and every figure as name.png and
// name.svg into dir, which it creates, and returns the names of the files.
func (d *Document) WriteDir(dir, base string) (files []string, err error) {
	figures, err := d.WriteFigures(dir)
	if err != nil {
		return figures, err
	}
	err = errors.Join(writeFile(dir, base+".html", d.HTML), writeFile(dir, base+".json", d.JSON))
	return append([]string{base + ".html", base + ".json"}, figures...), err
}

func writeFile(dir, name string, render func(io.Writer) error) error {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
}
