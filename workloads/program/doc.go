// Package program holds what the clients of a run do: open-loop producers,
// consumers, clients of a committed offset as a register, and the final scan.
//
// A [Program] is what clients of one kind do on one topic: [Produce], [Consume],
// [Members], [Share], [Seek], [Register], [Administer]. A [Workload] is any number of them at once, on any number of
// topics. It yields [Client]s; whoever runs it gives each an [env.Env] (a
// machine of its own in simulation, a shared one on the operating system), calls
// Run as a task, and waits for all of them; then Scan reads every partition of
// every topic to its end.
//
// # Adding a program
//
// A program is one file: its settings, the methods of [Program], and what a
// client does in run. It claims processes of the history for what it records,
// and promises in Promise what the judge may then miss. A scenario asks for it
// by a kind of its own in package scenario, and package workloads turns one into
// the other.
//
// [Custom] is a program of which somebody else writes what its clients do: the
// way for programs that are not part of Weir (package simtest).
//
// # Open loop
//
// Producers send on a schedule fixed beforehand, not when the last answer has
// come. Latency counts from the intended time of sending, so a cluster that
// stalls is charged for every record that should have been sent meanwhile,
// and a generator that cannot keep its schedule shows.
//
// Records arrive evenly spaced, independently of each other (Poisson), at a
// rate that grows or falls (ramp), or whenever buffer.memory has room
// (saturate): see [Arrivals]. Schedules are computed with integers from keyed
// random streams and are the same everywhere.
//
// # Speed
//
// With a history of batches or samples, records are made, sent, read and
// measured by the batch: a record costs its encoding and its parsing. A
// producer then looks at its schedule at most every 50 µs, and what has come
// due meanwhile goes out together; that delay is part of the latency. Records
// carry the time at which they were to be sent, from which consumers take the
// end-to-end latency.
//
// # Time
//
// The history's times are readings of the clients' monotonic clock
// ([env.Clock.Now]), as the faults' and the cluster's are. The schedule and the
// meter count from the origin that is given to Begin. All programs of a run
// must share one clock.
//
// # Values
//
// Every record of a run has a value of its own, made of the number of its
// producer, which is unique among all programs, and its own number. Whoever
// reads one works out which program sent it, when it was to be sent, and what
// must go with it.
//
// # History
//
// Every operation goes to a [linearizability.Recorder], under processes that the
// programs claim. Each producer and each register client is a process of the
// history; each pair of a consumer and a partition is one, since a consumer
// reads its partitions side by side.
package program
