package rare_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/rare"
	"github.com/weirlab/weir/env"
)

// asking are the methods of env.Lab that a point may be.
var asking = []string{"Rare", "Seldom", "Late", "Fewer"}

// pointsInCode finds the points of all broker packages: name to where they are.
func pointsInCode(t *testing.T) map[string][]string {
	found := map[string][]string{}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		src, err := fs.ReadFile(root, name)
		require.NoError(t, err)
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, src, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(asking, sel.Sel.Name) || len(call.Args) == 0 {
				return true
			}
			at := set.Position(call.Pos()).String()
			lit, ok := call.Args[0].(*ast.BasicLit)
			require.True(t, ok && lit.Kind == token.STRING, "%s: a point is named by a constant that stands there", at)
			point, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			found[point] = append(found[point], at)
			return true
		})
		return nil
	})
	require.NoError(t, err)
	return found
}

func TestEveryPointIsInTheRegistryAndInOnePlace(t *testing.T) {
	found := pointsInCode(t)
	registered := map[string]bool{}
	for _, p := range rare.Points() {
		require.False(t, registered[p.Name], "%s is registered twice", p.Name)
		registered[p.Name] = true
		require.NotEmpty(t, found[p.Name], "%s is registered and nowhere in the code", p.Name)
		require.NotEmpty(t, p.Does, p.Name)
		require.NotEmpty(t, p.Legal, p.Name)
	}
	for _, name := range env.SortedKeys(found) {
		require.True(t, registered[name], "%s, at %v, is not in the registry", name, found[name])
		require.Len(t, found[name], 1, "%s is in several places, which draw from one stream", name)
		pkg, does, ok := strings.Cut(name, "/")
		require.True(t, ok, name)
		require.Regexp(t, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), does, name)
		dir := path.Base(path.Dir(found[name][0]))
		if dir == "." {
			dir = "broker"
		}
		require.Equal(t, dir, pkg, "the name of a point begins with that of its package")
	}
}

func TestPointsAreSorted(t *testing.T) {
	require.True(t, slices.IsSortedFunc(rare.Points(), func(a, b rare.Point) int { return strings.Compare(a.Name, b.Name) }))
}
