package main

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// addresses reports values that print as an address: pointers, functions and
// channels, alone or inside of what is printed. Printing is handing something
// to a parameter ...any, as those of package fmt and all that wrap them.
func (c *checker) addresses(n *ast.CallExpr) {
	sig, ok := c.TypesInfo.TypeOf(n.Fun).(*types.Signature)
	if !ok || !sig.Variadic() || n.Ellipsis.IsValid() {
		return
	}
	last := sig.Params().Len() - 1
	slice, ok := sig.Params().At(last).Type().(*types.Slice)
	if !ok {
		return
	}
	if any, ok := slice.Elem().Underlying().(*types.Interface); !ok || any.NumMethods() > 0 {
		return
	}
	if fn, ok := c.called(n); ok && fn.Pkg() != nil && fn.Pkg().Path() == "fmt" && strings.Contains(fn.Name(), "can") {
		return // Sscan and its kind fill what is pointed to
	}
	var verbs string
	if last > 0 && last <= len(n.Args) {
		if v := c.TypesInfo.Types[n.Args[last-1]].Value; v != nil && v.Kind() == constant.String {
			verbs = verbsOf(constant.StringVal(v))
		}
	}
	for i := last; i < len(n.Args); i++ {
		arg := n.Args[i]
		if at := i - last; at < len(verbs) && verbs[at] == 'T' {
			continue
		}
		t := c.TypesInfo.TypeOf(arg)
		if t == nil || c.TypesInfo.Types[arg].IsNil() {
			continue
		}
		if what := addressIn(t, 0, true, nil); what != "" {
			c.report(arg.Pos(), "%s prints an address in simulated code (%s), which differs from run to run: print what it holds, or give it a String method", types.TypeString(t, types.RelativeTo(c.Pkg)), what)
		}
	}
}

// called is the function that a call names.
func (c *checker) called(n *ast.CallExpr) (*types.Func, bool) {
	var id *ast.Ident
	switch fun := ast.Unparen(n.Fun).(type) {
	case *ast.Ident:
		id = fun
	case *ast.SelectorExpr:
		id = fun.Sel
	default:
		return nil, false
	}
	fn, ok := c.TypesInfo.Uses[id].(*types.Func)
	return fn, ok
}

// verbsOf lists the verbs of a format, one for each argument; "" if it numbers
// its arguments.
func verbsOf(format string) string {
	var verbs strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		for i++; i < len(format) && strings.IndexByte("+-# 0123456789.*[", format[i]) >= 0; i++ {
			switch format[i] {
			case '[':
				return ""
			case '*':
				verbs.WriteByte('*') // takes an argument itself
			}
		}
		if i < len(format) && format[i] != '%' {
			verbs.WriteByte(format[i])
		}
	}
	return verbs.String()
}

// addressIn says which part of a type package fmt prints as an address, or "".
// Only values that can be reached through exported names print themselves, by
// a method of theirs. What an interface holds is unknown and passes.
func addressIn(t types.Type, depth int, exported bool, seen []types.Type) string {
	if exported && printsItself(t) {
		return ""
	}
	if depth > 0 {
		for _, s := range seen {
			if types.Identical(s, t) {
				return ""
			}
		}
		seen = append(seen, t)
	}
	name := types.TypeString(t, func(p *types.Package) string { return p.Name() })
	switch u := coreType(t).(type) {
	case *types.Chan, *types.Signature:
		return name
	case *types.Basic:
		if u.Kind() == types.UnsafePointer {
			return name
		}
	case *types.Pointer:
		if depth == 0 {
			switch coreType(u.Elem()).(type) {
			case *types.Struct, *types.Map, *types.Slice, *types.Array:
				return addressIn(u.Elem(), 1, exported, seen) // prints as &{…}
			}
		}
		return name
	case *types.Slice:
		return addressIn(u.Elem(), depth+1, exported, seen)
	case *types.Array:
		return addressIn(u.Elem(), depth+1, exported, seen)
	case *types.Map:
		if what := addressIn(u.Key(), depth+1, exported, seen); what != "" {
			return what
		}
		return addressIn(u.Elem(), depth+1, exported, seen)
	case *types.Struct:
		for field := range u.Fields() {
			if what := addressIn(field.Type(), depth+1, exported && field.Exported(), seen); what != "" {
				return "." + field.Name() + " " + strings.TrimPrefix(what, " ")
			}
		}
	}
	return ""
}

// printsItself reports whether a type has a method that package fmt calls.
func printsItself(t types.Type) bool {
	set := types.NewMethodSet(t)
	for _, name := range []string{"Error", "String", "Format"} {
		m := set.Lookup(nil, name)
		if m == nil {
			continue
		}
		sig := m.Obj().(*types.Func).Signature()
		if name == "Format" && sig.Params().Len() == 2 ||
			sig.Params().Len() == 0 && sig.Results().Len() == 1 && isBasic(sig.Results().At(0).Type(), types.IsString) {
			return true
		}
	}
	return false
}
