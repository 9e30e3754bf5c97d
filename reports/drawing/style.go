package drawing

import _ "embed"

// Style is the style sheet that pages with these plots share: the palette in
// light and dark as CSS variables, and the look of text, tables and figures.
//
//go:embed style.css
var Style string
