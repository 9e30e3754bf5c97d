package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/linearizability"
)

// effect says what a fault was seen to do: what the target tells, what it took
// from logs, and what the cluster did while it lasted. It is empty if nothing
// was seen.
func (r *result) effect(f linearizability.Fault) string {
	var parts []string
	if f.Idle {
		parts = append(parts, "no effect: it met nothing to act on")
	}
	for _, text := range []string{f.Effect, took(f), r.meanwhile(f)} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// took says from where on a fault damaged the logs of replicas.
func took(f linearizability.Fault) string {
	const shown = 4
	var list []string
	for i, r := range f.Recovered {
		if i == shown {
			return "logs are intact up to " + strings.Join(list, ", ") + fmt.Sprintf(" and %d more", len(f.Recovered)-shown)
		}
		list = append(list, fmt.Sprintf("offset %s of %s-%d", number(r.LogEnd), r.Topic, r.Partition))
	}
	if list == nil {
		return ""
	}
	return "logs are intact up to " + strings.Join(list, ", ")
}

// meanwhile counts the elections and ISR changes while a fault lasted. Where
// faults overlap nobody can tell which of them caused one, and what a short
// fault causes may come after its end. It is empty if no partition was ever told
// of.
func (r *result) meanwhile(f linearizability.Fault) string {
	type key struct {
		topic     string
		partition int32
	}
	var elections, changes int64
	latest := map[key]*linearizability.PartitionState{}
	for _, e := range r.events {
		s := e.Partition
		if s == nil {
			continue
		}
		k := key{s.Topic, s.Partition}
		before := latest[k]
		latest[k] = s
		if before == nil || e.Time < f.Start || e.Time > f.End {
			continue
		}
		if s.Leader >= 0 && s.LeaderEpoch != before.LeaderEpoch {
			elections++
		}
		if !sameMembers(s.ISR, before.ISR) {
			changes++
		}
	}
	if len(latest) == 0 {
		return ""
	}
	return fmt.Sprintf("meanwhile %s and %s", countOrNo(elections, "election"), countOrNo(changes, "ISR change"))
}

func countOrNo(n int64, one string) string {
	if n == 0 {
		return "no " + one
	}
	return count(n, one)
}

func sameMembers(a, b []int32) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
