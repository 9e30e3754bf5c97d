package ec2

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// row is a line of a table. Reading a cell that is wrong keeps the first
// error, so that a row is read in one go and checked once.
type row struct {
	table  string
	line   int
	header []string
	cells  []string
	err    error
}

// readTable reads a table and hands out its rows.
func readTable(fsys fs.FS, table string, each func(*row)) error {
	f, err := fsys.Open(table)
	if err != nil {
		return err
	}
	all, err := csv.NewReader(f).ReadAll()
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	if len(all) < 2 {
		return fmt.Errorf("%s: no rows below a header", table)
	}
	for i, cells := range all[1:] {
		r := &row{table: table, line: i + 2, header: all[0], cells: cells}
		each(r)
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

func (r *row) fail(column string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: row %d, column %s: %w", r.table, r.line, column, err)
	}
}

// text is a cell, which may be empty.
func (r *row) text(column string) string {
	i := slices.Index(r.header, column)
	if i < 0 {
		r.fail(column, errors.New("there is no such column"))
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

// name is a cell that must not be empty.
func (r *row) name(column string) string {
	s := r.text(column)
	if s == "" {
		r.fail(column, errors.New("is empty"))
	}
	return s
}

// fixed is a decimal number times 10^digits; an empty cell is 0.
func (r *row) fixed(column string, digits int) int64 {
	s := r.text(column)
	if s == "" {
		return 0
	}
	n, err := parseFixed(s, digits)
	if err != nil {
		r.fail(column, err)
	}
	return n
}

func (r *row) provenance() Provenance {
	b, err := parseBasis(r.text("basis"))
	if err != nil {
		r.fail("basis", err)
	}
	return Provenance{Basis: b, Source: r.name("source")}
}

// parseFixed reads a decimal number without a sign as an integer times
// 10^digits. Floats would round differently from machine to machine.
func parseFixed(s string, digits int) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return 0, fmt.Errorf("%q has more than %d digits behind the point", s, digits)
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a decimal number", s)
	}
	return int64(n), nil
}
