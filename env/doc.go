// Package env is everything a program may ask of the machine it runs on:
// time, tasks, places for tasks to meet, network, disk, CPU and randomness.
//
// A program written against env runs unchanged in two worlds. Package osenv
// gives it the real operating system: tasks are goroutines, connections are
// TCP, files are files. Package sim gives it a deterministic simulation:
// tasks are coroutines on one thread, time is virtual, and one seed decides
// everything, so a run can be repeated to the last byte.
//
// The package knows nothing of Kafka. Any Go service that keeps the rules may
// run on it:
//
//   - Start tasks with [Env.Go], never with the go statement.
//   - Meet through [Mutex], [Cond] and [Signal] (or [Mailbox] and [Semaphore],
//     which are built from them), never through channels or package sync.
//   - Take time, files, connections and randomness from the Env.
//   - Do not let map iteration order, pointer values or floating point reach
//     a decision. [SortedKeys] walks a map in order.
//
// The analyzer in cmd/weirlint enforces these rules.
//
// An Env belongs to one process on one machine. When a simulated process dies
// every task of it ends inside its next call to its Env: deferred functions
// run, but their calls to the Env do nothing.
//
// Both backends pass the conformance suite in envtest, which is the precise
// form of the contract given in the comments here.
package env
