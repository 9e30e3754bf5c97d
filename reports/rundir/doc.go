// Package rundir writes the result directory of a run while it goes on: the plan,
// what happened, measurements, the history, and run.json before and after. Package
// reports reads such directories and knows nothing of runs; commands and tests that
// run something keep it with this package.
//
// [Create] opens the directory, which is then given to the run as its Sink and, by
// History, its history. [NewRun] is run.json as it stands from the start, so that
// a run which is cut short leaves a directory that says so; [Directory.Finish] adds
// the outcome and writes the report.
package rundir
