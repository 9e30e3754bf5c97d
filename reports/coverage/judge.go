package coverage

import (
	"bufio"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed unreached.txt
var unreached string

// Reason says why no campaign reaches some functions.
type Reason struct {
	File string // "broker/storage/dump.go"; a pattern as of package path
	Name string // of the function as covdata prints it; a pattern too
	Why  string
}

func (r Reason) covers(f Function) bool {
	file, _ := path.Match(r.File, f.File)
	name, _ := path.Match(r.Name, f.Name)
	return file && (name || r.Name == f.Name)
}

// Reasons is the list that is kept with the source.
func Reasons() ([]Reason, error) { return parseReasons(unreached) }

// parseReasons reads lines of a file, a function and a reason. An empty line and
// what follows a # is nothing.
func parseReasons(text string) ([]Reason, error) {
	var list []Reason
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) < 3:
			return nil, fmt.Errorf("coverage: unreached.txt:%d: give a file, a function and a reason", n)
		}
		list = append(list, Reason{File: fields[0], Name: fields[1], Why: strings.Join(fields[2:], " ")})
	}
	return list, lines.Err()
}

// Verdict is what came of comparing what was reached with the reasons.
type Verdict struct {
	Functions   int         // that there are
	Unexplained []Function  // never reached, and no reason is given
	Explained   []Explained // never reached, for a reason
	Idle        []Reason    // whose functions were all reached, or are gone
}

// Explained is a function that is never reached for a reason.
type Explained struct {
	Function
	Reason
}

// Judge says which functions were never reached, and for which of them there is
// a reason.
func Judge(functions []Function, reasons []Reason) Verdict {
	v := Verdict{Functions: len(functions)}
	used := make([]bool, len(reasons))
	for _, f := range functions {
		if f.PerMille > 0 {
			continue
		}
		i := slices.IndexFunc(reasons, func(r Reason) bool { return r.covers(f) })
		if i < 0 {
			v.Unexplained = append(v.Unexplained, f)
			continue
		}
		used[i] = true
		v.Explained = append(v.Explained, Explained{f, reasons[i]})
	}
	for i, r := range reasons {
		if !used[i] {
			v.Idle = append(v.Idle, r)
		}
	}
	return v
}

// String is for people: what was never reached without a reason, with where it
// is, and how much there is of everything.
func (v Verdict) String() string {
	var b strings.Builder
	for _, f := range v.Unexplained {
		fmt.Fprintln(&b, f)
	}
	never := len(v.Unexplained) + len(v.Explained)
	fmt.Fprintf(&b, "%d of %d functions were never reached (%s): %d for a reason that is given, %d without\n",
		never, v.Functions, percent(never, v.Functions), len(v.Explained), len(v.Unexplained))
	return b.String()
}

func percent(n, of int) string {
	if of == 0 {
		return "of none"
	}
	tenths := (1000*n + of/2) / of
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}
