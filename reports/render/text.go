package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// terminal writes for a terminal.
type terminal struct {
	b       strings.Builder
	columns int
	color   bool
}

// Text writes the document for a terminal that is so many columns wide; 0
// means 100. Figures are named with their captions; a table that is too wide
// breaks the words of its text columns.
func Text(w io.Writer, d *document.Document, columns int, color bool) error {
	if err := d.Check(); err != nil {
		return err
	}
	if columns <= 0 {
		columns = 100
	}
	t := &terminal{columns: max(columns, 40), color: color}
	t.line(t.style("1", d.Title))
	if d.Subtitle != "" {
		t.paragraph(d.Subtitle, "")
	}
	for _, s := range d.Summary {
		t.line("")
		t.paragraph(s, "")
	}
	for i := range d.Sections {
		t.section(&d.Sections[i])
	}
	if len(d.Provenance) > 0 {
		t.line("")
		t.line(t.style("1", "Where the figures come from"))
		for _, p := range d.Provenance {
			t.item(sourceText(&p))
		}
	}
	if len(d.Facts) > 0 {
		t.line("")
		for _, f := range d.Facts {
			t.item(f.Name + ": " + f.Value)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// text is a source in one sentence.
func sourceText(s *document.Source) string {
	words := fmt.Sprintf("%s: %s (%s)", s.What, s.Source, s.Basis)
	if s.Validated != "" {
		words += "; " + s.Validated
	}
	return words
}

func (t *terminal) section(s *document.Section) {
	t.line("")
	t.line(t.style("1", s.Title))
	for _, p := range s.Text {
		t.paragraph(p, "")
	}
	for i := range s.Tables {
		t.line("")
		t.table(shownTable(s, i))
	}
	if len(s.Figures) > 0 {
		t.line("")
	}
	for i := range s.Figures {
		f := &s.Figures[i]
		words := fmt.Sprintf("figure %s: %s (%s", f.Name, f.Title, f.Basis)
		if f.Validated != "" {
			words += "; " + f.Validated
		}
		t.item(words + ")")
	}
}

func (t *terminal) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

func (t *terminal) style(code, s string) string {
	if !t.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *terminal) paragraph(s, indent string) {
	for _, l := range wrap(s, t.columns-len(indent)) {
		t.line(indent + l)
	}
}

// item is a paragraph that hangs on a dash.
func (t *terminal) item(s string) {
	for i, l := range wrap(s, t.columns-4) {
		if i == 0 {
			t.line("  - " + l)
		} else {
			t.line("    " + l)
		}
	}
}

// wrap breaks a text into lines of at most a width, at spaces.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && utf8.RuneCountInString(longer) > width {
			lines, longer = append(lines, line), word
		}
		line = longer
	}
	if line != "" || lines == nil {
		lines = append(lines, line)
	}
	return lines
}

// head is the name of a column with its unit.
func head(c *document.Column) string {
	if c.Unit == "" {
		return c.Name
	}
	return c.Name + ", " + c.Unit
}

var markSign = map[document.Mark]string{document.Good: "+", document.Bad: "!"}

// shown is a cell as text; marks show as signs where there is no colour.
func (t *terminal) shown(c *document.Cell) string {
	if sign := markSign[c.Mark]; sign != "" && !t.color {
		return strings.TrimSpace(c.Text + " " + sign)
	}
	return c.Text
}

// table sets columns two spaces apart. Text columns share what the others
// leave and break their words.
func (t *terminal) table(tab *document.Table) {
	if tab.Title != "" {
		t.line(t.style("4", tab.Title))
	}
	n := len(tab.Columns)
	widths := make([]int, n)
	least := make([]int, n) // below this a column is not broken
	for k := range tab.Columns {
		lines := []string{head(&tab.Columns[k])}
		for r := range tab.Rows {
			lines = append(lines, t.shown(&tab.Rows[r][k]))
		}
		for i, l := range lines {
			widths[k] = max(widths[k], utf8.RuneCountInString(l))
			for word := range strings.FieldsSeq(l) {
				if i == 0 || !tab.Columns[k].Number {
					least[k] = max(least[k], utf8.RuneCountInString(word))
				} else {
					least[k] = max(least[k], utf8.RuneCountInString(l))
				}
			}
		}
	}
	// Heads of numbers break before words in the rows do.
	room := t.columns - 2*(n-1)
	squeeze(widths, least, room, func(k int) bool { return tab.Columns[k].Number })
	squeeze(widths, least, room, func(int) bool { return true })
	cells := make([][]string, n)
	for k := range tab.Columns {
		cells[k] = wrap(head(&tab.Columns[k]), widths[k])
	}
	t.row(tab, widths, cells, nil, true)
	total := 2 * (n - 1)
	for _, w := range widths {
		total += w
	}
	t.line(t.style("2", strings.Repeat("─", min(total, t.columns))))
	for r := range tab.Rows {
		for k := range tab.Columns {
			cells[k] = wrap(t.shown(&tab.Rows[r][k]), widths[k])
		}
		t.row(tab, widths, cells, tab.Rows[r], false)
	}
	for _, note := range tab.Notes {
		t.item(note)
	}
}

// squeeze narrows the widest of some columns until the sum of all fits.
func squeeze(widths, least []int, room int, may func(column int) bool) {
	for {
		sum, widest := 0, -1
		for k, w := range widths {
			sum += w
			if w > least[k] && may(k) && (widest < 0 || w > widths[widest]) {
				widest = k
			}
		}
		if sum <= room || widest < 0 {
			return
		}
		widths[widest]--
	}
}

func (t *terminal) row(tab *document.Table, widths []int, cells [][]string, row []document.Cell, head bool) {
	height := 0
	for _, c := range cells {
		height = max(height, len(c))
	}
	for l := range height {
		var b strings.Builder
		for k := range cells {
			text := ""
			// Heads stand on the line.
			if at := l - (height - len(cells[k])); head && at >= 0 {
				text = cells[k][at]
			} else if !head && l < len(cells[k]) {
				text = cells[k][l]
			}
			pad := strings.Repeat(" ", max(0, widths[k]-utf8.RuneCountInString(text)))
			if row != nil {
				text = t.marked(text, row[k].Mark)
			} else {
				text = t.style("2", text)
			}
			if k > 0 {
				b.WriteString("  ")
			}
			if tab.Columns[k].Number {
				b.WriteString(pad + text)
			} else {
				b.WriteString(text + pad)
			}
		}
		t.line(b.String())
	}
}

func (t *terminal) marked(s string, m document.Mark) string {
	switch m {
	case document.Good:
		return t.style("32", s)
	case document.Bad:
		return t.style("31", s)
	case document.Neutral:
		return t.style("2", s)
	}
	return s
}
