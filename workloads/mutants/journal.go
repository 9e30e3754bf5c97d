package mutants

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/weirlab/weir/workloads/scenario"
)

// Journal keeps the outcome of every run in a file, and gives it again instead of
// running. It belongs to one scenario and one build.
type Journal struct {
	file *os.File
	seen map[pair]Outcome
}

type pair struct {
	seed scenario.Seed
	bug  string
}

// journalLine is a line: the first names what the journal is of.
type journalLine struct {
	Of   string        `json:"of,omitempty"`
	Seed scenario.Seed `json:"seed,omitempty"`
	Bug  string        `json:"bug,omitempty"`
	*Outcome
}

// OpenJournal opens or begins the journal called name. of says what it is of,
// scenario and build; a journal of something else is an error. A last line that a
// kill cut short is run again.
func OpenJournal(name, of string) (*Journal, error) {
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	j := &Journal{seen: map[pair]Outcome{}}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	lines := bufio.NewScanner(bytes.NewReader(whole))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var l journalLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, n, err)
		}
		switch {
		case n == 1 && l.Of != of:
			return nil, fmt.Errorf("%s is of %q, this search is of %q; name another directory with --out", name, l.Of, of)
		case n > 1 && l.Outcome != nil:
			j.seen[pair{l.Seed, l.Bug}] = *l.Outcome
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if j.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err := j.file.Truncate(int64(len(whole))); err != nil {
		return nil, err
	}
	if _, err := j.file.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	if len(whole) == 0 {
		return j, j.write(journalLine{Of: of})
	}
	return j, nil
}

func (j *Journal) write(l journalLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(b, '\n'))
	return err
}

// Wrap is run, but for what the journal has already. fail hears of a journal that
// cannot be written.
func (j *Journal) Wrap(run Runner, fail func(error)) Runner {
	return func(ctx context.Context, seed scenario.Seed, bug string) Outcome {
		if out, ok := j.seen[pair{seed, bug}]; ok {
			return out
		}
		out := run(ctx, seed, bug)
		if ctx.Err() == nil {
			j.seen[pair{seed, bug}] = out
			if err := j.write(journalLine{Seed: seed, Bug: bug, Outcome: &out}); err != nil {
				fail(err)
			}
		}
		return out
	}
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
