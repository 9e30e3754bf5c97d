// Package sim is a deterministic world for programs written against package
// env: machines, the processes on them, their tasks, clocks and processors.
//
//	k := sim.NewKernel(sim.Options{Seed: 7})
//	defer k.Close()
//	n := k.NewNode("alpha")
//	n.Start("main", func(e env.Env) {
//		e.Sleep(3 * time.Second)
//		e.Event("awake")
//	})
//	err := k.RunUntil(10 * time.Second)
//
// Everything runs on the goroutine that calls [Kernel.Run], [Kernel.RunUntil]
// or [Kernel.RunWhile]. Each task is a coroutine; the kernel switches to it,
// and it runs until it blocks in a call to its Env. Time is virtual: it stands
// still while anything can run and then jumps to the next event. Which of
// several runnable tasks goes first is drawn from the seed. The same seed and
// the same program therefore give the same run to the last byte, on every
// architecture.
//
// # Machines and processes
//
// A [Node] is a machine. At most one process lives on it; [Node.Start] begins
// one or adds a task to it. [Node.Crash] kills the process, [Node.PowerOff]
// the machine, [Node.Pause] stops the process for a while. When a process dies
// its tasks end where they are parked: their deferred functions run, but what
// these ask of the machine is not done. A panic in a task kills its process
// and is kept as a [Failure].
//
// By itself everything that a program computes takes no time. A [Processor],
// given with [Node.SetProcessor], has cores, which the operations of
// [env.Env.Work] occupy for as long as a price table says; [Node.SetWakeup]
// makes tasks late that waited for network, disk or a timer. Nodes that share a
// processor are processes of one machine. Package machine makes both from
// descriptions of machines.
//
// Network and file system are given to a node with [Node.SetNetwork] and
// [Node.SetFS]; packages simnet and simdisk make them. They rest on the lower
// half of this package's API: [Kernel.Schedule], [Kernel.Park], [Kernel.Wake],
// [WaitList], [Kernel.RouseAll], [Kernel.Note], [Kernel.CallerDead],
// [Node.OnCrash]. Error numbers that they return to programs go through [Errno].
//
// # The world
//
// [Kernel.At] and [Kernel.After] call back between the steps of tasks. Faults
// are injected and invariants checked there; [Kernel.Inspect] lets a callback
// read the state of programs through their mutexes.
//
// # Randomness and the trace
//
// All randomness is drawn from streams keyed by purpose and entity
// ([env.NewRand]), the order of tasks included, so that leaving out a machine
// or a fault does not change what the others draw. With [Options.Buggify] rare
// things happen where programs ask for them; [Kernel.Points] and
// [Kernel.States] say which did and what states programs told of. Every step
// enters a 64-bit hash, [Kernel.TraceHash], with checkpoints on the way;
// [CompareRuns] runs a world twice and shows the first step in which the runs
// differ.
package sim
