package faults

import (
	"fmt"
	"strings"

	"github.com/pingcap/failpoint"
)

// Bug is a bug that can be planted in the broker, to show that a check finds
// it: a wrong behaviour (B, W) that the judge must find, or a slowness (S) that
// "weir regress" must. Its code is compiled in only by "make faultbuild", which
// rewrites the failpoint markers.
type Bug struct {
	ID        string // of the bug bank, "B1"; Weir's own begin with W, slowness with S
	Name      string // what it is called on the command line
	Failpoint string // path of the failpoint that turns it on
	About     string // what goes wrong, in Kafka's terms
}

const module = "github.com/weirlab/weir/"

// Bugs lists what can be planted.
func Bugs() []Bug {
	return []Bug{{
		ID:        "B1",
		Name:      "truncate-to-high-watermark",
		Failpoint: module + "broker/replication/truncateToHighWatermark",
		About:     "a new follower truncates to its own high watermark instead of asking the leader where its epoch ends (KIP-101)",
	}, {
		ID:        "B17",
		Name:      "no-eligible-leader-replicas",
		Failpoint: module + "broker/controller/keepsNoELR",
		About:     "the controller keeps no eligible leader replicas: the last member of an ISR leads again, whatever a loss of power took from it (KIP-966)",
	}, {
		ID:        "B33",
		Name:      "forget-duplicates",
		Failpoint: module + "broker/storage/forgetsDuplicates",
		About:     "a retry of a batch that is in the log is answered OUT_OF_ORDER_SEQUENCE_NUMBER instead of with the offset it got (Redpanda #3038)",
	}, {
		ID:        "W1",
		Name:      "drop-active-segment",
		Failpoint: module + "broker/storage/dropsActiveSegment",
		About:     "recovery that finds a damaged end throws away the whole segment that it is in, intact batches too",
	}, {
		ID:        "W2",
		Name:      "answer-before-commit",
		Failpoint: module + "broker/coordinator/answersEarly",
		About:     "a group coordinator answers commits and fetches of offsets once its own log has the record, before any other replica does",
	}, {
		ID:        "S1",
		Name:      "slow-requests",
		Failpoint: module + "env/osenv/slowRequests",
		About:     "serving requests takes a real broker process 15 % more processor time than its work does; in simulation nothing changes",
	}}
}

// CompiledIn reports whether this program was built with the planted bugs in
// it. In an ordinary build the markers are empty calls and it is always false.
func CompiledIn() bool {
	found := false
	if err := failpoint.Enable(module+"faults/compiledIn", "return(true)"); err != nil {
		return false
	}
	failpoint.Inject("compiledIn", func() { found = true })
	return found
}

// Plant turns on bugs by id or name for the whole process; the switches of
// package failpoint are global. The names that were turned on come back.
func Plant(names []string) ([]Bug, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var planted []Bug
	for _, name := range names {
		bug, err := FindBug(name)
		if err != nil {
			return nil, err
		}
		planted = append(planted, bug)
	}
	if !CompiledIn() {
		return nil, fmt.Errorf("this build has no planted bugs in it; run \"make faultbuild\" and use bin/weir-faults")
	}
	for _, bug := range planted {
		if err := failpoint.Enable(bug.Failpoint, "return(true)"); err != nil {
			return nil, fmt.Errorf("planting %s: %w", bug.ID, err)
		}
	}
	return planted, nil
}

// FindBug finds a bug by id or name.
func FindBug(name string) (Bug, error) {
	var known []string
	for _, bug := range Bugs() {
		if strings.EqualFold(bug.ID, name) || bug.Name == name {
			return bug, nil
		}
		known = append(known, bug.ID+" ("+bug.Name+")")
	}
	return Bug{}, fmt.Errorf("there is no planted bug %q; the bugs are %s", name, strings.Join(known, ", "))
}
