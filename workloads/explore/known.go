package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/broker/rare"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/faults"
)

// Known lists the states that can be named before anything ran, in order: points
// of package rare, guards and outputs of the replication protocol, decisions
// about partitions, kinds of faults, states and inputs of groups.
func Known() []State {
	var list []State
	add := func(kind string, names ...string) {
		for _, name := range names {
			list = append(list, State{Kind: kind, State: name})
		}
	}
	for _, p := range rare.Points() {
		add(kindPoint, p.Name)
	}
	add("guard", replication.Guards()...)
	add("replica", replication.OutputKinds()...)
	for _, k := range faults.Kinds() {
		add(kindFault, string(k))
	}
	add("partition", "created", "leader stays", "leader again", "leader lost", "leader from ISR", "leader from ELR", "last known leader", "unclean leader")
	for _, state := range []string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"} {
		add("group "+state, "join", "sync", "heartbeat", "leave")
	}
	add("recovery", "tail cut", "files removed", "indexes rebuilt", "batches scanned", "producers known")
	add("append", "duplicate")
	slices.SortFunc(list, State.Compare)
	return list
}

// Never lists those of the known states that are not among the states of these
// names. A state without a detail is reached with any, and one of the kind
// "replica" with any role.
func Never(names []string) []State {
	reached := map[string]bool{}
	for _, name := range names {
		kind, state, _ := strings.Cut(name, ": ")
		state, _, _ = strings.Cut(state, ", ")
		reached[kind+": "+state] = true
		if role, isReplica := strings.CutPrefix(kind, "replica "); isReplica && role != "" {
			reached["replica: "+state] = true
		}
	}
	return slices.DeleteFunc(expected(names), func(s State) bool { return reached[s.String()] })
}

// expected is Known, but points only where any has fired: who does not ask for
// them misses none.
func expected(names []string) []State {
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, kindPoint+": ") }) {
		return Known()
	}
	return slices.DeleteFunc(Known(), func(s State) bool { return s.Kind == kindPoint })
}

// Count says in a line how many states the names are, and how many of the known
// states are not among them.
func Count(names []string) string {
	never := Never(names)
	return fmt.Sprintf("%d states reached; of %d that can be named beforehand %d were never reached", len(names), len(expected(names)), len(never))
}

// Told is Count, and a line for each kind of which any was never reached.
func Told(names []string) []string {
	lines := []string{Count(names)}
	for never := Never(names); len(never) > 0; {
		kind := never[0].Kind
		var missing []string
		for len(never) > 0 && never[0].Kind == kind {
			missing = append(missing, never[0].State)
			never = never[1:]
		}
		lines = append(lines, "  "+kind+": "+strings.Join(missing, ", "))
	}
	return lines
}
