package results

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/weirlab/weir/reports/render"
)

// MostLines is how long RESULTS.md may become: two pages of a newspaper. What
// does not fit belongs on the pages of the parts.
const MostLines = 250

// Markdown is RESULTS.md: of every part its answer and its key figures.
func Markdown(parts []*Part) (string, error) {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("<!-- Written by weir results from %s. Do not edit: run it again. -->\n\n", DataDir)
	p("# What was measured\n\n")
	p("Written by `weir results` from the figures in [%s](%s); nothing here was typed by hand. ", DataDir, DataDir)
	p("Of each question: the answer, the figures it rests on with what they vary by, whether they were measured, simulated or published, and the page with everything.\n\n")
	for _, part := range parts {
		p("- [%s](#%s)\n", part.question(), anchor(part.question()))
	}
	for _, part := range parts {
		if err := part.briefTo(&b, parts); err != nil {
			return "", fmt.Errorf("part %s: %w", part.Name, err)
		}
	}
	p("\n## How the figures were made\n\n%s", madeTable(parts...))
	p("\n`make results` makes all of them again, `weir results --render` only writes these pages anew. MB is 10⁶ bytes, MiB is 2²⁰.\n")
	return b.String(), nil
}

// madeTable tells how parts came about.
func madeTable(parts ...*Part) string {
	var b strings.Builder
	b.WriteString("| part | command | made | took | commit | with | on |\n|---|---|---|---:|---|---|---|\n")
	for _, part := range parts {
		m := &part.Made
		fmt.Fprintf(&b, "| [%s](%s) | `%s` | %s | %s | %s | weir %s, %s | %s |\n", part.Document.Title, DataDir+"/"+part.Name+".json", m.Command, m.Date.UTC().Format("2006-01-02 15:04 UTC"),
			took(m.Took), orUnknown(short(m.Commit)), orUnknown(m.Version), orUnknown(m.Go), orUnknown(m.Machine))
	}
	return b.String()
}

// pageTo writes the part's own page: its whole document.
func (p *Part) pageTo(b *strings.Builder) error {
	fmt.Fprintf(b, "<!-- Written by weir results from %s. Do not edit: run it again. -->\n\n", DataDir)
	if err := render.MarkdownBelow(b, p.shown(), ".", 1); err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## How it was made\n\n%s\nAll results: [%s](../../%s).\n", strings.ReplaceAll(madeTable(p), "]("+FigureDir+"/", "]("), File, File)
	return nil
}

// short is a commit with as many digits as people read, keeping "-dirty".
func short(commit string) string {
	id, rest, dirty := strings.Cut(commit, "-")
	if len(id) > 12 {
		id = id[:12]
	}
	if dirty {
		return id + "-" + rest
	}
	return id
}

func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return strings.ReplaceAll(s, "|", "/")
}

// anchor is the name that a heading has in links.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
