// Package compare answers one question: on which storage should this Kafka
// cluster run? It is behind "weir compare ephemeral ebs".
//
//	plan := compare.DefaultPlan()
//	result, err := compare.Run(ctx, plan)
//	doc := result.Document()
//
// A [Plan] says what has to be carried: how many brokers, which load, how many
// bytes each of them keeps; and lists the [Configuration]s to choose from: an
// instance type with its instance store, or one with an EBS volume.
//
// # What is simulated with the broker
//
// For each configuration [Run] simulates the whole cluster with its clients,
// by package measure: how much it takes at most, with fsync of every batch
// and without, and what held it back; its latencies at the load of the plan,
// with fsync and without; the same with burst credits used up, where there
// are any to run out of; and how fast a broker that was away catches up.
// The page caches start full of dirty pages, so that a window of seconds shows
// what a disk takes for hours rather than what memory takes for seconds.
//
// # What is computed with the limits alone
//
// Hours are too long for that. What a broker asks of its storage and its
// network is measured in the short simulations; [Drain] then puts this demand
// on the credit buckets of package ec2 alone for as many hours as one likes,
// and [Rebuild] refills a lost broker through the same buckets. Both are plain
// arithmetic on integers, and both say which limit it is that rules.
//
// # What is looked up
//
// What is left after a stop, the failure of a host, or the loss of a zone
// (package ec2's table of survival), and what it costs (its price list).
//
// The recommendation is computed from these figures and says which of them
// decided; see [Advise]. Nothing here was compared with hardware, and the
// document says so on every figure.
package compare
