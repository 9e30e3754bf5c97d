package faults_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
)

// A planted bug that no code asks for would make the tests of the judge pass
// for want of anything to find.
func TestEveryPlantedBugIsAskedFor(t *testing.T) {
	for _, bug := range faults.Bugs() {
		pkg, name := path.Split(strings.TrimPrefix(bug.Failpoint, "github.com/weirlab/weir/"))
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		require.NoError(t, err)
		uses, defined := 0, false
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			defined = defined || strings.Contains(string(text), "func "+name+"()")
			uses += strings.Count(string(text), name+"()") - strings.Count(string(text), "func "+name+"()")
		}
		if !defined {
			continue // the marker stands in the code that it changes
		}
		require.Positive(t, uses, "%s: nothing in %s calls %s", bug.ID, pkg, name)
	}
}
