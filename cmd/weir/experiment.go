package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/document"
)

// resultFile is the name of what an experiment found, with all measurements.
const resultFile = "result.json"

// finding is what an experiment found.
type finding interface{ Document() *document.Document }

// keepFinding writes what an experiment found into dir, which it creates: the
// result, and its document as a page with its pictures.
func keepFinding(dir, page string, found finding) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("result directory: %w", err)
	}
	_, err := render.WriteDir(dir, page, found.Document())
	return errors.Join(err, experiment.Save(filepath.Join(dir, resultFile), found))
}

// showFinding prints what is in dir: the result as JSON, or the document for
// the terminal and where the page is.
func showFinding(s streams, dir, page string, found finding, shown *document.Document, asJSON bool) error {
	if asJSON {
		return internal(experiment.Write(s.out, found))
	}
	if err := render.Text(s.out, shown, terminalColumns, isTerminal(s.out) && os.Getenv("NO_COLOR") == ""); err != nil {
		return internal(err)
	}
	_, err := fmt.Fprintf(s.out, "\nreport: %s\n", filepath.Join(dir, page+".html"))
	return internal(err)
}

// terminalColumns is how wide tables are.
const terminalColumns = 140

// madeBy is how a result was made that begins now.
func madeBy(started time.Time) []document.Fact {
	p := rundir.Provenance()
	facts := []document.Fact{
		{Name: "command", Value: strings.Join(append([]string{"weir"}, os.Args[1:]...), " ")},
		{Name: "date", Value: started.UTC().Format("2006-01-02 15:04 UTC")},
		{Name: "weir", Value: p.Version},
	}
	if p.Commit != "" {
		facts = append(facts, document.Fact{Name: "commit", Value: p.Commit})
	}
	return append(facts, document.Fact{Name: "made on", Value: fmt.Sprintf("%s, %s/%s, %d processors", p.Go, p.OS, p.Arch, p.CPUs)})
}
