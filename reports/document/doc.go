// Package document is the one form in which Weir's comparisons reach their
// reader. A command fills a [Document] with words, tables and figures; the
// document renders itself for the terminal ([Document.Text]), as a
// self-contained page ([Document.HTML]), as Markdown ([Document.Markdown]), as
// JSON ([Document.JSON]), and its figures as PNG and SVG files
// ([Document.WriteDir]).
//
// # What a document holds to
//
// A figure must say what its axes measure and in which unit, whether it shows
// a simulation, hardware, somebody's publication or a specification, where the
// model behind a simulation comes from, and whether that was ever compared
// with hardware. [Document.Check] refuses a figure that does not, and every
// renderer checks first. The caption under a figure is made of these, so that
// a picture that is passed on without its page still says them.
//
// Simulated series are drawn dashed, real ones solid, published ones dotted
// and limits from a specification as thin grey lines. The spread between
// repetitions (Series.Low, Series.High) is drawn as a band, or as whiskers on
// bars and points.
//
// A table cell has its text and, where it is a quantity, the number and unit
// beside it, so that a reader of the JSON need not parse text.
//
// The package knows nothing of Weir but how plots are drawn.
package document
