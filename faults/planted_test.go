package faults_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/faults"
)

// askedInCode lists the names that the code asks planted.Is for, with how often.
func askedInCode(t *testing.T) map[string]int {
	names := map[string]int{}
	for _, tree := range []string{"../broker", "../env"} {
		require.NoError(t, filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), "planted.Is(") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "Is" {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "planted" {
					return true
				}
				if lit, ok := call.Args[0].(*ast.BasicLit); ok {
					name, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					names[name]++
				}
				return true
			})
			return nil
		}))
	}
	for g := replication.Guard(1); g&replication.AllGuards != 0; g <<= 1 {
		names["without-"+g.String()]++ // asked for by State.obeys
	}
	return names
}

// twice are the bugs that take two lines, since each line alone is made good by the
// other, or since offsets are committed within transactions too.
var twice = []string{"adding-counts-for-min-isr", "append-in-any-epoch", "bytes-of-a-later-epoch", "resume-leadership"}

// redundant are rules of broker/replication that no bug leaves out alone.
var redundant = []string{
	"without-fence-epoch", // the partition fences the same fetches before the State does: B6b
	"without-batch-epoch", // B11 leaves out the leader's half of it too
}

// A bug that no code asks for would make the tests of the judge pass for want of
// anything to find, and one that is asked for by another name could not be turned
// on.
func TestEveryPlantedBugIsAskedFor(t *testing.T) {
	asked := askedInCode(t)
	for _, bug := range faults.Bugs() {
		want := 1
		if slices.Contains(twice, bug.Name) {
			want = 2
		}
		require.Equal(t, want, asked[bug.Name], "places that ask for %s %s", bug.ID, bug.Name)
		delete(asked, bug.Name)
	}
	for _, name := range redundant {
		delete(asked, name)
	}
	require.Empty(t, asked, "asked for and not in faults.Bugs")
}

func TestBugsAreDescribed(t *testing.T) {
	ids, names := map[string]bool{}, map[string]bool{}
	for _, bug := range faults.Bugs() {
		for _, id := range append(slices.Clone(bug.Also), bug.ID) {
			require.False(t, ids[id], "%s is there twice", id)
			ids[id] = true
		}
		require.False(t, names[bug.Name], "%s is there twice", bug.Name)
		names[bug.Name] = true
		require.Regexp(t, `^[BGWS][0-9]+[a-z]?$`, bug.ID)
		require.NotContains(t, bug.Name, ",", "names are listed with commas between")
		for _, text := range []string{bug.Source, bug.About, bug.Wrong, bug.Sees} {
			require.NotEmpty(t, text, bug.ID)
		}
		require.NotEmpty(t, bug.Checks, bug.ID)
		found, err := faults.FindBug(bug.ID)
		require.NoError(t, err)
		require.Equal(t, bug, found)
	}
	// The starred entries of the bank that today's broker can express.
	for _, id := range []string{"B1", "B2", "B3", "B6a", "B7", "B13", "B14", "B15", "B17", "B21a", "B28", "B33"} {
		require.True(t, ids[id], "%s is missing", id)
	}
}
