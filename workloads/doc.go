// Package workloads runs scenarios: it builds the cluster that a scenario
// asks for, puts clients to work on it, breaks what the fault plan says, heals
// it, reads everything back and has the judge look at what happened.
//
// A run is the same on every target. The director is a program of package env
// like any other: it creates the topic, starts the clients, lets the injector
// carry out the fault plan, waits until the load is over and all is healed,
// waits for the replicas to converge, and scans the logs. What differs between
// targets hides behind the interface of package target: [RunSim] leads a run
// against target/sim, [RunLocal] one against target/local.
//
// Nothing here writes files or draws plots. What a run has to tell while it
// goes on is given to a [Sink]; what it comes to is an [Outcome].
package workloads
