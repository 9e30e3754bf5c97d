package published

// Fitted are the IDs of the rows on which the free parameters of the table
// "kafka-jvm" were fitted, three at most. No other row had a part in it.
func Fitted() []string {
	return []string{
		"confluent20-lat-nofsync",
		"sn20-latency-nosync-kafka-100-partitions-1kb-batched-1ms-1mb-ack-1-nosync",
		"sn20-max_throughput-multiple_partitions-data_nosync-kafka-100-partitions-1kb-batched-1ms-1mb-ack-all-nosync",
	}
}
