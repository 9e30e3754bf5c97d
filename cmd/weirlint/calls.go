package main

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// imports reports packages that simulated code must not use at all.
func (c *checker) imports(f *ast.File) {
	for _, spec := range f.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		rule, _ := ruleFor(p)
		switch {
		case rule.banned != "":
			c.report(spec.Pos(), "import of %s in simulated code: %s", p, rule.banned)
		case isForeign(p) && !read.match(p):
			c.report(spec.Pos(), "import of %s in simulated code: nobody has read it for determinism; read it, then add it to the list in cmd/weirlint/rules.go", p)
		case spec.Name != nil && spec.Name.Name == "." && len(rule.allowed)+len(rule.forbidden) > 0:
			c.report(spec.Pos(), "dot import of %s in simulated code hides which parts of it are used", p)
		}
	}
}

// isForeign reports whether a package is neither of the standard library nor
// of this module.
func isForeign(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return strings.Contains(first, ".") && !strings.HasPrefix(p+"/", modulePath)
}

// selector reports parts of packages that simulated code must not use, and
// methods whose result has no order.
func (c *checker) selector(n *ast.SelectorExpr, stack []ast.Node) {
	obj := c.TypesInfo.Uses[n.Sel]
	if obj == nil || obj.Pkg() == nil {
		return
	}
	name := obj.Name()
	if fn, ok := obj.(*types.Func); ok && fn.Signature().Recv() != nil {
		if why := forbiddenMethods[fn.FullName()]; why != "" {
			c.report(n.Sel.Pos(), "%s in simulated code: %s", name, why)
		}
		return
	}
	if v, ok := obj.(*types.Var); ok && v.IsField() {
		return
	}
	rule, ok := ruleFor(obj.Pkg().Path())
	if !ok || rule.banned != "" {
		return
	}
	full := obj.Pkg().Name() + "." + name
	if why, ok := rule.forbidden[name]; ok {
		if rule.unlessSorted && isSorted(stack) {
			return
		}
		c.report(n.Pos(), "%s in simulated code: %s", full, why)
	}
	if rule.allowed != nil && !rule.allows(name) {
		c.report(n.Pos(), "%s in simulated code: of package %s only %s may be used", full, obj.Pkg().Path(), strings.Join(rule.allowed, ", "))
	}
}

// isSorted reports whether the innermost call in the stack is the argument of
// slices.Sorted, whose order is total: slices.Sorted(maps.Keys(m)). What sorts
// by a function may leave equal elements in the order in which they came.
func isSorted(stack []ast.Node) bool {
	calls := 0
	for i := len(stack) - 1; i >= 0; i-- {
		call, ok := stack[i].(*ast.CallExpr)
		if !ok {
			continue
		}
		if calls++; calls == 2 {
			fun, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
			return ok && fun.Sel.Name == "Sorted"
		}
	}
	return false
}

// call reports conversions of floats, formatted addresses, the print builtins
// and changes to package variables by builtins.
func (c *checker) call(n *ast.CallExpr, stack []ast.Node) {
	if tv := c.TypesInfo.Types[n.Fun]; tv.IsType() && len(n.Args) == 1 {
		if isBasic(tv.Type, types.IsInteger) && c.isFloat(n.Args[0]) {
			c.report(n.Pos(), "conversion of a floating-point number to an integer in simulated code: it differs between architectures; calculate with integers")
		}
		return
	}
	c.addresses(n)
	c.zone(n, stack)
	c.mapCallbacks(n)
	switch fun := ast.Unparen(n.Fun).(type) {
	case *ast.Ident:
		if _, ok := c.TypesInfo.Uses[fun].(*types.Builtin); ok {
			switch fun.Name {
			case "print", "println":
				c.report(n.Pos(), "builtin %s in simulated code: tell through env.Env.Event", fun.Name)
			case "delete", "clear", "copy":
				c.globalChange(n.Args[0], "its content is changed", stack)
			}
		}
	case *ast.SelectorExpr:
		if fn, ok := c.TypesInfo.Uses[fun.Sel].(*types.Func); ok && fn.Pkg() != nil && fn.Pkg().Path() == "fmt" {
			for _, arg := range n.Args {
				if v := c.TypesInfo.Types[arg].Value; v != nil && v.Kind() == constant.String && strings.Contains(verbsOf(constant.StringVal(v)), "p") {
					c.report(arg.Pos(), "%%p in simulated code prints an address, which differs from run to run")
				}
			}
		}
		if sel := c.TypesInfo.Selections[fun]; sel != nil && sel.Kind() == types.MethodVal {
			if _, isPointer := sel.Obj().Type().(*types.Signature).Recv().Type().(*types.Pointer); isPointer && !types.IsInterface(sel.Recv()) {
				if _, pointer := sel.Recv().Underlying().(*types.Pointer); !pointer {
					c.globalChange(fun.X, "a method with a pointer receiver is called on it", stack)
				}
			}
		}
	}
}
