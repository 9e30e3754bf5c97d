package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

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
type life struct {
	Epoch  int64  `json:"broker_epoch"`
	BootID string `json:"boot_id"`
	Synced bool   `json:"synced"` // the process ended in good order, with everything synced
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

// lifeNote keeps the note of the process that runs. Once it is taken back it
// stays so: a broker whose disk has failed may register again before it ends,
// but must not pass for one that lost nothing.
type lifeNote struct {
	e   env.Env
	dir string

	mu        env.Mutex
	takenBack bool
}

// write notes l durably, unless the note was taken back.
func (n *lifeNote) write(l life) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.takenBack {
		return nil
	}
	return l.write(n.e, n.dir)
}

// takeBack removes the note: after an error of the disk (but for a full one), what was written may
// be gone from the page cache too. The error may have come to nobody's notice
// but this process's, so the note must be gone before anything else is done. If
// even that fails, the next process meets the same disk.
func (n *lifeNote) takeBack() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.takenBack || planted.Is("trust-after-disk-error") {
		return
	}
	n.takenBack = true
	fsys := n.e.FS()
	err := fsys.Remove(path.Join(n.dir, lifeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = fsys.SyncDir(n.dir)
	}
	if err != nil {
		_ = life{Epoch: noLife}.write(n.e, n.dir)
	}
}

// noLife is the epoch of no registration.
const noLife = -1

// lastLife is the epoch of the registration that a process starting now
// continues, or -1. The note of a clean shutdown is durably taken back before
// anything else is written, or a later loss of power could pass for a clean
// stop.
//
// proven says that there was a note: no process since then was told of an error
// of the disk, after which the page cache may hold what will never be written.
func lastLife(e env.Env, dir string) (epoch int64, proven bool, _ error) {
	name := path.Join(dir, lifeFile)
	data, err := storage.ReadFile(e.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return noLife, false, nil
	}
	var io *storage.IOError
	if errors.As(err, &io) {
		// The disk may give it to the next process: who goes on without it is trusted
		// no more, for no loss.
		return noLife, false, fmt.Errorf("broker: %w; remove the file if the disk is sound, and the broker is taken to have lost what it had", err)
	}
	var last life
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err != nil {
		// Nothing is known then, which is what -1 says; the file is replaced at
		// the next registration.
		e.Event("last-life-unreadable", env.Text("file", name), env.Text("error", err.Error()))
		return noLife, false, nil
	}
	boot := e.BootID()
	switch {
	case last.Epoch == noLife:
		return noLife, false, nil
	case !last.Synced && (boot == "" || last.BootID != boot) && !planted.Is("trust-after-power-loss"):
		return noLife, true, nil
	}
	if err := (life{Epoch: last.Epoch, BootID: boot}).write(e, dir); err != nil {
		return noLife, false, fmt.Errorf("broker: %w", err)
	}
	return last.Epoch, true, nil
}
