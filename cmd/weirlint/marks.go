package main

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// The kinds of marks.
const (
	ordered = "//weir:ordered"
	allow   = "//weir:allow"
)

// mark is a comment that says why something is harmless.
type mark struct {
	pos    token.Pos
	kind   string
	reason string
	used   bool
}

// marks are the marks of a package, by file and line.
type marks struct {
	byLine map[line][]*mark
	all    []*mark
}

type line struct {
	file string
	line int
}

func findMarks(fset *token.FileSet, files []*ast.File) marks {
	m := marks{byLine: make(map[line][]*mark)}
	for _, f := range files {
		for _, group := range f.Comments {
			for _, comment := range group.List {
				for _, kind := range []string{ordered, allow} {
					rest, ok := strings.CutPrefix(comment.Text, kind)
					if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
						continue
					}
					// What follows a second // is a comment on the mark.
					reason, _, _ := strings.Cut(rest, "//")
					one := &mark{pos: comment.Pos(), kind: kind, reason: strings.TrimSpace(reason)}
					at := fset.Position(comment.Pos())
					m.all = append(m.all, one)
					m.byLine[line{at.Filename, at.Line}] = append(m.byLine[line{at.Filename, at.Line}], one)
				}
			}
		}
	}
	return m
}

// use reports whether the line of pos, or the one above, has a mark of a kind
// with a reason, and counts it as used.
func (m *marks) use(fset *token.FileSet, pos token.Pos, kind string) bool {
	at := fset.Position(pos)
	for _, l := range []int{at.Line, at.Line - 1} {
		for _, one := range m.byLine[line{at.Filename, l}] {
			if one.kind == kind {
				one.used = true
				return one.reason != ""
			}
		}
	}
	return false
}

// unused reports marks that mark nothing or do not say why.
func (m *marks) unused(pass *analysis.Pass) {
	for _, one := range m.all {
		switch {
		case one.reason == "":
			pass.Reportf(one.pos, "%s needs a reason behind it", one.kind)
		case !one.used:
			pass.Reportf(one.pos, "%s marks nothing in this line or the next", one.kind)
		}
	}
}
