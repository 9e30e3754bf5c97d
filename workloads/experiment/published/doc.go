// Package published holds the simulator against figures that others published.
//
//	rows, err := published.Rows()
//	result, err := published.Run(ctx, published.Options{})
//	result.Document().Text(os.Stdout, 100, true)
//
// # What was published
//
// In August 2020 Confluent and in October 2020 StreamNative ran Kafka 2.6 on
// three i3en.2xlarge with the OpenMessaging Benchmark, and published the
// benchmark's own result files. data/rows.csv has a line for every run used
// here with its source, and data/quantiles.csv the quantiles of its latencies.
// A [Row] is one of them.
//
// # Row to scenario
//
// [Row.Scenario] is the row as a scenario: the same producers, consumers,
// partitions, acknowledgements, flushing, batch size and linger, on three
// simulated i3en.2xlarge with their instance store. Where a publication leaves
// something open, [Assumptions] says what was assumed and on what ground; most
// of it is in the drivers and playbooks of the two labs' repositories.
//
// OMB takes the time of sending just before it hands a record to the producer,
// and after its rate limiter; a producer whose buffer.memory is exhausted
// delays the next hand-over and not the record's latency. So the published
// publish latency is what [measure.Measurement] calls ProduceUncorrected, and
// that is what it is compared with.
//
// The labs' runs lasted many minutes. The simulation shows a few seconds of
// them, and so it begins as they went on: with page caches already as dirty as
// that load makes them (cluster.dirty-percent). A short probe finds out whether
// a load asks more of the disks than they give; nothing of it is taken from the
// publication. If so, the cache begins at the point where Linux holds it in the
// long run, and is small enough to settle there within the warm-up.
//
// # What rules a row
//
// With replication factor 3 on three brokers every broker writes every byte,
// so the two disks of a broker, of which dd wrote 327 and 328 MB/s, bound the
// cluster at 624 MiB/s. [Row.Physics] computes this and two more figures from
// the publication alone: how much of the mean publish latency the full
// buffer.memory of the producers explains (Little's law: latency is what is
// buffered over what flows), and how long a request was under way if the
// pipeline of max.in.flight.requests.per.connection was full.
//
// # Fitted and held out
//
// The processor costs of Kafka on the JVM, sim/machine's table "kafka-jvm",
// have free parameters. [Fitted] names the rows, three at most, that these
// were fitted on; all others are held out, and marked so in every table. The
// fit begins with data/shape.costs.json, moves three factors on its prices,
// and can be repeated:
//
//	weir published --fit workloads/experiment/published/data/shape.costs.json
package published
