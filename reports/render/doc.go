// Package render shows a [document.Document]: in a terminal ([Text]), as a
// self-contained page ([HTML]), as Markdown ([Markdown]), and its figures as
// PNG and SVG files ([WriteDir]).
//
// Every renderer asks [document.Document.Check] first, so that a figure without
// unit, basis, model or validation is never drawn. The caption under a figure
// is part of the picture: one that is passed on without its page still says
// what it rests on.
//
// Simulated series are drawn dashed, real ones solid, published ones dotted
// and limits from a specification as thin grey lines. The spread between
// repetitions (Series.Low, Series.High) is drawn as a band, or as whiskers on
// bars and points.
//
// The package knows nothing of Weir but how plots are drawn.
package render
