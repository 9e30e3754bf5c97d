// Package size answers one question: I have this load, what do I buy? It is
// behind "weir size".
//
//	result, err := size.Run(ctx, size.DefaultNeed(), size.Options{})
//	result.Document()
//
// # Search
//
// A [Need] is the load with what must be true of the cluster that carries it.
// For every instance type of package ec2, with its instance store or with an EBS
// volume as large and as fast as it has to be, [Search] finds the smallest
// number of brokers that holds, by arithmetic on what limits sustain (bursts do
// not count):
//
//   - with all brokers, every limit keeps the headroom asked for, and disks have
//     room for what is retained;
//   - with one broker lost, the others still carry the load, and what it lacks
//     when it returns, or everything if its disks are lost, is rebuilt beside the
//     load in time.
//
// # Simulation
//
// Arithmetic knows nothing of processors, requests and round trips. The cheapest
// candidates are simulated with a broker lost and all burst credits spent, by
// several seeds, with the cost table of the need; one that does not carry the
// load is passed over and its reason told. A cluster of many brokers is simulated
// as a part of it: as many brokers as there are replicas, or three, with their
// share of load and partitions. So the result has no effects of many brokers in
// it, such as a controller's work or connections of all with all.
//
// # AWS's formula
//
// AWS publishes a bound on the throughput of a cluster ([Formula]). [Compare]
// sets it beside simulated ceilings over forty combinations of instance, volume
// and consumer groups. Where they are more than a tenth apart the mechanism is
// looked for by experiment: the combination is simulated again with processors
// that cost nothing.
package size
