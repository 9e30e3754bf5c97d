package broker

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// directory is a directory in which the node keeps something: one of log.dirs, or
// metadata.log.dir.
type directory struct {
	name   string // as it is configured, and as clients name it
	path   string // below the root of the file system
	logs   bool   // one of log.dirs
	meta   metaProperties
	proven bool  // see storage.Config.Unproven
	failed error // why it could not be opened
}

// pathOf is where a configured directory is below the root of the file system.
func pathOf(name string) string {
	if p := strings.TrimPrefix(path.Clean(name), "/"); p != "" {
		return p
	}
	return "."
}

// metadataDirectory is the name of the directory of the metadata log.
func (c Config) metadataDirectory() string {
	if c.MetadataDir != "" {
		return c.MetadataDir
	}
	return c.Dirs[0]
}

// checkDirs reports why the configured directories cannot be used.
func (c Config) checkDirs() error {
	if len(c.Dirs) == 0 {
		return errors.New("broker: log.dirs is empty; name a directory")
	}
	if len(c.Dirs) > maxLogDirs {
		return fmt.Errorf("broker: log.dirs names %d directories; there can be %d", len(c.Dirs), maxLogDirs)
	}
	for i, dir := range c.Dirs {
		for _, other := range c.Dirs[:i] {
			if within(pathOf(dir), pathOf(other)) || within(pathOf(other), pathOf(dir)) {
				return fmt.Errorf("broker: log.dirs: %s and %s are not apart; name every directory once, and none inside another", other, dir)
			}
		}
	}
	return nil
}

// maxLogDirs is how many log directories the controller lets a broker have.
const maxLogDirs = 100

// within reports whether a directory is another one or inside it.
func within(dir, other string) bool {
	return other == "." || dir == other || strings.HasPrefix(dir, other+"/")
}

// openDirectories opens the node's directories and finds out which earlier life
// continues in them. One that cannot be read is done without, if it is not the
// last and does not hold the metadata log.
func (b *Broker) openDirectories() error {
	own := b.cfg.metadataDirectory()
	for _, name := range b.cfg.Dirs {
		b.dirs = append(b.dirs, &directory{name: name, path: pathOf(name), logs: true})
	}
	at := slices.IndexFunc(b.dirs, func(d *directory) bool { return d.path == pathOf(own) })
	if at < 0 {
		at, b.dirs = len(b.dirs), append(b.dirs, &directory{name: own, path: pathOf(own)})
	}
	b.metaDir = b.dirs[at]
	for _, d := range b.dirs {
		err := d.open(b.e, b.cfg)
		if err != nil && !b.without(d, err) {
			return err
		}
	}
	if err := agree(b.dirs); err != nil {
		return err
	}
	var err error
	b.note = lifeNote{e: b.e, dirs: b.dirs, mu: b.e.NewMutex()}
	b.previous, err = b.note.begin(b.without)
	return err
}

// open makes the directory, if it is missing, and reads whose it is.
func (d *directory) open(e env.Env, cfg Config) (err error) {
	if err := e.FS().MkdirAll(d.path); err != nil {
		return &storage.IOError{Op: "create directory", File: d.path, Position: -1, Err: err}
	}
	d.meta, err = openMetaProperties(e, cfg, d)
	return err
}

// without goes on without a directory that cannot be opened. It reports false if
// the node cannot.
func (b *Broker) without(d *directory, err error) bool {
	if !errors.As(err, new(*storage.IOError)) || d == b.metaDir || !slices.ContainsFunc(b.dirs, func(o *directory) bool { return o != d && o.online() }) {
		return false
	}
	d.failed = err
	b.e.Event("log-dir-failed", env.Text("dir", d.name), env.Text("error", err.Error()))
	return true
}

// online reports whether replicas can be in the directory, as far as is known at
// the start.
func (d *directory) online() bool { return d.logs && d.failed == nil }

// agree refuses directories that are not of one node and cluster, or are the same
// one twice.
func agree(dirs []*directory) error {
	for i, d := range dirs {
		if d.failed != nil {
			continue
		}
		for _, other := range dirs[:i] {
			switch {
			case other.failed != nil:
			case d.meta.directory == other.meta.directory:
				return fmt.Errorf("broker: log.dirs: %s and %s have the same directory.id=%v; one is a copy of the other: remove it", other.name, d.name, d.meta.directory)
			case d.meta.clusterID != "" && other.meta.clusterID != "" && d.meta.clusterID != other.meta.clusterID:
				return fmt.Errorf("broker: log.dirs: %s belongs to cluster %s and %s to cluster %s; use other directories for another cluster", other.name, other.meta.clusterID, d.name, d.meta.clusterID)
			}
		}
	}
	return nil
}

// logDirs are the directories of replicas, in the order of log.dirs.
func (b *Broker) logDirs() []*directory {
	return slices.DeleteFunc(slices.Clone(b.dirs), func(d *directory) bool { return !d.logs })
}

// replicaDirs are the directories as the replicas know them.
func (b *Broker) replicaDirs() (dirs []replication.LogDir) {
	for _, d := range b.logDirs() {
		dirs = append(dirs, replication.LogDir{Name: d.name, Path: d.path, ID: d.meta.directory, Unproven: !d.proven, Failed: d.failed})
	}
	return dirs
}

// dirError takes in an error that was met in a directory, but not in a log.
func (b *Broker) dirError(d *directory, err error) {
	if !d.logs {
		b.fail(err)
		return
	}
	b.replicas.FailDir(d.meta.directory, err)
}

// onlineDirectories are the ids that the broker registers with: of the directories
// that have not failed in this process (KIP-858).
func (b *Broker) onlineDirectories() (ids [][16]byte) {
	failed := b.replicas.FailedDirs()
	for _, d := range b.logDirs() {
		if d.failed == nil && !slices.Contains(failed, d.meta.directory) {
			ids = append(ids, d.meta.directory)
		}
	}
	return ids
}

// failedDirectories are the ids of directories that have failed in this process.
func (b *Broker) failedDirectories() (ids [][16]byte) {
	for _, id := range b.replicas.FailedDirs() {
		ids = append(ids, id)
	}
	return ids
}

// directoryFailed is called when a log directory is used no more, before whoever
// met the error hears of it. The node cannot go on without the directory of the
// metadata log, nor without any for replicas (as Kafka).
func (b *Broker) directoryFailed(id metadata.DirectoryID, last bool, err error) {
	d := b.dirs[slices.IndexFunc(b.dirs, func(d *directory) bool { return d.meta.directory == id })]
	if last || d == b.metaDir {
		b.fail(err)
		return
	}
	if !storage.NothingLost(err) {
		b.note.takeBack(d)
	}
	b.pulse.beat()
}
