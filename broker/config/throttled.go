package config

import (
	"fmt"
	"strconv"
	"strings"
)

// ThrottledReplicas are some of a topic's replicas as a setting names them: as
// partition:broker with commas between, all of them by *, or none.
type ThrottledReplicas string

// Has reports whether a broker's replica of a partition is among them.
func (t ThrottledReplicas) Has(partition, broker int32) bool {
	for word := range strings.SplitSeq(string(t), ",") {
		word = strings.TrimSpace(word)
		if word == "*" {
			return true
		}
		if p, b, ok := replica(word); ok && p == partition && b == broker {
			return true
		}
	}
	return false
}

// replica reads partition:broker.
func replica(word string) (partition, broker int32, ok bool) {
	first, second, ok := strings.Cut(word, ":")
	p, err := strconv.ParseUint(first, 10, 31)
	if err != nil || !ok {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(second, 10, 31)
	return int32(p), int32(b), err == nil
}

// throttledReplicas is what the setting of that name may be (Kafka's
// ThrottledReplicaListValidator, which lets numbers through that are none of an
// id).
func throttledReplicas(name string) *Valid {
	return &Valid{"* or a list of partition:broker", func(value string) error {
		words := Words(value)
		if strings.Join(words, "") == "*" {
			return nil
		}
		for _, w := range words {
			if _, _, ok := replica(w); !ok && w != "" {
				return &wordError{"[" + strings.Join(words, ", ") + "]",
					fmt.Errorf("%s must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", name)} //nolint:staticcheck // it ends as Kafka's does
			}
		}
		return nil
	}}
}
