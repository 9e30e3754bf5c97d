package replication

import "github.com/pingcap/failpoint"

// truncateToHighWatermark reports whether the planted bug B1 (KIP-101,
// KAFKA-1211) is switched on: failpoint
// github.com/weirlab/weir/broker/replication/truncateToHighWatermark, with the
// term return(true). The marker compiles to nothing but in a build with
// failpoints. It is asked once for each change of metadata, never on the paths
// of records.
func truncateToHighWatermark() bool {
	on := false
	failpoint.Inject("truncateToHighWatermark", func(v failpoint.Value) {
		on, _ = v.(bool)
	})
	return on
}
