// Package program holds what the clients of a run do: open-loop producers,
// consumers, clients of a committed offset as a register, and the final scan.
//
// A [Workload] is made from a [Config] and yields [Program]s, one per client.
// Whoever runs it gives each program an [env.Env] (a machine of its own in
// simulation, a shared one on the operating system), calls Run as a task, and
// waits for all of them; then Scan reads every partition to its end.
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
// # History
//
// Every operation goes to a [linearizability.Recorder]. Each producer and each
// register client is a process of the history; each pair of a consumer and a
// partition is one, since a consumer reads its partitions side by side.
package program
