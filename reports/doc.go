// Package reports turns a result directory into what people read: a
// self-contained HTML page, plots and a summary for the terminal.
//
// # Writing a result directory
//
// While a run goes on, [Latency] records into latency.hlog (HdrHistogram's
// interval log, a histogram per second and kind of latency), [Series] writes
// series.csv (what was offered, acknowledged, consumed each second, and what
// each broker's machine did) and [Events] writes events.jsonl (elections, ISR
// changes, truncations). Before and after, [Run] is saved as run.json: where
// the run came from, what it counted, the faults and the verdict. A run that
// is killed leaves Run.Complete false, and a directory that says so.
//
// # Reading it
//
// [Write] and [Summary] read only that directory, so that a report improved
// tomorrow can be made from yesterday's results. Nothing but run.json has to
// be there; what is missing or cut short is named in the report.
//
// # What the page holds to
//
// Latency counts from the instant a record was meant to be sent, and what the
// uncorrected figure would have been is drawn beside it. Percentiles are
// merged from histograms, never averaged, and none is shown that lies deeper
// than the number of values supports. A figure that comes out of a simulation
// says so, on the page and inside every plot, and says which of the models it
// rests on were never checked against hardware. A check that looked at nothing
// is not shown as passed. MB is 10^6 bytes.
//
// The page loads nothing from anywhere: styles, script and plots are inside.
// Plots are drawn with gonum plot and take their colours from the page, which
// follows the reader's choice of light or dark; the PNG and SVG files beside
// it are light. All time plots share one axis and one crosshair.
package reports
