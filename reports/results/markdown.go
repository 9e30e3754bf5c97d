package results

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/weirlab/weir/reports/render"
)

// Markdown is RESULTS.md.
func Markdown(parts []*Part) (string, error) {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("<!-- Written by weir results from %s. Do not edit: run it again. -->\n\n", DataDir)
	p("# What was measured\n\n")
	p("Written by `weir results` from the figures in [%s](%s); nothing here was typed by hand. ", DataDir, DataDir)
	p("Every figure says whether it was measured or simulated, where its model comes from, and what the model was compared with.\n")
	p("\n## In short\n\n")
	for _, part := range parts {
		p("- [%s](#%s)", part.Document.Title, anchor(part.Document.Title))
		if len(part.Document.Summary) > 0 {
			p(": %s", part.Document.Summary[0])
		}
		p("\n")
	}
	for _, part := range parts {
		p("\n")
		if page := part.page(); page != "" {
			p("## %s\n\n", part.Document.Title)
			for _, words := range part.Document.Summary {
				p("%s\n\n", words)
			}
			p("[Bug by bug](%s/%s)\n", FigureDir, page)
			continue
		}
		if err := render.MarkdownBelow(&b, part.shown(), FigureDir, 2); err != nil {
			return "", fmt.Errorf("part %s: %w", part.Name, err)
		}
	}
	p("\n## How the figures were made\n\n")
	p("| part | command | made | took | commit | with | on |\n|---|---|---|---:|---|---|---|\n")
	for _, part := range parts {
		m := &part.Made
		p("| %s | `%s` | %s | %s | %s | weir %s, %s | %s |\n", part.Document.Title, m.Command, m.Date.UTC().Format("2006-01-02 15:04 UTC"),
			took(m.Took), orUnknown(short(m.Commit)), orUnknown(m.Version), orUnknown(m.Go), orUnknown(m.Machine))
	}
	p("\n`make results` makes all of them again, `weir results --render` only writes this page anew. MB is 10⁶ bytes, MiB is 2²⁰.\n")
	return b.String(), nil
}

// pageTo writes the part's own page.
func (p *Part) pageTo(b *strings.Builder) error {
	fmt.Fprintf(b, "<!-- Written by weir results from %s. Do not edit: run it again. -->\n\n", DataDir)
	return render.MarkdownBelow(b, p.shown(), ".", 1)
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
