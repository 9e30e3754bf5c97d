package main

import (
	"go/ast"
)

// localTimes are the functions of package time whose results are in the time
// zone of the machine.
var localTimes = map[string]bool{"Unix": true, "UnixMilli": true, "UnixMicro": true}

// zoneless are the methods of time.Time whose results do not depend on its
// zone, besides those that replace it.
var zoneless = map[string]bool{
	"UTC": true, "In": true, "Unix": true, "UnixMilli": true, "UnixMicro": true, "UnixNano": true,
	"Sub": true, "Before": true, "After": true, "Equal": true, "Compare": true, "IsZero": true,
}

// zone reports times that are in the zone of the machine for longer than one
// call.
func (c *checker) zone(n *ast.CallExpr, stack []ast.Node) {
	fn, ok := c.called(n)
	if !ok || fn.Pkg() == nil || fn.Pkg().Path() != "time" || fn.Signature().Recv() != nil || !localTimes[fn.Name()] {
		return
	}
	for i := len(stack) - 2; i >= 0; i-- {
		if _, ok := stack[i].(*ast.ParenExpr); ok {
			continue
		}
		if up, ok := stack[i].(*ast.SelectorExpr); ok && zoneless[up.Sel.Name] {
			return
		}
		break
	}
	c.report(n.Pos(), "time.%s in simulated code gives a time in the zone of the machine: add .UTC()", fn.Name())
}
