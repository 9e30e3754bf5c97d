// Package brokertest is a running cluster for tests of Kafka clients, and of
// programs that have one in them, as net/http/httptest is a server:
//
//	func TestMyProgram(t *testing.T) {
//		c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 6))
//		run(c.Addrs())
//	}
//
// The brokers are real ones (package broker) in this process, on loopback: what
// clients see of replication, elections, groups and errors is what "weir broker"
// does. One broker is there within a few milliseconds, three within a few tens of
// them ("go test -bench NewCluster ./broker/brokertest" measures it), so that every
// test can have a cluster of its own. When the test ends the brokers are killed,
// and the test fails if one of their goroutines, files or connections is left.
//
// # Faults
//
// What goes wrong with real brokers once a year is one line here. Machines:
//
//	c.Stop(2)                                    // in good order: leaders move first
//	c.Kill(2)                                    // SIGKILL
//	c.Expire(2)                                  // … and the controller notices now, not in 9 s
//	c.Start(2)
//	c.MoveLeader("orders", 0, 3)
//	c.ShrinkISR("orders", 0, 1)                  // … .Remove() lets the others catch up
//	c.FailDisk(2, brokertest.DiskFault{})        // EIO; or {Err: syscall.ENOSPC}, {Ops: brokertest.Syncs}
//
// Requests: [Cluster.On] says which, and one more method what happens to them. It
// is the next one of that kind from a client, unless Times, Always, After, Broker,
// Client, Topic, Partition, When or FromBrokers say otherwise.
//
//	c.On(kmsg.Produce).Fail(kerr.NotLeaderForPartition)          // refused, not done
//	c.On(kmsg.Produce).DoAndFail(kerr.RequestTimedOut)           // done, but the client cannot know
//	c.On(kmsg.Produce).LoseAnswer()                              // done, and the connection closed
//	c.On(kmsg.Fetch).Hangup()                                    // the connection closed instead
//	c.On(kmsg.Heartbeat).Times(3).Fail(kerr.RebalanceInProgress)
//	c.On(kmsg.OffsetCommit).Partition("orders", 0).Fail(kerr.OffsetMetadataTooLarge)
//	c.On(kmsg.Metadata).Delay(time.Second)
//	held := c.On(kmsg.JoinGroup).Hold()                          // … held.Remove()
//	c.On(kmsg.Fetch).Change(func(req kmsg.Request, resp kmsg.Response) { … })
//
// A fault that was to happen and did not fails the test: whatever it was meant to
// show was not shown.
//
// Errors of requests for several partitions concern the chosen ones (Topic,
// Partition); the others are done. Delays add up with whatever comes after them;
// of other faults the one asked for first takes a request. Requests stay in the
// order of their connection, so that one that waits lets those behind it wait.
//
// # Looking
//
// [Cluster.Partition], [Cluster.Records], [Cluster.ReplicaRecords] and
// [Cluster.Group] say what the brokers hold, beside any client: in-sync replicas and
// high watermark, the records and batches of a log with their producers and
// sequence numbers, members and committed offsets of a group.
//
// # What is otherwise than in production
//
// Settings have Weir's defaults ("weir broker --settings") but for these, which
// [Set] can set back: default.replication.factor and
// offsets.topic.replication.factor are 3, or as many as there are brokers if that
// is less; offsets.topic.num.partitions is 1; group.initial.rebalance.delay.ms is
// 0; group.min.session.timeout.ms is 10; controller.quorum.retry.backoff.ms is 2.
// The first controller is elected without waiting for a timeout.
//
// Files are below the test's directory ([Cluster.Dir]) and are never synced to the
// device, which only a loss of power could tell. A broker that is killed is cut off
// from its files and its connections at once, and its goroutines end in the
// background.
package brokertest
