package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Analyzer reports what would make simulated code depend on anything but its
// seed.
var Analyzer = &analysis.Analyzer{
	Name:     "weirlint",
	Doc:      "report what would make simulated code depend on anything but its seed",
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      run,
}

// modulePath is taken off package paths before they are matched.
const modulePath = "github.com/weirlab/weir/"

// simulated and exempt are lists of patterns of packages, relative to the
// module: a path, or a path and "/..." for everything below it too.
var simulated, exempt patterns

func init() {
	simulated = patterns{"env", "sim/simdisk", "sim/simnet", "faults", "broker/...", "workloads/client/...", "workloads/program/..."}
	exempt = patterns{"env/osenv/...", "env/envtest/...", "broker/brokertest/..."}
	Analyzer.Flags.Var(&simulated, "packages", "comma-separated patterns of the packages that run in simulation")
	Analyzer.Flags.Var(&exempt, "exempt", "comma-separated patterns of packages that do not, although -packages matches them")
}

type patterns []string

func (p *patterns) String() string { return strings.Join(*p, ",") }

// Set implements flag.Value.
func (p *patterns) Set(list string) error {
	*p = nil
	for pattern := range strings.SplitSeq(list, ",") {
		pattern = strings.TrimSpace(pattern)
		if path.Clean(pattern) != pattern || strings.HasPrefix(pattern, "/") {
			return fmt.Errorf("%q is no package path relative to the module; want for example broker/... or env", pattern)
		}
		*p = append(*p, pattern)
	}
	return nil
}

func (p *patterns) match(pkg string) bool {
	for _, pattern := range *p {
		below, all := strings.CutSuffix(pattern, "/...")
		if pkg == below || all && strings.HasPrefix(pkg, below+"/") {
			return true
		}
	}
	return false
}

func run(pass *analysis.Pass) (any, error) {
	// A test variant is called "path [path.test]", its external tests
	// "path_test".
	pkg, _, _ := strings.Cut(pass.Pkg.Path(), " ")
	pkg = strings.TrimPrefix(pkg, modulePath)
	generated := strings.HasSuffix(pkg, ".test") // the main package of a test
	if generated || !simulated.match(pkg) || exempt.match(pkg) {
		return nil, nil
	}
	c := &checker{Pass: pass}
	var files []*ast.File
	for _, f := range pass.Files {
		if !strings.HasSuffix(pass.Fset.Position(f.FileStart).Filename, "_test.go") {
			files = append(files, f)
		}
	}
	c.marks = findMarks(pass.Fset, files)
	for _, f := range files {
		c.imports(f)
	}
	inspector.New(files).WithStack(nil, func(n ast.Node, push bool, stack []ast.Node) bool {
		if push {
			c.node(n, stack)
		}
		return true
	})
	c.marks.unused(pass)
	return nil, nil
}

// checker checks one package.
type checker struct {
	*analysis.Pass
	marks marks
}

// report reports a finding unless a mark in its line allows it.
func (c *checker) report(pos token.Pos, format string, args ...any) {
	if !c.marks.use(c.Fset, pos, allow) {
		c.Reportf(pos, format, args...)
	}
}

func (c *checker) node(n ast.Node, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n.Pos(), "go statement in simulated code: start tasks with env.Env.Go")
	case *ast.ChanType:
		c.report(n.Pos(), "channel in simulated code: use env.Mailbox, env.Signal or env.Cond")
	case *ast.SendStmt:
		c.report(n.Arrow, "send on a channel in simulated code: use env.Mailbox")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n.Pos(), "receive from a channel in simulated code: use env.Mailbox or env.Signal")
		}
		if n.Op == token.AND {
			c.globalChange(n.X, "its address is taken", stack)
		}
	case *ast.SelectStmt:
		c.report(n.Pos(), "select in simulated code: use the timeouts of env.Signal and env.Cond")
	case *ast.RangeStmt:
		c.rangeStmt(n, stack)
	case *ast.SelectorExpr:
		c.selector(n, stack)
	case *ast.CallExpr:
		c.call(n, stack)
	case *ast.BinaryExpr:
		c.comparison(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, left := range n.Lhs {
				c.globalChange(left, "it is assigned to", stack)
			}
		}
	case *ast.IncDecStmt:
		c.globalChange(n.X, "it is counted up or down", stack)
	}
}

// isFloat reports whether an expression is a floating-point or complex number
// that is not a constant.
func (c *checker) isFloat(e ast.Expr) bool {
	tv, ok := c.TypesInfo.Types[e]
	return ok && tv.Value == nil && tv.Type != nil && isBasic(tv.Type, types.IsFloat|types.IsComplex)
}

func isBasic(t types.Type, info types.BasicInfo) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&info != 0
}

func (c *checker) comparison(n *ast.BinaryExpr) {
	switch n.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		if c.isFloat(n.X) || c.isFloat(n.Y) {
			c.report(n.OpPos, "comparison of floating-point numbers in simulated code: they differ between architectures; decide with integers")
		}
	}
}
