package controller

import "github.com/pingcap/failpoint"

// keepsNoELR reports whether the planted bug B17 (KIP-966, last replica
// standing) is switched on: there are no eligible leader replicas, and the last
// member of an ISR stays in it whatever it may have lost. The marker compiles to
// nothing but in a build with failpoints.
func keepsNoELR() bool {
	on := false
	failpoint.Inject("keepsNoELR", func(v failpoint.Value) {
		on, _ = v.(bool)
	})
	return on
}
