package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// metaProperties says whose a log directory is: which node's of which cluster.
// It is Kafka's meta.properties, and written at the first start.
type metaProperties struct {
	clusterID string // empty until the node has learnt it
	nodeID    int32
	directory metadata.DirectoryID
	fresh     bool // made by this process
}

const metaPropertiesFile = "meta.properties"

// openMetaProperties reads the directory's properties, or makes them. A
// directory of another node or cluster is an error: what is in it would be taken
// for this one's.
func openMetaProperties(e env.Env, cfg Config, d *directory) (metaProperties, error) {
	name := path.Join(d.path, metaPropertiesFile)
	data, err := storage.ReadFile(e.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		p := metaProperties{clusterID: cfg.ClusterID, nodeID: cfg.NodeID, directory: metadata.DirectoryID(controller.RandomID(e, "directory")), fresh: true}
		return p, p.write(e, d)
	}
	if err != nil {
		return metaProperties{}, fmt.Errorf("broker: log.dirs: %w", err)
	}
	p := metaProperties{nodeID: -1}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "cluster.id":
			p.clusterID = value
		case "node.id":
			id, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return p, fmt.Errorf("broker: log.dirs: %s: node.id=%s is no number", name, value)
			}
			p.nodeID = int32(id)
		case "directory.id":
			if err := p.directory.UnmarshalText([]byte(value)); err != nil {
				return p, fmt.Errorf("broker: log.dirs: %s: directory.id: %w", name, err)
			}
		}
	}
	if p.nodeID != cfg.NodeID {
		return p, fmt.Errorf("broker: log.dirs: %s belongs to node.id=%d, not to node.id=%d; give every node a directory of its own", d.name, p.nodeID, cfg.NodeID)
	}
	if cfg.ClusterID != "" && p.clusterID != "" && p.clusterID != cfg.ClusterID {
		return p, fmt.Errorf("broker: log.dirs: %s belongs to cluster %s, not to %s; use another directory for another cluster", d.name, p.clusterID, cfg.ClusterID)
	}
	return p, nil
}

func (p metaProperties) write(e env.Env, d *directory) error {
	text := fmt.Sprintf("version=1\nnode.id=%d\ndirectory.id=%s\n", p.nodeID, p.directory)
	if p.clusterID != "" {
		text += "cluster.id=" + p.clusterID + "\n"
	}
	if err := storage.WriteFile(e.FS(), path.Join(d.path, metaPropertiesFile), []byte(text)); err != nil {
		return fmt.Errorf("broker: log.dirs: %w", err)
	}
	return nil
}

// joinCluster notes of which cluster the directories are, once the metadata says.
func (b *Broker) joinCluster(id string) {
	if id == "" || id == b.clusterID {
		return
	}
	for _, d := range b.dirs {
		switch {
		case d.failed != nil || d.meta.clusterID == id:
			continue
		case d.meta.clusterID != "":
			b.fail(fmt.Errorf("broker: log.dirs: %s belongs to cluster %s, and the quorum of controller.quorum.voters is that of cluster %s", d.name, d.meta.clusterID, id))
			return
		}
		d.meta.clusterID = id
		if err := d.meta.write(b.e, d); err != nil {
			b.dirError(d, err)
		}
	}
	b.clusterID = id
}
