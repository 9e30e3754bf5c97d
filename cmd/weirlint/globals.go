package main

import (
	"go/ast"
	"go/types"
)

// globalChange reports an expression that changes a package variable, outside
// of func init.
func (c *checker) globalChange(e ast.Expr, how string, stack []ast.Node) {
	v := c.packageVariable(e)
	if v == nil || inInit(stack) {
		return
	}
	c.report(e.Pos(), "package variable %s changes in simulated code (%s): machines of one simulation must not share state, and runs must not leave any behind", v.Name(), how)
}

// packageVariable is the package variable that an expression is a part of, or
// nil. What lies behind a pointer or an interface is not a part.
func (c *checker) packageVariable(e ast.Expr) *types.Var {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v, ok := c.TypesInfo.Uses[x.Sel].(*types.Var); ok && !v.IsField() {
				return v // of another package
			}
			e = x.X
		case *ast.Ident:
			v, ok := c.TypesInfo.Uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

// inInit reports whether a stack is inside a func init or the initialisation
// of package variables.
func inInit(stack []ast.Node) bool {
	for _, n := range stack {
		if f, ok := n.(*ast.FuncDecl); ok {
			return f.Recv == nil && f.Name.Name == "init"
		}
	}
	return true
}
