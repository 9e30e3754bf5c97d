package drawing

import (
	"bytes"
	"html/template"
	"image/color"
	"io"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Figure is one plot with its furniture.
type Figure struct {
	Name   string // file name without extension
	Title  string
	About  string // one sentence under the title
	Width  vg.Length
	Height vg.Length
	// Margins inside the canvas; 0 takes the usual ones.
	Left, Right, Bottom vg.Length
	X, Y                Axis
	// Data draws inside the frame, in order.
	Data []plot.Plotter
	// Over draws on the whole canvas afterwards, for labels.
	Over   func(c draw.Canvas, in draw.Canvas, p *plot.Plot)
	Legend []Entry
	Time   bool // x is seconds since the run began
}

// Entry of a legend.
type Entry struct {
	Name   string
	Ink    Ink
	Thin   bool // drawn as a line, not as an area
	Dashed bool
}

// Var is the CSS variable of an entry's colour.
func (e Entry) Var() template.CSS { return template.CSS("var(--" + e.Ink.Name + ")") }

// The usual margins and widths.
const (
	MarginLeft   = 56
	MarginRight  = 12
	MarginTop    = 18
	MarginBottom = 26
	FullWidth    = 1080
	HalfWidth    = 526
)

// TextStyle is the style of a label.
func TextStyle(size vg.Length, i Ink, xalign text.XAlignment, yalign text.YAlignment) text.Style {
	return text.Style{
		Color:   i.RGB,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		XAlign:  xalign,
		YAlign:  yalign,
		Handler: plot.DefaultTextHandler,
	}
}

// Solid is the style of a line.
func Solid(i Ink, width vg.Length) draw.LineStyle { return draw.LineStyle{Color: i.RGB, Width: width} }

func or(v, usual vg.Length) vg.Length {
	if v == 0 {
		return usual
	}
	return v
}

func (f *Figure) plot() *plot.Plot {
	p := plot.New()
	p.X.Min, p.X.Max = f.X.Min, f.X.Max
	p.Y.Min, p.Y.Max = f.Y.Min, f.Y.Max
	if f.X.Log {
		p.X.Scale = plot.LogScale{}
	}
	if f.Y.Log {
		p.Y.Scale = plot.LogScale{}
	}
	return p
}

// draw paints the figure on a canvas of its size.
func (f *Figure) draw(c draw.Canvas) {
	p := f.plot()
	bottom := or(f.Bottom, MarginBottom)
	in := draw.Crop(c, or(f.Left, MarginLeft), -or(f.Right, MarginRight), bottom, -MarginTop)
	x, y := p.Transforms(&in)
	small := TextStyle(10.5, MutedInk, text.XCenter, text.YTop)
	gridLine := Solid(GridInk, 0.75)
	if !f.Y.Bare {
		style := small
		style.XAlign, style.YAlign = text.XRight, text.YCenter
		for _, t := range f.Y.Ticks {
			line := gridLine
			if t.Minor {
				line.Width = 0.35
			}
			c.StrokeLine2(line, in.Min.X, y(t.At), in.Max.X, y(t.At))
			c.FillText(style, vg.Point{X: in.Min.X - 7, Y: y(t.At)}, t.Label)
		}
	}
	for _, d := range f.Data {
		d.Plot(in, p)
	}
	axisLine := Solid(AxisInk, 0.75)
	c.StrokeLine2(axisLine, in.Min.X, in.Min.Y, in.Max.X, in.Min.Y)
	if !f.X.Bare {
		for _, t := range f.X.Ticks {
			if !t.Minor {
				c.StrokeLine2(axisLine, x(t.At), in.Min.Y, x(t.At), in.Min.Y-4)
			}
			c.FillText(small, vg.Point{X: x(t.At), Y: in.Min.Y - 7}, t.Label)
		}
	}
	if f.X.Label != "" {
		// A figure with more room below has a line for the label of its axis.
		style, at := small, in.Min.Y-7
		style.XAlign = text.XRight
		if bottom > MarginBottom {
			at -= 15
		}
		c.FillText(style, vg.Point{X: in.Max.X, Y: at}, f.X.Label)
	}
	if f.Y.Label != "" {
		style := small
		style.XAlign, style.YAlign = text.XLeft, text.YBottom
		c.FillText(style, vg.Point{X: in.Min.X, Y: in.Max.Y + 4}, f.Y.Label)
	}
	if f.Over != nil {
		f.Over(c, in, p)
	}
}

// SVG renders the plot alone as an SVG document, for a page that has title,
// legend and caption around it.
func (f *Figure) SVG() ([]byte, error) {
	c := vgsvg.New(f.Width, f.Height)
	f.draw(draw.New(c))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.Bytes(), err
}

// WholeSVG renders the plot with its title, legend and caption, for a file
// that stands alone.
func (f *Figure) WholeSVG(w io.Writer, caption string) error {
	s := f.sheet(caption)
	c := vgsvg.New(f.Width, s.height)
	canvas := draw.New(c)
	canvas.FillPolygon(color.White, Rectangle(0, 0, f.Width, s.height))
	f.drawSheet(canvas, s)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	// Not every reader has the font.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")))
	return err
}

// PNG renders the same at twice its size.
func (f *Figure) PNG(w io.Writer, caption string) error {
	s := f.sheet(caption)
	img := vgimg.NewWith(vgimg.UseWH(f.Width, s.height), vgimg.UseDPI(144), vgimg.UseBackgroundColor(color.White))
	f.drawSheet(draw.New(img), s)
	_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
	return err
}

// sheet is the plan of a figure that stands alone.
type sheet struct {
	caption      []string
	legend       [][]Entry
	head, height vg.Length
}

const (
	sheetEdge  = 14
	legendLine = 16
	captionGap = 13
)

func (f *Figure) sheet(caption string) sheet {
	s := sheet{caption: wrap(TextStyle(10, MutedInk, text.XLeft, text.YBottom), caption, f.Width-2*sheetEdge)}
	style := TextStyle(10.5, MutedInk, text.XLeft, text.YCenter)
	at := f.Width
	for _, e := range f.Legend {
		width := 17 + style.Width(e.Name) + 16
		if at+width > f.Width-sheetEdge {
			s.legend, at = append(s.legend, nil), sheetEdge
		}
		last := len(s.legend) - 1
		s.legend[last] = append(s.legend[last], e)
		at += width
	}
	s.head = 30 + legendLine*vg.Length(len(s.legend))
	s.height = f.Height + s.head + 5 + captionGap*vg.Length(len(s.caption))
	return s
}

func (f *Figure) drawSheet(c draw.Canvas, s sheet) {
	title := TextStyle(14, TextInk, text.XLeft, text.YTop)
	c.FillText(title, vg.Point{X: sheetEdge, Y: s.height - 10}, f.Title)
	faint := TextStyle(10, MutedInk, text.XLeft, text.YBottom)
	for i, line := range s.caption {
		c.FillText(faint, vg.Point{X: sheetEdge, Y: 5 + captionGap*vg.Length(len(s.caption)-1-i)}, line)
	}
	style := TextStyle(10.5, MutedInk, text.XLeft, text.YCenter)
	for i, row := range s.legend {
		at, y := vg.Length(sheetEdge), s.height-36-legendLine*vg.Length(i)
		for _, e := range row {
			line := Solid(e.Ink, 3)
			if e.Thin {
				line.Width = 2
			}
			if e.Dashed {
				line.Dashes = []vg.Length{5, 2.5}
			}
			c.StrokeLine2(line, at, y, at+12, y)
			c.FillText(style, vg.Point{X: at + 17, Y: y}, e.Name)
			at += 17 + style.Width(e.Name) + 16
		}
	}
	f.draw(draw.Crop(c, 0, 0, s.height-s.head-f.Height, -s.head))
}

// wrap breaks a text into lines of at most a width.
func wrap(style text.Style, s string, width vg.Length) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && style.Width(longer) > width {
			lines, longer = append(lines, line), word
		}
		line = longer
	}
	return append(lines, line)
}
