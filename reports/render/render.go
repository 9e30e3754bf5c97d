package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// table is a table as it is shown: it does not say the title of its section
// again.
func shownTable(s *document.Section, i int) *document.Table {
	t := s.Tables[i]
	if t.Title == s.Title {
		t.Title = ""
	}
	return &t
}

// figure is a figure that can be drawn.
type figure struct{ *document.Figure }

// png writes the figure with title, legend and caption.
func (f figure) png(w io.Writer) error { return f.drawn().PNG(w, f.Caption()) }

// svg writes the same as SVG.
func (f figure) svg(w io.Writer) error { return f.drawn().WholeSVG(w, f.Caption()) }

// WriteFigures writes every figure as name.png and name.svg into dir and
// returns the names of the files.
func WriteFigures(dir string, d *document.Document) (files []string, err error) {
	if err := errors.Join(d.Check(), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	for i := range d.Sections {
		for k := range d.Sections[i].Figures {
			f := figure{&d.Sections[i].Figures[k]}
			for _, part := range []struct {
				ending string
				render func(io.Writer) error
			}{{".png", f.png}, {".svg", f.svg}} {
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
func WriteDir(dir, base string, d *document.Document) (files []string, err error) {
	figures, err := WriteFigures(dir, d)
	if err != nil {
		return figures, err
	}
	err = errors.Join(writeFile(dir, base+".html", func(w io.Writer) error { return HTML(w, d) }), writeFile(dir, base+".json", d.JSON))
	return append([]string{base + ".html", base + ".json"}, figures...), err
}

func writeFile(dir, name string, render func(io.Writer) error) error {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
}
