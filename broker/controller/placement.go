package controller

import (
	"fmt"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// place chooses the replicas of count partitions, numbered from first. The
// first replica of each is its preferred leader.
//
// Brokers stand in a ring in which racks alternate; partition after partition
// starts one place further on, and takes its other replicas at a distance that
// grows with every turn of the ring, so that the followers of one broker's
// leaders are spread over all others. A rack gets a second replica only when
// every rack has one. Fenced brokers are used only when there are not enough
// others, and never first.
func place(img *metadata.Image, topic string, first, count int32, replicationFactor int16) ([][]int32, error) {
	active, resting := ring(img)
	rf := int(replicationFactor)
	known := len(active) + len(resting)
	switch {
	case rf < 1:
		return nil, fmt.Errorf("Replication factor must be larger than 0, or -1 to use the default.") //nolint:staticcheck // Kafka's own words, as below
	case rf > known:
		return nil, fmt.Errorf("Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered.", rf, rf, known) //nolint:staticcheck
	case len(active) == 0:
		return nil, fmt.Errorf("Unable to replicate the partition %d time(s): All brokers are currently fenced.", rf) //nolint:staticcheck
	}
	n := len(active)
	start := int(env.HashString(topic) % uint64(n))
	out := make([][]int32, 0, count)
	for p := int(first); p < int(first+count); p++ {
		lead := (start + p) % n
		shift := 1 + (p/n)%max(n-1, 1)
		candidates := make([]*metadata.Broker, 0, known)
		candidates = append(candidates, active[lead])
		for j := range n - 1 {
			candidates = append(candidates, active[(lead+1+(shift-1+j)%(n-1))%n])
		}
		candidates = append(candidates, resting...)
		out = append(out, spread(candidates, rf))
	}
	return out, nil
}

// spread takes rf brokers in order, passing over a rack that has had its share.
func spread(candidates []*metadata.Broker, rf int) []int32 {
	var out []int32
	perRack := map[string]int{}
	taken := make([]bool, len(candidates))
	for share := 1; len(out) < rf; share++ {
		for i, b := range candidates {
			if len(out) < rf && !taken[i] && perRack[b.Rack] < share {
				taken[i] = true
				perRack[b.Rack]++
				out = append(out, b.ID)
			}
		}
	}
	return out
}

// ring orders the brokers so that neighbours are in different racks where
// possible: the first of each rack, then the second of each, and so on.
func ring(img *metadata.Image) (active, resting []*metadata.Broker) {
	byRack := map[string][]*metadata.Broker{}
	for _, b := range img.Brokers() {
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	racks := env.SortedKeys(byRack)
	for i, more := 0, true; more; i++ {
		more = false
		for _, rack := range racks {
			if i < len(byRack[rack]) {
				more = true
				if b := byRack[rack][i]; b.Active() {
					active = append(active, b)
				} else {
					resting = append(resting, b)
				}
			}
		}
	}
	return active, resting
}

// topicID makes the id of a topic created by the record at offset. Ids of
// different records differ, since no two have one offset, and clusters differ by
// their random ids.
func topicID(cluster, name string, offset int64) metadata.TopicID {
	var id metadata.TopicID
	high := env.Mix64(env.HashString(cluster) ^ env.HashString(name) + uint64(offset))
	low := env.Mix64(uint64(offset) + 0x9e3779b97f4a7c15)
	for i := range 8 {
		id[i] = byte(high >> (56 - 8*i))
		id[8+i] = byte(low >> (56 - 8*i))
	}
	return id
}
