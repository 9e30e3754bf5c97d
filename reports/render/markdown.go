package render

import (
	"fmt"
	"html"
	"io"
	"path"
	"strings"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// Markdown writes the document as a Markdown file that finds the figures'
// PNG files in imageDir, a path relative to the file.
func Markdown(w io.Writer, d *document.Document, imageDir string) error {
	return MarkdownBelow(w, d, imageDir, 1)
}

// MarkdownBelow writes the document as a part of a larger Markdown file: its
// title is a heading of the level given, its sections are one level deeper.
func MarkdownBelow(w io.Writer, d *document.Document, imageDir string, level int) error {
	if err := d.Check(); err != nil {
		return err
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	title := strings.Repeat("#", level)
	p("%s %s\n", title, d.Title)
	if d.Subtitle != "" {
		p("\n%s\n", d.Subtitle)
	}
	for _, s := range d.Summary {
		p("\n%s\n", s)
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		p("\n%s# %s\n", title, s.Title)
		for _, text := range s.Text {
			p("\n%s\n", text)
		}
		for k := range s.Tables {
			p("%s", tableMarkdown(shownTable(s, k)))
		}
		for rest := s.Figures; len(rest) > 0; {
			n := 1
			for rest[0].Half && n < len(rest) && rest[n].Half {
				n++
			}
			if rest[0].Half {
				p("%s", pairs(rest[:n], imageDir))
			} else {
				p("%s", figure{&rest[0]}.markdown(imageDir))
			}
			rest = rest[n:]
		}
	}
	if len(d.Provenance) > 0 {
		t := document.Table{Columns: []document.Column{{Name: "what"}, {Name: "basis"}, {Name: "source"}, {Name: "validated"}}}
		for _, s := range d.Provenance {
			t.Rows = append(t.Rows, []document.Cell{document.Words(s.What), document.Words(s.Basis), document.Words(s.Source), document.Words(s.Validated)})
		}
		p("\n%s# Where the figures come from\n%s", title, tableMarkdown(&t))
	}
	if len(d.Facts) > 0 {
		t := document.Table{Columns: []document.Column{{Name: "made with"}, {Name: ""}}}
		for _, f := range d.Facts {
			t.Rows = append(t.Rows, []document.Cell{document.Words(f.Name), document.Words(f.Value)})
		}
		p("\n%s# Provenance\n%s", title, tableMarkdown(&t))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f figure) markdown(imageDir string) string {
	text := "\n" + Image(f.Figure, imageDir) + "\n"
	if f.About != "" {
		text += "\n" + f.About + "\n"
	}
	return text + "\n*" + f.Caption() + "*\n"
}

// pairs sets half figures two beside each other. A caption that is the same
// for all of them is written once.
func pairs(figures []document.Figure, imageDir string) string {
	var b strings.Builder
	same := true
	for i := range figures {
		same = same && figures[i].Caption() == figures[0].Caption()
	}
	b.WriteString("\n<table>\n")
	for i := range figures {
		f, file := &figures[i], path.Join(imageDir, figures[i].Name)
		if i%2 == 0 {
			b.WriteString("<tr>")
		}
		fmt.Fprintf(&b, `<td width="50%%"><a href="%s.svg"><img src="%s.png" alt="%s" width="438"></a>`, file, file, html.EscapeString(f.Title))
		if f.About != "" {
			b.WriteString("<br>" + html.EscapeString(f.About))
		}
		if !same {
			b.WriteString("<br><em>" + html.EscapeString(f.Caption()) + "</em>")
		}
		b.WriteString("</td>")
		if i%2 == 1 || i == len(figures)-1 {
			b.WriteString("</tr>\n")
		}
	}
	b.WriteString("</table>\n")
	if same {
		b.WriteString("\n*" + figures[0].Caption() + "*\n")
	}
	return b.String()
}

func inBrackets(s string) string { return strings.NewReplacer("[", "(", "]", ")").Replace(s) }

func inCell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(s)
}

// Table is a table in Markdown, with the title and the notes that it has.
func Table(t *document.Table) string { return tableMarkdown(t) }

// Image is a figure in Markdown: its PNG file below imageDir, which leads to
// the SVG file.
func Image(f *document.Figure, imageDir string) string {
	file := path.Join(imageDir, f.Name)
	return fmt.Sprintf("[![%s](%s.png)](%s.svg)", inBrackets(f.Title), file, file)
}

func tableMarkdown(t *document.Table) string {
	var b strings.Builder
	if t.Title != "" {
		fmt.Fprintf(&b, "\n**%s**\n", t.Title)
	}
	b.WriteString("\n|")
	for k := range t.Columns {
		fmt.Fprintf(&b, " %s |", inCell(head(&t.Columns[k])))
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		if c.Number {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, row := range t.Rows {
		b.WriteString("|")
		for _, c := range row {
			text := inCell(c.Text)
			switch {
			case c.Mark == document.Bad && text != "":
				text = "**" + text + "** ✗"
			case c.Mark == document.Good && text != "":
				text += " ✓"
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}
