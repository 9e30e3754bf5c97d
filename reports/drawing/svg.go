package drawing

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	svgColor  = regexp.MustCompile(`#[0-9A-F]{6}`)
	svgHeader = regexp.MustCompile(`(?s)^.*?<svg width="[^"]*" height="[^"]*" viewBox="([^"]*)".*?>\n`)
	svgFont   = regexp.MustCompile(`font-family:[^;"]*;(?:font-variant:[^;"]*;)?(?:font-weight:[^;"]*;)?(?:font-style:[^;"]*;)?`)
)

// InlineSVG turns an SVG document of the palette into an element for the page:
// it takes its width from its place, its colours from CSS variables and its
// font from the page.
func InlineSVG(doc []byte, label string) string {
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
		if near(i.RGB.R, 16) && near(i.RGB.G, 8) && near(i.RGB.B, 0) {
			return "var(--" + i.Name + ")"
		}
	}
	return c
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
