// Package openmessaging runs the files of the OpenMessaging Benchmark: a workload
// and a Kafka driver become a scenario, and what was measured becomes a result
// file as the benchmark writes it.
//
//	w, err := openmessaging.ReadWorkload("1-topic-16-partitions-1kb.yaml", text)
//	d, err := openmessaging.ReadDriver("kafka.yaml", text)
//	s, notes, err := openmessaging.Scenario(base, w, d, time.Second)
//	m, err := measure.Run(ctx, s, measure.Target{Kind: measure.Sim, Detailed: true})
//	result := openmessaging.NewResult(w, d, m)
//
// Files are read as they are. A key that the benchmark does not have is an error
// that names it, and so is one whose meaning Weir cannot give it (a backlog that
// is built up first; another driver than Kafka's). What is read with another
// meaning is a note: topics become one topic with as many partitions, a minute
// of the file is simulated as so many seconds, payload files are not read.
//
// The files say nothing of brokers: these come from the base scenario.
package openmessaging
