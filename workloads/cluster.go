package workloads

import (
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
)

// cluster is what a target offers to the director. Brokers are numbered from
// 0 here; their node.id is one more. Its methods are called from tasks of the
// director's Env and may block.
type cluster interface {
	faults.Machines

	// bootstrap lists the brokers' addresses for clients.
	bootstrap() []string

	// startClient runs fn as a client on a machine of its own, as far as the
	// target has machines.
	startClient(name string, fn func(env.Env)) env.Task

	// partitions is the state of every partition of the topic under load, and of
	// the internal topics that the load uses, as the cluster has committed it, in
	// order; nil if it cannot be had now.
	partitions(e env.Env) []linearizability.PartitionState

	// lost is what the last fault on brokers, which has just struck, took from
	// their logs. exact says that this is all; if it is not, nobody knows.
	lost(ids []int32) (what []linearizability.Recovered, exact bool)

	// controller is the active controller, false if none is known.
	controller(e env.Env) (broker int, ok bool)

	// loadBegins tells that the clients are about to start.
	loadBegins()

	// usage is what every machine did since the run began, as far as the
	// target can see.
	usage(e env.Env) []Usage

	// unready says which broker has not joined yet, "" if all have.
	unready(e env.Env) string

	// unsettled says what is not yet as it should be in a healthy cluster, ""
	// if nothing is.
	unsettled(e env.Env) string
}

// patience of the injector with targets that do not exist at the moment, such
// as the leader of a partition between two leaders.
const (
	targetPatience = 5 * time.Second
	targetPoll     = 5 * time.Millisecond
)
