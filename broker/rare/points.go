package rare

import (
	"slices"
	"strings"
)

// Point is a place in the broker where something rare may happen.
type Point struct {
	Name  string // "storage/roll-early"
	Does  string // what happens
	Legal string // why it may
}

// Points lists all of them, by name.
func Points() []Point {
	points := slices.Concat(storagePoints)
	slices.SortFunc(points, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	return points
}

var storagePoints = []Point{
	{"storage/roll-early", "begins a new segment before the next append", "segment.bytes and segment.ms are upper bounds"},
	{"storage/seal-late", "waits up to 2 s before a sealed segment is made durable", "nobody is promised when it is"},
	{"storage/seal-unfinished", "leaves out the index, producer snapshot and recovery point of a sealed segment", "all of it is made from the segment when the log is opened, as after a full disk"},
	{"storage/prepare-late", "waits up to 50 ms between checking records and appending them", "nothing is held meanwhile"},
	{"storage/write-yield", "lets other tasks run between writing records and counting them", "a write takes time"},
	{"storage/flush-now", "has an append wait for a sync that no setting asks for", "flush.messages is an upper bound"},
	{"storage/sync-late", "waits up to 100 ms before a sync that appends wait for", "a sync takes any time"},
	{"storage/recent-forgotten", "forgets where the latest batches are", "it is a cache: readers go by the index instead"},
	{"storage/read-short", "reads fewer bytes than were asked for, though a whole batch where one was promised", "readers read on"},
	{"storage/read-late", "waits up to 20 ms between finding a batch and reading it", "nothing is held meanwhile"},
	{"storage/index-sparse", "leaves a batch out of the indexes", "indexes are hints"},
	{"storage/truncate-late", "waits up to 50 ms between the decision to cut the log and the cut", "a cut takes several syncs"},
	{"storage/retain-more", "removes fewer segments than retention lets go", "retention says what may go, not when"},
}
