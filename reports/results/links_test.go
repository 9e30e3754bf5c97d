package results

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var link = regexp.MustCompile(`\]\(([^)#:\s]+)\)|(?:src|href)="([^"#:]+)"`)

// What the documentation points at exists. Results are left out as long as
// there are none.
func TestLinksInTheDocumentation(t *testing.T) {
	root := filepath.Join("..", "..")
	parts, err := Load(root)
	require.NoError(t, err)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	pages = append(pages, filepath.Join(root, "README.md"))
	if len(parts) > 0 {
		more, err := filepath.Glob(filepath.Join(root, FigureDir, "*.md"))
		require.NoError(t, err)
		require.Len(t, more, len(parts), "a page for each part")
		pages = append(append(pages, filepath.Join(root, File)), more...)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := filepath.Join(filepath.Dir(page), m[1]+m[2])
			rel, err := filepath.Rel(root, target)
			require.NoError(t, err)
			if rel = filepath.ToSlash(rel); len(parts) == 0 && (rel == File || strings.HasPrefix(rel, FigureDir)) {
				continue
			}
			found++
			_, err = os.Stat(target)
			require.NoError(t, err, "%s links to %s", page, rel)
		}
	}
	require.Greater(t, found, 8)
}

// Links within RESULTS.md lead to headings that it has.
func TestLinksWithinTheResults(t *testing.T) {
	parts, err := Load(filepath.Join("..", ".."))
	require.NoError(t, err)
	text, err := Markdown(parts)
	require.NoError(t, err)
	headings := map[string]bool{}
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			headings[anchor(title)] = true
		}
	}
	inner := regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1)
	require.Len(t, inner, len(parts))
	for _, m := range inner {
		require.True(t, headings[m[1]], m[1])
	}
}
