package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
)

// logDirFailed tells that a broker goes on without one of its log directories, and
// what was in that.
func (c *Cluster) logDirFailed(node string, attrs []env.Attr) {
	i := slices.IndexFunc(c.brokers, func(b *server) bool { return b.name == node })
	if i < 0 {
		return
	}
	b, dir, why := c.brokers[i], "", ""
	for _, a := range attrs {
		switch a.Key {
		case "dir":
			dir = a.Text
		case "error":
			why = a.Text
		}
	}
	f := linearizability.Fault{Kind: linearizability.LogDirFailed, Brokers: []int32{int32(b.index + 1)}, Start: c.k.Now(),
		Detail: fmt.Sprintf("%s of %s", dir, b.name), Effect: why, Exact: true, Only: c.replicasIn(b, dir)}
	if len(f.Only) == 0 {
		return // nothing was in it
	}
	c.watch.watcher.AddFault(f)
	c.tell.Fault(f)
}

// replicasIn names the partitions of which there are files in a log directory, those
// of copies that are to be there among them.
func (c *Cluster) replicasIn(b *server, dir string) (all []string) {
	if c.image == nil {
		return nil
	}
	for _, f := range b.disk.Files() {
		in, rest, _ := strings.Cut(f.Name, "/")
		name := path.Dir(rest)
		for _, suffix := range []string{storage.FutureSuffix, storage.ReplacedSuffix} {
			if log := strings.TrimSuffix(name, suffix); log != name {
				if _, _, ok := replication.ParseLogDir(log); ok {
					name = log
				}
			}
		}
		id, partition, ok := replication.ParseLogDir(name)
		if in != dir || !ok {
			continue
		}
		topic := c.image.TopicByID(id)
		if topic == nil {
			continue
		}
		tp := fmt.Sprintf("%s-%d", topic.Name, partition)
		if !slices.Contains(all, tp) {
			all = append(all, tp)
		}
	}
	return all
}
