// Package apachekafka runs Apache Kafka out of its jars: the broker that Weir is
// measured by, Kafka's own clients, and its tools.
//
// [Fetch] has Maven bring the jars into the user's cache, once for each version;
// [Open] takes those of a distribution. [Jars.Command] runs a class of them, or a
// source file beside a test:
//
//	func TestWhatTheJavaClientSees(t *testing.T) {
//		kafka := apachekafka.ForTest(t)
//		c := brokertest.NewCluster(t, 3)
//		out, err := kafka.Command("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", c.Addrs()[0], "--list").Output()
//		…
//	}
//
// Tests that use it are skipped but under "make java": they take minutes, and need
// a JDK and Maven.
package apachekafka
