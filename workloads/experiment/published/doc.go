// Package published holds the simulator against figures that others published.
//
//	rows, err := published.Rows()
//	result, err := published.Run(ctx, published.Options{})
//	result.Document().Text(os.Stdout, 100, true)
//
// # What was published
//
// data/runs.csv has a line for every run with its source, and data/quantiles.csv
// the quantiles of latencies where a publication has them. Six labs ran Kafka:
// LinkedIn in 2014, Kesque in 2019, Confluent and StreamNative in 2020 on three
// i3en.2xlarge with the OpenMessaging Benchmark, AWS in 2022 a managed cluster on
// m5.xlarge over three zones, elastic-stream in 2023. A [Row] is one of them.
// Rows of other systems, and those that do not say enough, are there and are not
// simulated; [Row.Unpredicted] says why.
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
// # Fitted, held out, left out
//
// The costs of Kafka on the JVM, sim/machine's table "kafka-jvm", have free
// parameters. [Fitted] names the few rows that these were fitted on; all others
// are held out, and marked so in every table. Rows of a lab that has a fitted row
// are predicted a second time by the parameters that [Fit] finds without that lab.
// From those errors [Result.Predictions] makes an 80% interval for each figure,
// never from a row of the same lab. docs/kafka-jvm.md has the mechanisms of the
// model and how to fit it.
//
// # Misses
//
// What misses is simulated again with each mechanism of the model switched off
// (Options.Explain): what a figure owes to a mechanism is measured, and where
// nothing moves it the table says what is only suspected.
package published
