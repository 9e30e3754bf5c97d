package render

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/weirlab/weir/reports/drawing"
	"github.com/weirlab/weir/workloads/experiment/document"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var parsedPage = template.Must(template.New("document").Parse(pageTemplate))

// page is what the template is filled with.
type page struct {
	*document.Document
	Chapters []chapter
	Style    template.CSS
	Script   template.JS
}

type chapter struct {
	*document.Section
	ID      string
	Grids   []grid
	Plotted []*plotted
}

type grid struct {
	*document.Table
	Head []string
}

// Class of a cell.
func (g grid) Class(column int, c document.Cell) string {
	var classes []string
	if g.Columns[column].Number {
		classes = append(classes, "n")
	}
	if c.Mark != document.NoMark {
		classes = append(classes, string(c.Mark))
	}
	return strings.Join(classes, " ")
}

type plotted struct {
	*document.Figure
	Legend []drawing.Entry
	Width  int
	SVG    template.HTML
}

// HTML writes the document as one page that needs nothing else: style, script
// and figures are inside, and it follows light and dark.
func HTML(w io.Writer, d *document.Document) error {
	if err := d.Check(); err != nil {
		return err
	}
	p := page{Document: d, Style: template.CSS(drawing.Style + pageStyle), Script: template.JS(pageScript)} //nolint:gosec // our own files
	for i := range d.Sections {
		s := &d.Sections[i]
		c := chapter{Section: s, ID: fmt.Sprintf("s%d", i+1)}
		for k := range s.Tables {
			g := grid{Table: shownTable(s, k)}
			for n := range g.Columns {
				g.Head = append(g.Head, head(&g.Columns[n]))
			}
			c.Grids = append(c.Grids, g)
		}
		for k := range s.Figures {
			f := &s.Figures[k]
			drawn := figure{f}.drawn()
			svg, err := drawn.SVG()
			if err != nil {
				return fmt.Errorf("figure %s: %w", f.Name, err)
			}
			c.Plotted = append(c.Plotted, &plotted{f, drawn.Legend, int(drawn.Width),
				template.HTML(drawing.InlineSVG(svg, f.Title+": "+f.Caption()))}) //nolint:gosec // drawn here; texts are escaped by the canvas
		}
		p.Chapters = append(p.Chapters, c)
	}
	return parsedPage.Execute(w, p)
}
