package reports

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirlab/weir/reports/drawing"
)

// figures are the plots of a report in reading order; those that have nothing
// to show are left out.
func (r *result) figures() []*drawing.Figure {
	var all []*drawing.Figure
	for _, f := range append([]*drawing.Figure{r.throughput(), r.latencyOverTime(), r.timeline(), r.distribution(), r.lag()}, r.perBroker()...) {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// Write reads the result directory dir and writes report.html and the plots
// (each as PNG and SVG) into it. It needs run.json; any other file that is
// missing or cut short is named in the report instead of failing it.
func Write(dir string) error {
	r, err := read(dir)
	if err != nil {
		return err
	}
	why := r.whyFigures()
	figures := append(why, r.figures()...)
	docs := make([][]byte, len(figures))
	for i, f := range figures {
		if docs[i], err = f.SVG(); err != nil {
			return fmt.Errorf("plot %s: %w", f.Name, err)
		}
		var png, svg bytes.Buffer
		if err := errors.Join(f.PNG(&png, r.caption()), f.WholeSVG(&svg, r.caption())); err != nil {
			return fmt.Errorf("plot %s: %w", f.Name, err)
		}
		err := errors.Join(
			os.WriteFile(filepath.Join(dir, f.Name+".svg"), svg.Bytes(), 0o644),
			os.WriteFile(filepath.Join(dir, f.Name+".png"), png.Bytes(), 0o644))
		if err != nil {
			return err
		}
	}
	html, err := r.html(figures, docs, len(why))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ReportFile), html, 0o644)
}
