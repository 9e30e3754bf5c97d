// Package experiment is what Weir's experiments have in common. An experiment
// runs clusters, simulated or real, to answer one question: which storage
// (compare), does the model hold where somebody measured (published, versus),
// is a build slower (regress). Each is a package below, and all have one shape:
//
//	plan → Run(ctx, plan, …) with progress → Result → Document
//
// A plan is checked before anything runs. [Bench] runs simulations side by side
// and tells what begins. A Result is everything that was found, with the plan
// and a schema, and survives a round trip through JSON ([Write], [Read]): it
// can be shown, or judged anew, long after the run. Its Document says it in
// words, tables and figures (package document); package render of reports draws
// that, and reports start no process.
package experiment
