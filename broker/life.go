package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// life is what a broker notes of itself for the process that comes after it.
//
// A broker that registers says which earlier registration it continues without
// having lost anything it had stored (the PreviousBrokerEpoch of KIP-966). The
// controller trusts such a broker to hold what the brokers in the ISR and ELR
// hold, and any other not. Kafka continues a registration only after a clean
// shutdown. But a process that merely dies loses nothing either, as long as
// the machine keeps its power: what it acknowledged is in the page cache. So a
// broker that finds the boot it was registered in still going on continues
// that registration too. If the process in between died before it had noted its
// own, the controller remembers what that one continued. Otherwise the crash of one process and the loss of
// power of one other machine could together lose an acknowledged record, which
// a single loss of power must not do with min.insync.replicas=2.
//
// With several directories the note is in each, and says which of them it is of.
// One that failed is in none any more, however it comes back: it gets another
// id, so that the controller takes its replicas, and no others, for such that may
// have lost something.
type life struct {
	Epoch  int64  `json:"broker_epoch"`
	BootID string `json:"boot_id"`
	Synced bool   `json:"synced"` // the process ended in good order, with everything synced

	// Directories lost nothing in that life; none named stands for the only one.
	Directories []metadata.DirectoryID `json:"directories,omitempty"`
}

const lifeFile = "last-life"

// write notes l durably.
func (l life) write(e env.Env, dir string) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return storage.WriteFile(e.FS(), path.Join(dir, lifeFile), data)
}

// covers reports whether the note is of a directory.
func (l *life) covers(d *directory) bool {
	return len(l.Directories) == 0 || slices.Contains(l.Directories, d.meta.directory)
}

// lifeNote keeps the note of the process that runs. Once it is taken back it
// stays so: a broker whose disk has failed may register again before it ends,
// but must not pass for one that lost nothing.
type lifeNote struct {
	e    env.Env
	dirs []*directory

	mu        env.Mutex
	last      life
	lossy     map[*directory]bool // for which it was taken back
	takenBack bool                // for all
}

// write notes l durably, unless the note was taken back. It returns the first
// directory that could not be written.
func (n *lifeNote) write(l life) (*directory, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.takenBack {
		return nil, nil
	}
	n.last = l
	return n.spread()
}

// spread writes the note into the directories that it is of. mu is held.
func (n *lifeNote) spread() (failed *directory, err error) {
	l := n.last
	of := slices.DeleteFunc(slices.Clone(n.dirs), func(d *directory) bool { return d.failed != nil || n.lossy[d] })
	if len(n.dirs) > 1 {
		for _, d := range of {
			l.Directories = append(l.Directories, d.meta.directory)
		}
	}
	for _, d := range of {
		if werr := l.write(n.e, d.path); werr != nil && err == nil {
			failed, err = d, werr
		}
	}
	return failed, err
}

// takeBack takes the note of a directory back: after an error of the disk (but for
// a full one), what was written may be gone from the page cache too. The error may
// have come to nobody's notice but this process's, so the note must be gone before
// anything else is done. If even that fails, the next process meets the same disk.
func (n *lifeNote) takeBack(d *directory) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.takenBack || n.lossy[d] || trustsFailed() {
		return
	}
	if n.lossy == nil {
		n.lossy = map[*directory]bool{}
	}
	n.lossy[d] = true
	if n.last.Epoch >= 0 {
		_, _ = n.spread() // whoever cannot be written is told of it by another operation
	}
	n.remove(d)
}

// takeBackAll is takeBack for a node that cannot go on.
func (n *lifeNote) takeBackAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.takenBack || trustsFailed() {
		return
	}
	n.takenBack = true
	for _, d := range n.dirs {
		if d.failed == nil {
			n.remove(d)
		}
	}
}

// trustsFailed is what a planted bug does.
func trustsFailed() bool { return planted.Is("trust-after-disk-error") }

// remove removes the note in a directory. mu is held.
func (n *lifeNote) remove(d *directory) {
	fsys := n.e.FS()
	err := fsys.Remove(path.Join(d.path, lifeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = fsys.SyncDir(d.path)
	}
	if err != nil {
		_ = life{Epoch: noLife}.write(n.e, d.path)
	}
}

// noLife is the epoch of no registration.
const noLife = -1

// begin is the epoch of the registration that a process starting now continues,
// or -1. The note of a clean shutdown is durably taken back before anything else
// is written, or a later loss of power could pass for a clean stop.
//
// A directory is proven if it has a note: no process since then was told of an
// error of the disk, after which the page cache may hold what will never be
// written. without is asked whether the node can do without a directory.
func (n *lifeNote) begin(without func(*directory, error) bool) (epoch int64, _ error) {
	n.last.Epoch = noLife
	notes := map[*directory]*life{}
	for _, d := range n.dirs {
		if d.failed != nil {
			continue
		}
		note, err := readLife(n.e, d)
		if err != nil && !without(d, err) {
			return noLife, err
		}
		if note != nil {
			notes[d] = note
			n.last.Epoch = max(n.last.Epoch, note.Epoch)
		}
	}
	if n.last.Epoch == noLife {
		return noLife, nil
	}
	boot := n.e.BootID()
	n.last.BootID, n.last.Synced = boot, true
	for _, d := range n.dirs {
		note := notes[d]
		d.proven = note != nil && !slices.ContainsFunc(n.dirs, func(o *directory) bool {
			return notes[o] != nil && notes[o].Epoch == n.last.Epoch && !notes[o].covers(d)
		})
		if note != nil && note.Epoch == n.last.Epoch {
			n.last.Synced = n.last.Synced && note.Synced
			if note.BootID != boot {
				n.last.BootID = ""
			}
		}
	}
	if !n.last.Synced && (boot == "" || n.last.BootID != boot) && !planted.Is("trust-after-power-loss") {
		n.last.Epoch = noLife
		return noLife, nil
	}
	n.last.BootID, n.last.Synced = boot, false
	for _, d := range n.dirs {
		if d.failed != nil || d.proven {
			continue
		}
		if n.lossy == nil {
			n.lossy = map[*directory]bool{}
		}
		n.lossy[d] = true // until the process registers
		if err := d.renew(n.e); err != nil && !without(d, err) {
			return noLife, err
		}
	}
	failed, err := n.spread()
	if err != nil && !without(failed, err) {
		return noLife, fmt.Errorf("broker: %w", err)
	}
	n.lossy = nil
	return n.last.Epoch, nil
}

// renew gives a directory another id, as that of one which has lost what it had.
func (d *directory) renew(e env.Env) error {
	if d.meta.fresh {
		return nil
	}
	d.meta.directory = metadata.DirectoryID(controller.RandomID(e, fmt.Sprintf("directory at %d", e.Now())))
	return d.meta.write(e, d)
}

// readLife reads the note in a directory, nil if there is none.
func readLife(e env.Env, d *directory) (*life, error) {
	name := path.Join(d.path, lifeFile)
	data, err := storage.ReadFile(e.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.As(err, new(*storage.IOError)) {
		// The disk may give it to the next process: who goes on without it is trusted
		// no more, for no loss.
		return nil, fmt.Errorf("broker: %w; remove the file if the disk is sound, and the broker is taken to have lost what it had", err)
	}
	last := &life{}
	if err == nil {
		err = json.Unmarshal(data, last)
	}
	if err != nil {
		// Nothing is known then, which is what -1 says; the file is replaced at
		// the next registration.
		e.Event("last-life-unreadable", env.Text("file", name), env.Text("error", err.Error()))
		return nil, nil
	}
	if last.Epoch < 0 {
		return nil, nil
	}
	return last, nil
}
