package sim

import (
	"encoding/binary"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim/simdisk"
)

// The simulated disk knows which bytes a loss of power took. Here that becomes
// what the judge must know: from which offset on a replica's log is damaged.
// It is worked out from the files alone: what a broker makes of them is what is
// to be judged.

// Lost implements target.Cluster: a simulated machine tells of everything that
// it lost, and only a loss of power takes what was written.
func (c *Cluster) Lost(ids []int32) ([]linearizability.Recovered, bool) {
	var all []linearizability.Recovered
	for _, id := range ids {
		b := c.brokers[id-1]
		all = append(all, b.recovered...)
		b.recovered = nil // told once
	}
	return all, true
}

// seeLogs takes note of the logs that a running broker has open.
func (b *server) seeLogs(replicas []replication.ReplicaView) {
	if b.logsOf == b.b && len(b.logs) == len(replicas) {
		return
	}
	b.logsOf, b.logs = b.b, map[string]interface{ EndOffset() int64 }{}
	for _, r := range replicas {
		if r.Log != nil {
			b.logs[r.Log.Dir()] = r.Log
		}
	}
}

// logEnds is where the open logs of a broker end, by directory.
func (b *server) logEnds() map[string]int64 {
	ends := map[string]int64{}
	if b.b == nil || b.logsOf != b.b {
		return ends
	}
	for dir, log := range b.logs {
		ends[path.Clean(dir)] = log.EndOffset()
	}
	return ends
}

const segmentSuffix = ".log"

// recovered is what the last loss of power took from the logs of b, which
// ended at ends as far as known.
func (c *Cluster) recovered(b *server, ends map[string]int64) []linearizability.Recovered {
	var all []linearizability.Recovered
	at := map[string]int{} // in all, by directory
	for _, l := range b.disk.Losses() {
		dir, file := path.Split(l.Name)
		dir = path.Clean(dir)
		id, partition, ok := replication.ParseLogDir(path.Base(dir))
		topic := c.image.TopicByID(id)
		base, err := strconv.ParseInt(strings.TrimSuffix(file, segmentSuffix), 10, 64)
		if !ok || topic == nil || err != nil || !strings.HasSuffix(file, segmentSuffix) {
			continue
		}
		end := base
		if !l.Gone {
			end = intactEnd(b.disk, l.Name, base, l.From)
		}
		i, seen := at[dir]
		if !seen {
			i = len(all)
			at[dir] = i
			lostEnd, known := ends[dir]
			if !known {
				lostEnd = linearizability.None
			}
			all = append(all, linearizability.Recovered{Broker: int32(b.index + 1), Topic: topic.Name, Partition: partition, LogEnd: end, LostEnd: lostEnd})
		}
		all[i].LogEnd = min(all[i].LogEnd, end)
		all[i].LostBytes += l.SizeBytes - l.From
	}
	slices.SortFunc(all, func(x, y linearizability.Recovered) int {
		if d := strings.Compare(x.Topic, y.Topic); d != 0 {
			return d
		}
		return int(x.Partition - y.Partition)
	})
	return all
}

// intactEnd is the offset behind the last record batch that lies within the
// first bytes of a segment, whose first offset is base.
func intactEnd(d *simdisk.Disk, name string, base, bytes int64) int64 {
	const header = 27 // up to the last offset delta
	var h [header]byte
	end := base
	for pos := int64(0); pos+header <= bytes; {
		if n, err := d.Peek(name, h[:], pos); err != nil || n < header {
			break
		}
		size := 12 + int64(int32(binary.BigEndian.Uint32(h[8:])))
		if size < header || pos+size > bytes {
			break
		}
		end = int64(binary.BigEndian.Uint64(h[:])) + int64(int32(binary.BigEndian.Uint32(h[23:]))) + 1
		pos += size
	}
	return end
}
