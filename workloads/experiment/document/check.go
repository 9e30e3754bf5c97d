package document

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
)

var fileName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// Check says what is wrong with the document: a figure without unit, basis,
// model or validation, points that are no numbers, rows that do not fit their
// columns, names that are used twice. Every renderer checks first.
func (d *Document) Check() error {
	var errs []error
	if d.Schema != "" && d.Schema != Schema {
		errs = append(errs, fmt.Errorf("schema %q, but this version of weir reads %q", d.Schema, Schema))
	}
	if d.Title == "" {
		errs = append(errs, errors.New("the document has no title"))
	}
	seen := map[string]string{}
	unique := func(kind, name string) {
		switch {
		case !fileName.MatchString(name):
			errs = append(errs, fmt.Errorf("%s %q: the name is used for files; use lower-case letters, digits, . _ and -", kind, name))
		case seen[kind+name] != "":
			errs = append(errs, fmt.Errorf("%s %q: the name is used twice", kind, name))
		}
		seen[kind+name] = name
	}
	for _, s := range d.Sections {
		for i := range s.Tables {
			unique("table", s.Tables[i].Name)
			errs = append(errs, s.Tables[i].check())
		}
		for i := range s.Figures {
			unique("figure", s.Figures[i].Name)
			errs = append(errs, s.Figures[i].check())
		}
	}
	for _, p := range d.Provenance {
		if p.What == "" || p.Basis == "" || p.Source == "" {
			errs = append(errs, fmt.Errorf("provenance %q: what, basis and source are needed", p.What))
		}
	}
	return errors.Join(errs...)
}

func (t *Table) check() error {
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return fmt.Errorf("table %s, row %d: %d cells in %d columns", t.Name, i+1, len(row), len(t.Columns))
		}
		for k, c := range row {
			if c.Number != nil && !finite(*c.Number) {
				return fmt.Errorf("table %s, row %d, column %s: %v is no number; leave Number out", t.Name, i+1, t.Columns[k].Name, *c.Number)
			}
			if !slices.Contains([]Mark{NoMark, Good, Bad, Neutral}, c.Mark) {
				return fmt.Errorf("table %s, row %d, column %s: unknown mark %q", t.Name, i+1, t.Columns[k].Name, c.Mark)
			}
		}
	}
	return nil
}

var (
	kinds       = []Kind{Lines, Steps, Percentiles, Bars, Scatter}
	seriesBases = []Basis{Simulated, Real, Published, Specification}
	bases       = append([]Basis{Both, Compared}, seriesBases...)
)

func (f *Figure) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("figure "+f.Name+": "+format, args...))
	}
	if f.Title == "" {
		bad("no title")
	}
	if !slices.Contains(kinds, f.Kind) {
		bad("unknown kind %q; one of %v", f.Kind, kinds)
	}
	if f.Kind == Bars {
		if len(f.X.Categories) == 0 {
			bad("bars need X.Categories")
		}
	} else if f.X.Unit == "" || f.X.Label == "" {
		bad("the X axis has no label or no unit")
	}
	if f.Y.Unit == "" || f.Y.Label == "" {
		bad("the Y axis has no label or no unit")
	}
	if !slices.Contains(bases, f.Basis) {
		bad("basis %q; one of %q", f.Basis, bases)
	}
	if len(f.Series) == 0 {
		bad("no series")
	}
	simulated := f.Basis == Simulated || f.Basis == Both || f.Basis == Compared
	for i := range f.Series {
		s := &f.Series[i]
		simulated = simulated || s.Basis == Simulated
		if err := f.checkSeries(s); err != nil {
			bad("series %q: %w", s.Name, err)
		}
	}
	if simulated && f.Model == "" {
		bad("it shows a simulation and does not name the source of its model")
	}
	if simulated && f.Validated == "" {
		bad("it shows a simulation and does not say whether the model was compared with hardware; if not, say %q", NeverCompared)
	}
	return errors.Join(errs...)
}

func (f *Figure) checkSeries(s *Series) error {
	if s.Name == "" {
		return errors.New("no name")
	}
	if !slices.Contains(seriesBases, s.Basis) {
		return fmt.Errorf("basis %q; one of %q", s.Basis, seriesBases)
	}
	if len(s.X) != len(s.Y) && (f.Kind != Bars || len(s.X) != 0) {
		return fmt.Errorf("%d X and %d Y values", len(s.X), len(s.Y))
	}
	if len(s.Low) != len(s.High) || (len(s.Low) != 0 && len(s.Low) != len(s.Y)) {
		return fmt.Errorf("%d Y, %d Low and %d High values", len(s.Y), len(s.Low), len(s.High))
	}
	if len(s.Names) != 0 && len(s.Names) != len(s.Y) {
		return fmt.Errorf("%d names for %d points", len(s.Names), len(s.Y))
	}
	for _, vs := range [][]float64{s.X, s.Y, s.Low, s.High} {
		if i := slices.IndexFunc(vs, func(v float64) bool { return !finite(v) }); i >= 0 {
			return fmt.Errorf("point %d is %v; leave the point out", i+1, vs[i])
		}
	}
	for i, x := range s.X {
		switch {
		case f.Kind == Bars && (x != math.Trunc(x) || x < 0 || int(x) >= len(f.X.Categories)):
			return fmt.Errorf("point %d: %v is no index of a category", i+1, x)
		case f.Kind == Percentiles && (x < 0 || x >= 100):
			return fmt.Errorf("point %d: %v is no percentile below 100", i+1, x)
		case f.Kind != Bars && f.Kind != Percentiles && f.X.Log && x <= 0:
			return fmt.Errorf("point %d: X is %v on a logarithmic axis", i+1, x)
		}
	}
	if f.Kind == Bars && len(s.X) == 0 && len(s.Y) != len(f.X.Categories) {
		return fmt.Errorf("%d bars for %d categories", len(s.Y), len(f.X.Categories))
	}
	if f.Y.Log {
		for i, y := range s.Y {
			if y <= 0 {
				return fmt.Errorf("point %d: Y is %v on a logarithmic axis", i+1, y)
			}
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
