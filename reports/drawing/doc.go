// Package drawing draws plots the way Weir's reports want them: SVG that takes
// its colours from the page around it, so that plots follow light and dark, and
// PNG and SVG files that carry title, legend and caption with them. It knows
// axes, curves, bars and labels, and nothing of what they mean; [Figure] is
// filled by package reports and package reports/render.
//
// Canvases and fonts are those of gonum plot. Axes are drawn here rather than
// by gonum, so that every figure of a page has the same margins and time axes
// line up down the page. Lengths are in points.
package drawing
