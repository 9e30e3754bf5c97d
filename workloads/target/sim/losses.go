package sim

import (
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/linearizability"
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

// openLog is a log that a broker has open. It may move to another directory.
type openLog interface {
	Dir() string
	EndOffset() int64
}

// seeLogs takes note of the logs that a running broker has open.
func (b *server) seeLogs(replicas []replication.ReplicaView) {
	if b.logsOf == b.b && len(b.logs) == len(replicas) {
		return
	}
	b.logsOf, b.logs = b.b, nil
	for _, r := range replicas {
		if r.Log != nil {
			b.logs = append(b.logs, r.Log)
		}
	}
}

// logEnds is where the logs of a broker end, by directory: those that its
// process has open, or, without one, those that its files hold.
func (b *server) logEnds() map[string]int64 {
	if b.b == nil {
		return b.fileEnds()
	}
	ends := map[string]int64{}
	if b.logsOf != b.b {
		return ends
	}
	for _, log := range b.logs {
		ends[path.Clean(log.Dir())] = log.EndOffset()
	}
	return ends
}

// The files that a log is opened from.
const (
	segmentSuffix = ".log"
	stateFile     = "log-state"
)

// recovered is what the last loss of power took from the logs of b, which
// ended at ends as far as known.
func (c *Cluster) recovered(b *server, ends map[string]int64) []linearizability.Recovered {
	var all []linearizability.Recovered
	at := map[string]int{} // in all, by directory
	for _, l := range b.disk.Losses() {
		r, ok := c.damaged(b, l, ends)
		if !ok {
			continue
		}
		dir := path.Dir(l.Name)
		i, seen := at[dir]
		if !seen {
			at[dir] = len(all)
			all = append(all, r)
			continue
		}
		all[i].LogEnd = min(all[i].LogEnd, r.LogEnd)
		all[i].LostBytes += r.LostBytes
	}
	left := map[string]bool{}
	for _, f := range b.disk.Files() {
		dir, file := path.Split(f.Name)
		if strings.HasSuffix(file, segmentSuffix) || file == stateFile {
			left[path.Clean(dir)] = true
		}
	}
	for dir, i := range at {
		if !left[dir] { // also of where it began nobody knows any more
			all[i].LogEnd = 0
		}
	}
	slices.SortFunc(all, func(x, y linearizability.Recovered) int {
		if d := strings.Compare(x.Topic, y.Topic); d != 0 {
			return d
		}
		return int(x.Partition - y.Partition)
	})
	return all
}
