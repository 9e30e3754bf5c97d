package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTestsTakeTheirEnvsWhereLeaksAreFound holds every test to
// osenvtest.New, which fails a test that leaves tasks running or files open.
func TestTestsTakeTheirEnvsWhereLeaksAreFound(t *testing.T) {
	root := filepath.Join("..", "..")
	plain := regexp.MustCompile(`\bosenv\.New\(`)
	var wrong []string
	checked := 0
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() && (entry.Name() == "testdata" || rel == "env/osenv" || rel == ".git") {
			return fs.SkipDir // osenv tests itself
		}
		if entry.IsDir() || !strings.HasSuffix(file, "_test.go") || rel == "cmd/weirlint/hygiene_test.go" {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		checked++
		if plain.Match(source) {
			wrong = append(wrong, rel+" calls osenv.New; osenvtest.New finds what a test leaves behind")
		}
		return nil
	}))
	require.Greater(t, checked, 50)
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}
