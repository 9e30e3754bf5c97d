package main

import (
	"go/ast"
	"go/token"
	"go/types"
)

// rangeStmt reports walking over maps and channels.
func (c *checker) rangeStmt(n *ast.RangeStmt, stack []ast.Node) {
	t := c.TypesInfo.TypeOf(n.X)
	if t == nil {
		return
	}
	switch coreType(t).(type) {
	case *types.Chan:
		c.report(n.Pos(), "range over a channel in simulated code: use env.Mailbox")
	case *types.Map:
		if c.marks.use(c.Fset, n.Pos(), ordered) {
			return
		}
		if n.Key == nil && n.Value == nil || c.collectsAndSorts(n, stack) {
			return
		}
		c.Reportf(n.Pos(), "walk over a map in simulated code: %s; if the order cannot matter, mark the line with //weir:ordered and the reason", noOrder)
	}
}

// mapCallbacks reports functions that are called for the entries of a map, in
// its order, and do more than look at one: maps.DeleteFunc, maps.EqualFunc.
func (c *checker) mapCallbacks(n *ast.CallExpr) {
	fn, ok := c.called(n)
	if !ok || fn.Pkg() == nil || fn.Pkg().Path() != "maps" {
		return
	}
	for _, arg := range n.Args {
		if _, isFunc := c.TypesInfo.TypeOf(arg).Underlying().(*types.Signature); !isFunc || fn.Name() != "DeleteFunc" && fn.Name() != "EqualFunc" {
			continue
		}
		lit, ok := ast.Unparen(arg).(*ast.FuncLit)
		if ok && c.onlyLooks(lit) || c.marks.use(c.Fset, arg.Pos(), ordered) {
			continue
		}
		c.Reportf(arg.Pos(), "what maps.%s calls in simulated code does more than look at one entry: %s; if the order cannot matter, mark the line with //weir:ordered and the reason", fn.Name(), noOrder)
	}
}

// onlyLooks reports whether a function literal changes nothing outside of it,
// as far as can be seen: it assigns to its own variables only, and calls only
// for results.
func (c *checker) onlyLooks(lit *ast.FuncLit) bool {
	own := func(e ast.Expr) bool {
		v := c.variable(e)
		return v != nil && lit.Pos() <= v.Pos() && v.Pos() < lit.End()
	}
	pure := true
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if id, ok := left.(*ast.Ident); !ok || id.Name != "_" && n.Tok != token.DEFINE && !own(left) {
					pure = false
				}
			}
		case *ast.IncDecStmt:
			pure = pure && own(n.X)
		case *ast.ExprStmt, *ast.DeferStmt:
			pure = false
		}
		return pure
	})
	return pure
}

// coreType is the underlying type, also of a type parameter that has only one.
func coreType(t types.Type) types.Type {
	p, ok := types.Unalias(t).(*types.TypeParam)
	if !ok {
		return t.Underlying()
	}
	var core types.Type
	bound := p.Constraint().Underlying().(*types.Interface)
	for i := range bound.NumEmbeddeds() {
		union, ok := bound.EmbeddedType(i).(*types.Union)
		if !ok {
			core = bound.EmbeddedType(i).Underlying()
			continue
		}
		for j := range union.Len() {
			core = union.Term(j).Type().Underlying()
		}
	}
	return core
}

// collectsAndSorts reports whether a loop does nothing but append to a slice
// that is sorted later in the same function.
func (c *checker) collectsAndSorts(n *ast.RangeStmt, stack []ast.Node) bool {
	if len(n.Body.List) != 1 {
		return false
	}
	assign, ok := n.Body.List[0].(*ast.AssignStmt)
	if !ok || assign.Tok != token.ASSIGN || len(assign.Lhs) != 1 || len(assign.Rhs) != 1 {
		return false
	}
	slice := c.variable(assign.Lhs[0])
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	if slice == nil || !ok || len(call.Args) != 2 || c.variable(call.Args[0]) != slice {
		return false
	}
	builtin, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok || builtin.Name != "append" {
		return false
	}
	// Only the key itself is a total order once sorted: elements made from
	// values may compare equal and differ.
	key, ok := n.Key.(*ast.Ident)
	if arg := c.variable(call.Args[1]); !ok || arg == nil || arg != c.TypesInfo.Defs[key] {
		return false
	}
	body := enclosingBody(stack)
	sorted := false
	ast.Inspect(body, func(m ast.Node) bool {
		call, ok := m.(*ast.CallExpr)
		if !ok || call.Pos() < n.End() || len(call.Args) == 0 || c.variable(call.Args[0]) != slice {
			return true
		}
		if fun, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			if fn, ok := c.TypesInfo.Uses[fun.Sel].(*types.Func); ok && fn.Pkg() != nil && sorts(fn.Pkg().Path(), fn.Name()) {
				sorted = true
			}
		}
		return true
	})
	return sorted
}

// variable is the variable an expression names, or nil.
func (c *checker) variable(e ast.Expr) types.Object {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	if v, ok := c.TypesInfo.ObjectOf(id).(*types.Var); ok {
		return v
	}
	return nil
}

// enclosingBody is the body of the innermost function in a stack.
func enclosingBody(stack []ast.Node) ast.Node {
	for i := len(stack) - 1; i >= 0; i-- {
		switch f := stack[i].(type) {
		case *ast.FuncDecl:
			return f.Body
		case *ast.FuncLit:
			return f.Body
		}
	}
	return stack[0]
}
