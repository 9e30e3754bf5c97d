package sample

import (
	"iter"
	"sync" // want `import of sync in simulated code: tasks meet through env.Mutex`
	"sync/atomic"
)

var mu sync.Mutex

func work() {}

func tasks(in chan int) { // want `channel in simulated code: use env.Mailbox`
	go work()                // want `go statement in simulated code: start tasks with env.Env.Go`
	out := make(chan int, 1) // want `channel in simulated code`
	out <- 1                 // want `send on a channel`
	<-in                     // want `receive from a channel`
	for range in {           // want `range over a channel`
	}
	select {} // want `select in simulated code`
}

func counters() int64 {
	var n atomic.Int64
	return n.Add(1)
}

func pulled(seq iter.Seq[int]) {
	iter.Pull(seq) // want `iter.Pull in simulated code: of package iter only Seq, Seq2 may be used`
}
