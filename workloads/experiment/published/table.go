package published

import (
	"bytes"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed data/runs.csv data/quantiles.csv
var embedded embed.FS

// line is a line of a table. Reading a cell that is wrong keeps the first
// error.
type line struct {
	at     string
	header []string
	cells  []string
	err    error
}

func readTable(name string, each func(*line)) error {
	b, err := embedded.ReadFile(name)
	if err != nil {
		return fmt.Errorf("published: %w", err)
	}
	all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return fmt.Errorf("published: %s: %w", name, err)
	}
	for i, cells := range all[1:] {
		l := &line{at: fmt.Sprintf("published: %s, line %d", name, i+2), header: all[0], cells: cells}
		each(l)
		if l.err != nil {
			return l.err
		}
	}
	return nil
}

func (l *line) fail(column string, err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%s, column %s: %w", l.at, column, err)
	}
}

func (l *line) text(column string) string {
	i := slices.Index(l.header, column)
	if i < 0 {
		l.fail(column, errors.New("there is no such column"))
		return ""
	}
	return strings.TrimSpace(l.cells[i])
}

func (l *line) number(column string) float64 {
	v, err := strconv.ParseFloat(l.text(column), 64)
	if err != nil {
		l.fail(column, err)
	}
	return v
}

// optional is a number that may be missing: 0 then.
func (l *line) optional(column string) float64 {
	if l.text(column) == "" {
		return 0
	}
	return l.number(column)
}

// rate is a number of records a second, 0 if there is none or "max". "~50000" is
// one.
func (l *line) rate(column string) float64 {
	text := strings.TrimPrefix(l.text(column), "~")
	if text == "" || text == "max" {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		l.fail(column, err)
	}
	return v
}

func (l *line) whole(column string) int64 {
	v, err := strconv.ParseInt(l.text(column), 10, 64)
	if err != nil {
		l.fail(column, err)
	}
	return v
}

// stated is a whole number, false if the publication does not state one.
func (l *line) stated(column string) (int64, bool) {
	v, err := strconv.ParseInt(l.text(column), 10, 64)
	return v, err == nil
}

func (l *line) millis(column string) time.Duration {
	return time.Duration(l.number(column) * float64(time.Millisecond))
}

// mean is a mean latency that may be missing: 0 then.
func (l *line) mean(column string) time.Duration {
	if l.text(column) == "" {
		return 0
	}
	return l.millis(column)
}
