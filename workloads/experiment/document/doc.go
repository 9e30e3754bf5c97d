// Package document is the one form in which Weir's experiments reach their
// reader. An experiment fills a [Document] with words, tables and figures;
// package render of reports shows it, and [Document.JSON] keeps it.
//
// # What a document holds to
//
// A figure must say what its axes measure and in which unit, whether it shows
// a simulation, hardware, somebody's publication or a specification, where the
// model behind a simulation comes from, and whether that was ever compared
// with hardware. [Document.Check] refuses a figure that does not, and whoever
// writes or renders a document checks first. [Figure.Caption] is made of these.
//
// A table cell has its text and, where it is a quantity, the number and unit
// beside it, so that a reader of the JSON need not parse text.
//
// The package knows nothing of Weir.
package document
