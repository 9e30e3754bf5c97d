// Command weir simulates, breaks, judges and measures Kafka clusters, and runs
// brokers that real clients can talk to.
//
//	weir run [scenario.yaml]   run one scenario and write a report
//	weir campaign              run many seeds of a scenario
//	weir merge, weir history   join the shards of a campaign; campaigns over time
//	weir check DIR             judge a history again
//	weir report DIR            draw the report of a run again
//	weir broker                run brokers for real clients
//	weir topics, produce, consume
//
// Exit codes: 0 passed, 1 a check failed, 2 the verdict is unknown, 3 the
// simulation was not deterministic, 4 the cluster did not recover after
// healing, 64 bad usage or scenario, 70 Weir itself failed.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
