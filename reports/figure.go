package reports

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figure is one plot with its furniture. Axes are drawn here rather than by
// gonum so that every figure has the same margins and time axes line up down
// the page.
type figure struct {
	name   string // file name without extension
	title  string
	about  string // one sentence under the title
	width  vg.Length
	height vg.Length
	x, y   axis
	// data draws inside the frame, in order.
	data []plot.Plotter
	// over draws on the whole canvas afterwards, for labels.
	over   func(c draw.Canvas, in draw.Canvas, p *plot.Plot)
	legend []legendEntry
	time   bool // x is seconds since the run began
}

// axis of a figure.
type axis struct {
	label    string
	min, max float64
	ticks    []tick
	log      bool
	bare     bool // without grid and labels
}

type tick struct {
	at    float64
	label string
	minor bool
}

type legendEntry struct {
	Name string
	ink  ink
	Thin bool // drawn as a line, not as an area
}

// Var is the CSS variable of an entry's colour.
func (e legendEntry) Var() template.CSS { return template.CSS("var(--" + e.ink.name + ")") }

// point is one value of a curve.
type point struct{ x, y float64 }

type points []point

// Margins inside the canvas, in points.
const (
	marginLeft   = 56
	marginRight  = 12
	marginTop    = 18
	marginBottom = 26
	fullWidth    = 1080
	halfWidth    = 526
)

func textStyle(size vg.Length, i ink, xalign text.XAlignment, yalign text.YAlignment) text.Style {
	return text.Style{
		Color:   i.rgb,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		XAlign:  xalign,
		YAlign:  yalign,
		Handler: plot.DefaultTextHandler,
	}
}

func (f *figure) plot() *plot.Plot {
	p := plot.New()
	p.X.Min, p.X.Max = f.x.min, f.x.max
	p.Y.Min, p.Y.Max = f.y.min, f.y.max
	if f.x.log {
		p.X.Scale = plot.LogScale{}
	}
	if f.y.log {
		p.Y.Scale = plot.LogScale{}
	}
	return p
}

// draw paints the figure on a canvas of its size.
func (f *figure) draw(c draw.Canvas) {
	p := f.plot()
	in := draw.Crop(c, marginLeft, -marginRight, marginBottom, -marginTop)
	x, y := p.Transforms(&in)
	small := textStyle(10.5, inkMuted, text.XCenter, text.YTop)
	gridLine := draw.LineStyle{Color: inkGrid.rgb, Width: 0.75}
	if !f.y.bare {
		style := small
		style.XAlign, style.YAlign = text.XRight, text.YCenter
		for _, t := range f.y.ticks {
			line := gridLine
			if t.minor {
				line.Width = 0.35
			}
			c.StrokeLine2(line, in.Min.X, y(t.at), in.Max.X, y(t.at))
			c.FillText(style, vg.Point{X: in.Min.X - 7, Y: y(t.at)}, t.label)
		}
	}
	for _, d := range f.data {
		d.Plot(in, p)
	}
	axisLine := draw.LineStyle{Color: inkAxis.rgb, Width: 0.75}
	c.StrokeLine2(axisLine, in.Min.X, in.Min.Y, in.Max.X, in.Min.Y)
	if !f.x.bare {
		for _, t := range f.x.ticks {
			if !t.minor {
				c.StrokeLine2(axisLine, x(t.at), in.Min.Y, x(t.at), in.Min.Y-4)
			}
			c.FillText(small, vg.Point{X: x(t.at), Y: in.Min.Y - 7}, t.label)
		}
	}
	if f.x.label != "" {
		style := small
		style.XAlign = text.XRight
		c.FillText(style, vg.Point{X: in.Max.X, Y: in.Min.Y - 7}, f.x.label)
	}
	if f.y.label != "" {
		style := small
		style.XAlign, style.YAlign = text.XLeft, text.YBottom
		c.FillText(style, vg.Point{X: in.Min.X, Y: in.Max.Y + 4}, f.y.label)
	}
	if f.over != nil {
		f.over(c, in, p)
	}
}

// svg renders the figure as an SVG document.
func (f *figure) svg() ([]byte, error) {
	c := vgsvg.New(f.width, f.height)
	f.draw(draw.New(c))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.Bytes(), err
}

// png renders the figure at twice its size, with its title, legend and note,
// for pasting into documents.
func (f *figure) png(w io.Writer, caption string) error {
	const head, foot = 46, 18
	width, height := f.width, f.height+head+foot
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144), vgimg.UseBackgroundColor(color.White))
	c := draw.New(img)
	bold := textStyle(14, inkText, text.XLeft, text.YTop)
	c.FillText(bold, vg.Point{X: 14, Y: height - 10}, f.title)
	c.FillText(textStyle(10, inkMuted, text.XLeft, text.YBottom), vg.Point{X: 14, Y: 5}, caption)
	at := vg.Length(14)
	for _, e := range f.legend {
		style := textStyle(10.5, inkMuted, text.XLeft, text.YCenter)
		c.StrokeLine2(draw.LineStyle{Color: e.ink.rgb, Width: 3}, at, height-36, at+12, height-36)
		c.FillText(style, vg.Point{X: at + 17, Y: height - 36}, e.Name)
		at += 17 + style.Width(e.Name) + 16
	}
	f.draw(draw.Crop(c, 0, 0, foot, -head))
	_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
	return err
}

var (
	svgColor  = regexp.MustCompile(`#[0-9A-F]{6}`)
	svgHeader = regexp.MustCompile(`(?s)^.*?<svg width="[^"]*" height="[^"]*" viewBox="([^"]*)".*?>\n`)
	svgFont   = regexp.MustCompile(`font-family:[^;"]*;(?:font-variant:[^;"]*;)?(?:font-weight:[^;"]*;)?(?:font-style:[^;"]*;)?`)
)

// inlineSVG turns an SVG document of the palette into an element for the page:
// it takes its width from its place, its colours from CSS variables and its
// font from the page.
func inlineSVG(doc []byte, label string) string {
	s := svgHeader.ReplaceAllString(string(doc), `<svg viewBox="$1" role="img" aria-label="`+escape(label)+`">`+"\n")
	s = svgFont.ReplaceAllString(s, "")
	s = svgColor.ReplaceAllStringFunc(s, variableFor)
	return strings.ReplaceAll(s, "\n\tstyle=", " style=")
}

// variableFor is the CSS variable of a colour. Translucent colours come back
// from the canvas with rounding errors, so that the match is not exact.
func variableFor(c string) string {
	v, err := strconv.ParseUint(c[1:], 16, 32)
	if err != nil {
		return c
	}
	for _, i := range palette {
		near := func(a uint8, shift uint) bool {
			d := int(a) - int(v>>shift&0xFF)
			return d >= -2 && d <= 2
		}
		if near(i.rgb.R, 16) && near(i.rgb.G, 8) && near(i.rgb.B, 0) {
			return "var(--" + i.name + ")"
		}
	}
	return c
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// niceTicks are about n round values from 0 to max, and the end of the axis.
func niceTicks(max float64, n int, format func(float64) string) ([]tick, float64) {
	if max <= 0 {
		max = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(max/float64(n))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if max/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	var ticks []tick
	end := math.Ceil(max/step-1e-9) * step
	for i := 0; float64(i)*step <= end+step/2; i++ {
		ticks = append(ticks, tick{at: float64(i) * step, label: format(float64(i) * step)})
	}
	return ticks, end
}

// logTicks label the decades of an axis that spans lo to hi, with unlabelled 2
// and 5 in between; the axis ends at the nearest of these.
func logTicks(lo, hi float64, format func(float64) string) (ticks []tick, min, max float64) {
	labelled := 0
	for d := math.Floor(math.Log10(lo)); ; d++ {
		for _, m := range []float64{1, 2, 5} {
			t := tick{at: m * math.Pow(10, d), minor: m != 1}
			if t.at <= lo {
				ticks, labelled = ticks[:0], 0 // the axis begins here or later
			}
			if !t.minor {
				t.label = format(t.at)
				labelled++
			}
			ticks = append(ticks, t)
			if t.at >= hi && labelled > 0 && len(ticks) > 1 {
				return ticks, ticks[0].at, t.at
			}
		}
	}
}

// timeAxis is seconds since the run began.
func timeAxis(span float64, n int) axis {
	ticks, _ := niceTicks(span, n, func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " s" })
	for len(ticks) > 0 && ticks[len(ticks)-1].at > span {
		ticks = ticks[:len(ticks)-1]
	}
	return axis{min: 0, max: span, ticks: ticks}
}

// si writes a number with a unit prefix of 1000: 12 k, 3.4 M.
func si(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return trim(v/1e9) + " G"
	case a >= 1e6:
		return trim(v/1e6) + " M"
	case a >= 1e4:
		return trim(v/1e3) + " k"
	}
	return trim(v)
}

func trim(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	if math.Abs(v) >= 100 {
		s = strconv.FormatFloat(v, 'f', 0, 64)
	} else if math.Abs(v) >= 10 {
		s = strconv.FormatFloat(v, 'f', 1, 64)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// milliseconds writes a latency given in ms with the unit that suits it.
func milliseconds(ms float64) string {
	switch {
	case ms >= 600_000:
		return trim(ms/60_000) + " min"
	case ms >= 1000:
		return trim(ms/1000) + " s"
	case ms >= 1:
		return trim(ms) + " ms"
	case ms > 0:
		return trim(ms*1000) + " µs"
	}
	return "0"
}

// inMillis converts nanoseconds.
func inMillis(ns int64) float64 { return float64(ns) / 1e6 }

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
