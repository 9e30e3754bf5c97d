package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layer says which packages of the module the packages of a tree may import,
// besides those of their own tree.
type layer struct {
	tree    string
	imports patterns
}

// layers is the architecture: imports point one way. The first layer that
// holds a package is its layer.
var layers = []layer{
	{"env/envtest", patterns{"env"}},
	{"env/osenv", patterns{"env", "env/planted"}},
	{"env", nil},

	// The simulator knows env and no broker.
	{"sim", patterns{"env"}},

	// The broker knows env and no simulator. What it offers to other
	// people's tests also starts real ones.
	{"broker/brokertest", patterns{"env/...", "broker/..."}},
	{"broker/config", patterns{"env"}},
	{"broker/compression", nil},
	{"broker/storage", patterns{"env", "broker/compression", "env/planted"}},
	{"broker/metadata", patterns{"env", "broker/config"}},
	{"broker/protocol", patterns{"env"}},
	{"broker/coordinator", patterns{"env", "env/planted", "broker/storage"}},
	{"broker/group", patterns{"env", "env/planted", "broker/config", "broker/storage", "broker/metadata", "broker/coordinator"}},
	{"broker/share", patterns{"env", "env/planted", "broker/config", "broker/storage", "broker/metadata", "broker/coordinator"}},
	{"broker", patterns{"env", "env/planted"}},

	// The judge knows histories only, so that it can judge anyone's.
	{"linearizability", nil},

	{"faults/drawn", patterns{"env"}},
	{"faults", patterns{"env", "env/planted"}},
	{"scenarios", nil},

	// Its failing runs leave result directories.
	{"workloads/simtest", patterns{"env/...", "sim/...", "broker/...", "faults/...", "linearizability/...", "scenarios", "workloads/...", "reports", "reports/rundir"}},

	// The client is a program like the broker; it knows only the wire.
	{"workloads/client", patterns{"env", "broker/compression"}},
	{"workloads/program", patterns{"env", "workloads/client/...", "linearizability"}},
	{"workloads/scenario", patterns{"env", "sim", "broker/config", "broker/compression", "faults/...", "scenarios"}},
	{"workloads/campaign", patterns{"workloads/scenario"}},
	{"workloads/experiment/document", nil},
	{"workloads/target", patterns{"env/...", "sim/...", "broker/...", "faults/...", "linearizability/...", "workloads/scenario", "workloads/client", "workloads/target"}},
	{"workloads", patterns{"env/...", "sim/...", "broker/...", "faults/...", "linearizability/...", "scenarios"}},

	// Reports read result directories and documents; they run nothing.
	{"reports/drawing", nil},
	{"reports/render", patterns{"reports/drawing", "workloads/experiment/document"}},
	{"reports/campaign", patterns{"workloads/campaign", "workloads/explore", "workloads/experiment/document", "reports/render"}},
	{"reports/results", patterns{"env", "sim/...", "workloads/...", "reports/..."}},
	{"reports/rundir", patterns{"env", "faults", "linearizability/...", "workloads/...", "reports"}},
	{"reports", patterns{"linearizability/...", "reports/drawing"}},

	{"deploy", nil},
	{"cmd/weirlint", nil},
	{"cmd", patterns{"env/...", "sim/...", "broker/...", "faults/...", "linearizability/...", "scenarios", "workloads/...", "reports/..."}},
}

func layerOf(pkg string) (layer, bool) {
	for _, l := range layers {
		if pkg == l.tree || strings.HasPrefix(pkg, l.tree+"/") {
			return l, true
		}
	}
	return layer{}, false
}

// wrongImports finds imports against the layers below a directory. Tests are
// free: they compose worlds.
func wrongImports(root string) (wrong []string, packages int, err error) {
	seen := make(map[string]bool)
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil && file != root {
				return fs.SkipDir // somebody else's module
			}
			if file != root && (name == "testdata" || name == "vendor" || name == "bin" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if !seen[pkg] {
			seen[pkg] = true
			packages++
		}
		own, known := layerOf(pkg)
		for _, spec := range parsed.Imports {
			full, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imported, ours := strings.CutPrefix(full, modulePath)
			switch {
			case !ours:
			case !known:
				wrong = append(wrong, filepath.ToSlash(rel)+" is in no layer; give its package one in cmd/weirlint/imports_test.go")
			case imported == own.tree || strings.HasPrefix(imported, own.tree+"/") || own.imports.match(imported):
			default:
				wrong = append(wrong, filepath.ToSlash(rel)+" imports "+imported+", which packages below "+own.tree+" must not")
			}
		}
		return nil
	})
	return wrong, packages, err
}

// TestImportsPointOneWay holds the direction of imports of the architecture.
func TestImportsPointOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	require.FileExists(t, filepath.Join(root, "go.mod"))
	wrong, packages, err := wrongImports(root)
	require.NoError(t, err)
	require.Greater(t, packages, 5)
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}

// TestWrongImportsAreFound tests the test above.
func TestWrongImportsAreFound(t *testing.T) {
	root := t.TempDir()
	write := func(file, source string) {
		file = filepath.Join(root, filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	}
	write("sim/a.go", `package sim; import _ "github.com/weirlab/weir/broker/storage"`)
	write("broker/a.go", `package broker; import _ "github.com/weirlab/weir/broker/storage"; import _ "os"`)
	write("broker/a_test.go", `package broker; import _ "github.com/weirlab/weir/sim"`)
	write("broker/group/a.go", `package group; import _ "github.com/weirlab/weir/broker/controller"`)
	write("elsewhere/a.go", `package elsewhere; import _ "github.com/weirlab/weir/env"`)
	wrong, packages, err := wrongImports(root)
	require.NoError(t, err)
	require.Equal(t, 4, packages)
	require.Equal(t, []string{
		"broker/group/a.go imports broker/controller, which packages below broker/group must not",
		"elsewhere/a.go is in no layer; give its package one in cmd/weirlint/imports_test.go",
		"sim/a.go imports broker/storage, which packages below sim must not",
	}, wrong)
}
