package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/env"
)

// Files is a class of the files that a broker keeps.
type Files string

// The classes.
const (
	AnyFiles      Files = ""             // all of them
	LogFiles      Files = "log"          // segments of topics
	IndexFiles    Files = "index"        // indexes of these, by offset, time and transaction
	SnapshotFiles Files = "snapshot"     // what is known of producers
	Checkpoints   Files = "checkpoint"   // recovery points, leader epochs, high watermarks, the broker's last life
	QuorumState   Files = "quorum-state" // whom a voter has voted for
	MetadataLog   Files = "metadata-log" // the metadata quorum's log and snapshots
	TopicFiles    Files = "topics"       // all but the metadata quorum's
)

// FileClasses lists the classes that have a name.
func FileClasses() []Files {
	return []Files{LogFiles, IndexFiles, SnapshotFiles, Checkpoints, QuorumState, MetadataLog, TopicFiles}
}

const metadataDir = "__cluster_metadata-0"

// Has reports whether the file of that name, relative to log.dirs, belongs to
// the class. A file that is written to take another's place belongs to its.
func (c Files) Has(name string) bool {
	name = strings.TrimSuffix(name, ".tmp")
	dir, base, inDir := strings.Cut(name, "/")
	if !inDir {
		dir, base = "", name
	}
	metadata := dir == metadataDir || name == metadataDir
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(base, s) })
	}
	switch c {
	case LogFiles:
		return !metadata && ends(".log")
	case IndexFiles:
		return !metadata && ends(".index", ".timeindex", ".txnindex")
	case SnapshotFiles:
		return !metadata && ends(".snapshot")
	case Checkpoints:
		return !metadata && (base == "log-state" || base == "last-life" || ends("-checkpoint"))
	case QuorumState:
		return base == "quorum-state"
	case MetadataLog:
		return metadata && base != "quorum-state"
	case TopicFiles:
		return !metadata && base != "quorum-state"
	}
	return true
}

// checkFiles is the check of kinds that may be about a class of files.
func checkFiles(f Fault) error {
	if f.Files != AnyFiles && !slices.Contains(FileClasses(), f.Files) {
		return fmt.Errorf("files: %q is no class of files; use one of %s, or leave it out for all", f.Files, joinWords(FileClasses()))
	}
	return nil
}

// onFiles says which files a fault on a broker is about.
func onFiles(f Fault, names func(...int) string, h Hit) string {
	if f.Files == AnyFiles {
		return f.struck(h, names)
	}
	return fmt.Sprintf("%s of %s", f.Files, f.struck(h, names))
}

// drawFiles draws a class of files.
func drawFiles(r *env.Rand) Files {
	all := FileClasses()
	return all[r.Intn(len(all))]
}
