package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pingcap/failpoint"

	"github.com/weirlab/weir/env/planted"
)

// Bug is a bug that can be planted in the broker, to show that a check finds
// it. The code asks for it by name through package env/planted, and only a build
// by "make faultbuild" has it compiled in.
type Bug struct {
	// ID is that of the bug bank, "B1". G are guards that model checking or an
	// enumeration showed to be needed, W are Weir's own, S a slowness, which "weir
	// regress" must find and not the judge.
	ID     string
	Name   string // what it is called on the command line and in the code
	Source string // where it was met: an issue of Kafka's, a KIP, another system

	// Starred bugs are those that a laboratory has to find before any other.
	Starred bool

	About  string   // what goes wrong, in Kafka's terms
	Wrong  string   // why that is wrong
	Sees   string   // what clients may see of it
	Checks []string // codes of the checks that may catch it, the likeliest first

	// Also lists other entries of the bug bank that the same wrong line makes.
	Also []string

	// Equivalent is the proof that no run can tell the bug from correct code, ""
	// if there is none.
	Equivalent string
}

// Slowness reports whether the bug costs time and nothing else, on a real machine.
func (b Bug) Slowness() bool { return strings.HasPrefix(b.ID, "S") }

// Bugs lists what can be planted.
func Bugs() []Bug {
	return slices.Concat(replicationBugs, controllerBugs, reassignmentBugs, storageBugs, coordinatorBugs, consumerBugs, transactionBugs, brokerBugs, shareBugs)
}

const module = "github.com/weirlab/weir/"

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

// Plant turns on bugs by id or name for the whole process, and off all others;
// the switches of package failpoint are global. The bugs that were turned on come
// back.
func Plant(names []string) ([]Bug, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var bugs []Bug
	var list []string
	for _, name := range names {
		bug, err := FindBug(name)
		if err != nil {
			return nil, err
		}
		bugs, list = append(bugs, bug), append(list, bug.Name)
	}
	if err := turnOn(list); err != nil {
		return nil, fmt.Errorf("planting %s: %w", strings.Join(names, ", "), err)
	}
	return bugs, nil
}

// PlantNone turns all bugs off, and lets planted.Asked count which are asked for.
func PlantNone() error { return turnOn(nil) }

func turnOn(names []string) error {
	if !CompiledIn() {
		return fmt.Errorf("this build has no planted bugs in it; run \"make faultbuild\" and use bin/weir-faults")
	}
	return failpoint.Enable(planted.Failpoint, "return("+strconv.Quote(strings.Join(names, ","))+")")
}

// FindBug finds a bug by id or name.
func FindBug(name string) (Bug, error) {
	var known []string
	for _, bug := range Bugs() {
		if strings.EqualFold(bug.ID, name) || bug.Name == name {
			return bug, nil
		}
		known = append(known, bug.ID)
	}
	return Bug{}, fmt.Errorf("there is no planted bug %q; \"weir faults\" describes those that there are: %s", name, strings.Join(known, ", "))
}
