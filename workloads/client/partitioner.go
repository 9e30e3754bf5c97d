package client

import "github.com/weirlab/weir/env"

// Partitioner says how records without an explicit partition are placed.
type Partitioner int8

const (
	// PartitionByKey hashes the key with murmur2 as Kafka's own clients do;
	// records without a key stay with one partition until its batch is full
	// or sent, and then go on with another (KIP-480).
	PartitionByKey Partitioner = iota
	// PartitionRoundRobin takes the partitions in turn.
	PartitionRoundRobin
)

// choose places a record of the topic. sticky says that it should go elsewhere
// if it does not fit into the partition's open batch: see moveOn. The
// producer's lock is held.
func (t *producerTopic) choose(how Partitioner, r *Record, rand *env.Rand) (index int32, sticky bool) {
	n := int32(len(t.parts))
	switch {
	case how == PartitionRoundRobin:
		t.next = (t.next + 1) % n
		return t.next, false
	case r.Key != nil:
		return int32(murmur2(r.Key)&0x7fffffff) % n, false
	}
	return t.sticky(rand)
}

// sticky is choose for a record without a key.
func (t *producerTopic) sticky(rand *env.Rand) (index int32, sticky bool) {
	if !t.stuck {
		return t.moveOn(rand), false
	}
	return t.next, true
}

// moveOn leaves the sticky partition for another one, at random, as Kafka's
// clients from 2.4 to 3.2 do whenever a batch would have to be begun (KIP-480,
// StickyPartitionCache.nextPartition). The producer's lock is held.
func (t *producerTopic) moveOn(rand *env.Rand) int32 {
	n := int32(len(t.parts))
	switch {
	case !t.stuck:
		t.next, t.stuck = int32(rand.Intn(int(n))), true
	case n > 1:
		t.next = (t.next + 1 + int32(rand.Intn(int(n-1)))) % n
	}
	// A partition without leader gets no more than its share by chance.
	for i := int32(0); i < n && t.parts[t.next].leader < 0; i++ {
		t.next = (t.next + 1) % n
	}
	return t.next
}

// murmur2 is the hash of Kafka's default partitioner
// (org.apache.kafka.common.utils.Utils.murmur2).
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
