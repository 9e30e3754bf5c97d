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
