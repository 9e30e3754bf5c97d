package coordinator

// PartitionFor is the partition of an internal topic that keeps what goes by a
// key, the name of a group or a transactional id: Java's String.hashCode, made
// positive as Kafka's Utils.abs does, modulo partitions.
func PartitionFor(key string, partitions int32) int32 {
	var h int32
	for _, r := range key {
		if r >= 0x10000 { // Java hashes UTF-16 units
			r -= 0x10000
			h = 31*h + (0xd800 + r>>10)
			h = 31*h + (0xdc00 + r&0x3ff)
			continue
		}
		h = 31*h + r
	}
	return (h & 0x7fffffff) % partitions
}
