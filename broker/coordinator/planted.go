package coordinator

import "github.com/pingcap/failpoint"

// answersEarly reports whether the planted bug W2 is switched on: failpoint
// github.com/weirlab/weir/broker/coordinator/answersEarly, with the term
// return(true). Answers then wait for the local log only. The marker compiles
// to nothing but in a build with failpoints.
func answersEarly() bool {
	on := false
	failpoint.Inject("answersEarly", func(v failpoint.Value) {
		on, _ = v.(bool)
	})
	return on
}
