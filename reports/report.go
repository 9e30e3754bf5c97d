package reports

// Write reads the result directory dir and writes report.html and the plots
// into it. It needs run.json; any other file that is missing or cut short is
// named in the report instead of failing it.
func Write(dir string) error { panic("unfinished") }

// Summary is what a person should read on the terminal after a run: verdict,
// what was found, the figures that matter and where the report is. It reads
// the result directory. Lines are at most 100 columns wide; with color they
// carry ANSI escapes.
func Summary(dir string, color bool) (string, error) { panic("unfinished") }
