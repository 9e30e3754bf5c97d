package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// What a request names twice is answered once. An answer is then no larger than
// what the cluster has to tell and what the request itself had room for; else a
// small request could ask for the same large thing over and over.

// distinct keeps the first of the things that have the same key, in place.
func distinct[T any, K comparable](things []T, key func(*T) K) []T {
	if len(things) < 2 {
		return things
	}
	seen := make(map[K]struct{}, len(things))
	kept := things[:0]
	for i := range things {
		k := key(&things[i])
		if _, again := seen[k]; !again {
			seen[k] = struct{}{}
			kept = append(kept, things[i])
		}
	}
	return kept
}

func itself(s *string) string { return *s }

// distinctOffsets is distinct for the groups of an OffsetFetch, and for the
// partitions of each.
func distinctOffsets(req *kmsg.OffsetFetchRequest) {
	type partition struct {
		name   string
		id     [16]byte
		number int32
	}
	seen := map[partition]struct{}{}
	keep := func(name string, id [16]byte, numbers []int32) []int32 {
		kept := numbers[:0]
		for _, n := range numbers {
			p := partition{name, id, n}
			if _, again := seen[p]; !again {
				seen[p] = struct{}{}
				kept = append(kept, n)
			}
		}
		return kept
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		t.Partitions = keep(t.Topic, [16]byte{}, t.Partitions)
	}
	req.Groups = distinct(req.Groups, func(g *kmsg.OffsetFetchRequestGroup) string { return g.Group })
	for i := range req.Groups {
		clear(seen)
		for j := range req.Groups[i].Topics {
			t := &req.Groups[i].Topics[j]
			t.Partitions = keep(t.Topic, t.TopicID, t.Partitions)
		}
	}
}
