package metadata

import "maps"

// sharded is a map of which many versions exist at a time: a version shares with
// the one before all shards but those that were written to. So one change costs
// a part of the map, not all of it.
type sharded[K comparable, V any] struct {
	shards *[shardCount]map[K]V // nil for an empty map
	own    *[shardCount]bool    // which are this version's own; nil once it is shared
	hash   func(K) uint64
}

const shardCount = 256

func (s *sharded[K, V]) get(k K) (v V) {
	if s.shards == nil {
		return v
	}
	return s.shards[s.hash(k)%shardCount][k]
}

// edit is a version that may be written to. s must not be from then on.
func (s *sharded[K, V]) edit(hash func(K) uint64) sharded[K, V] {
	next := sharded[K, V]{shards: new([shardCount]map[K]V), own: new([shardCount]bool), hash: hash}
	if s.shards != nil {
		*next.shards = *s.shards
	}
	return next
}

func (s *sharded[K, V]) shard(k K) map[K]V {
	i := s.hash(k) % shardCount
	if !s.own[i] {
		s.own[i] = true
		if s.shards[i] = maps.Clone(s.shards[i]); s.shards[i] == nil {
			s.shards[i] = map[K]V{}
		}
	}
	return s.shards[i]
}

func (s *sharded[K, V]) set(k K, v V) { s.shard(k)[k] = v }

func (s *sharded[K, V]) remove(k K) { delete(s.shard(k), k) }
