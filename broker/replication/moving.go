package replication

import (
	"errors"
	"fmt"
	"math"
	"path"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// A replica moves into another directory of its broker (KIP-113) beside its work:
//
//  1. A future log there, with storage.FutureSuffix, is a copy of the replica's. It
//     is cut where that is cut and begins where that begins. Compaction waits until
//     the move is over: what the copy has and what tombstones it lacks would else be
//     of different times, and a deleted key could come back.
//  2. Once the copy has everything, the controller is told that the replica is
//     there (KIP-858). From then on whichever directory fails, the replica does for
//     the controller: the broker tells at once if it is the old one.
//  3. When the metadata says so, appends wait for a moment, the copy gets what is
//     missing, and storage.Log.MoveInto makes it the replica's log.
//
// A broker that starts again finds the copy and goes on with it.
type move struct {
	to  *logDir
	log *storage.Log // the copy, nil before it is open

	// cutTo is the lowest offset that the log was cut to since the copy was last
	// cut, noCut if it was not.
	cutTo int64

	told bool // the controller is to know the replica in to

	cancelled bool
	next      *logDir // where to move instead, if cancelled; nil to stay
}

const noCut = math.MaxInt64

const (
	movePause      = 20 * time.Millisecond
	movePieceBytes = 1 << 20

	// moveRestBytes is the most that is copied while appends wait.
	moveRestBytes = 64 << 10
)

// mover carries replicas from directory to directory, with at most as many tasks
// as there are directories, and none while nothing moves.
type mover struct {
	m *Manager

	mu      env.Mutex
	queue   []*partition
	running int
	tasks   []env.Task
}

func (v *mover) begin(p *partition) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queue = append(v.queue, p)
	if v.running < len(v.m.dirs) && !v.m.stopping.IsSet() {
		v.running++
		v.tasks = append(v.tasks, v.m.e.Go("log-mover", v.run))
	}
}

func (v *mover) run() {
	for {
		v.mu.Lock()
		if len(v.queue) == 0 || v.m.stopping.IsSet() {
			v.running--
			v.mu.Unlock()
			return
		}
		p := v.queue[0]
		v.queue = v.queue[1:]
		v.mu.Unlock()
		p.carry()
	}
}

func (v *mover) wait() {
	v.mu.Lock()
	tasks := v.tasks
	v.mu.Unlock()
	for _, t := range tasks {
		t.Wait()
	}
}

// AlterReplicaDir moves a replica into the log directory of that name, or has it
// made there if it is made later. It returns Kafka's error code, 0 if the move
// begins or there is nothing to do.
func (m *Manager) AlterReplicaDir(tp metadata.TopicPartition, name string) int16 {
	var to *logDir
	down := false
	for _, d := range m.dirs {
		if d.Name == name {
			to = d
		}
		down = down || d.offline()
	}
	_, offline := m.parts.Load().offline[tp]
	switch {
	case to == nil:
		return kerr.LogDirNotFound.Code
	case to.offline() || offline:
		return kerr.KafkaStorageError.Code
	}
	p := m.partition(tp)
	if p == nil {
		m.prefer(tp, to)
		return kerr.ReplicaNotAvailable.Code
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return kerr.ReplicaNotAvailable.Code
	case p.dir().offline():
		return kerr.KafkaStorageError.Code
	case p.move != nil && p.move.to == to && !p.move.cancelled:
	case p.move != nil:
		p.move.cancelled, p.move.next = true, nil
		if to != p.dir() {
			p.move.next = to
		}
	case to == p.dir():
	case down:
		return kerr.KafkaStorageError.Code // the future log may be in the one that is offline
	default:
		p.beginMove(to)
	}
	return 0
}

// beginMove has the replica moved. mu is held.
func (p *partition) beginMove(to *logDir) {
	p.move = &move{to: to, cutTo: noCut}
	p.m.mover.begin(p)
	p.m.e.Event("replica-moving", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Text("from", p.dir().Name), env.Text("to", to.Name))
}

// carry carries the replica where its move leads.
func (p *partition) carry() {
	p.mu.Lock()
	mv := p.move
	p.mu.Unlock()
	future, err := p.openFuture(mv)
	if err != nil {
		if !errors.Is(err, errStopping) {
			p.m.storageError(mv.to, err)
			p.endMove(mv)
		}
		return
	}
	p.mu.Lock()
	mv.log = future
	p.mu.Unlock()
	from := p.dir()
	for {
		done, err := p.carryOn(mv, future)
		switch {
		case p.m.stopping.IsSet() && !done:
			_ = future.Close() // a restart goes on with it
			return
		case err != nil:
			p.m.e.Event("replica-move-ended", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition), env.Text("error", err.Error()))
			if !mv.to.offline() {
				p.check("delete", future.Delete())
			} else {
				_ = future.Close()
			}
			p.endMove(mv)
			return
		case done:
			p.moved(from)
			return
		}
	}
}

var (
	errStopping  = errors.New("replication: the broker stops")
	errCancelled = errors.New("replication: the move was called off, or the replica is no more")
)

// openFuture opens or makes the copy, and leaves in it what the log has too.
func (p *partition) openFuture(mv *move) (*storage.Log, error) {
	for { // the last cleaning ends
		p.mu.Lock()
		busy := p.cleaned.busy
		p.mu.Unlock()
		if !busy {
			break
		}
		if p.m.stopping.Wait(movePause) {
			return nil, errStopping
		}
	}
	name := path.Join(mv.to.Path, logDirName(p.tp, p.topicID)+storage.FutureSuffix)
	future, _, err := storage.Open(p.m.e, name, storage.Config{
		SegmentBytes: p.log.SegmentBytes(), Unproven: mv.to.Unproven,
		OnFailed: func(err error) {
			p.m.storageError(mv.to, fmt.Errorf("replication: future log of %v in %s: %w", p.tp, mv.to.Name, err))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("replication: future log of %v in %s: %w", p.tp, mv.to.Name, err)
	}
	p.mu.Lock()
	afresh := p.log.Gaps() || future.Gaps() || p.cleaned.compacts // it may have been compacted since
	mv.cutTo = noCut
	p.mu.Unlock()
	if !afresh {
		err = agreeWith(p.log, future)
	} else if err = future.TruncateFullyAndStartAt(p.log.StartOffset()); err == nil {
		err = future.AllowGaps()
	}
	if err != nil {
		_ = future.Close()
	}
	return future, err
}

// agreeWith cuts a copy to where it agrees with the log, by leader epochs as
// between a follower and its leader (KIP-279).
func agreeWith(log, future *storage.Log) error {
	for future.EndOffset() > future.StartOffset() {
		own := future.LatestEpoch()
		epoch, end := log.EpochEnd(own)
		if epoch == own && end >= future.EndOffset() {
			return nil
		}
		to := end
		if epoch != own {
			_, mine := future.EpochEnd(epoch)
			to = min(end, mine)
		}
		if to <= future.StartOffset() || to >= future.EndOffset() {
			return future.TruncateFullyAndStartAt(log.StartOffset())
		}
		if err := future.TruncateTo(to); err != nil {
			return err
		}
	}
	return nil
}

// carryOn does the next piece of a move, and reports whether that was the last.
func (p *partition) carryOn(mv *move, future *storage.Log) (done bool, _ error) {
	m := p.m
	if d := m.lab.Late("replication/move-late", 200*time.Millisecond); d > 0 {
		m.stopping.Wait(d)
	}
	p.mu.Lock()
	if err := p.movable(mv); err != nil {
		p.mu.Unlock()
		return false, err
	}
	cut, ends, there := mv.cutTo, p.state.Log(), p.assigned == mv.to.ID
	mv.cutTo = noCut
	p.mu.Unlock()
	if err := cutFuture(future, cut, ends.Start); err != nil {
		return false, err
	}
	switch {
	case !alike(future, ends):
		if m.moving.exceeded() {
			m.stopping.Wait(m.cfg.ReplicaFetchBackoff)
			return false, nil
		}
		return false, p.copyPiece(future, ends.End, movePieceBytes)
	case !there:
		p.tellMove(mv)
		m.stopping.Wait(movePause)
		return false, nil
	}
	return p.swap(mv, future)
}

// movable says why the move is at an end. mu is held.
func (p *partition) movable(mv *move) error {
	switch {
	case p.move != mv || mv.cancelled || p.gone:
		return errCancelled
	case p.failed():
		return p.log.Failed()
	case mv.to.offline():
		return *mv.to.failure.Load()
	}
	return nil
}

// cutFuture cuts the copy where the log was cut, and lets it begin where that does.
func cutFuture(future *storage.Log, cut, start int64) error {
	switch {
	case start < future.StartOffset() || start > future.EndOffset() || cut <= future.StartOffset() && cut < future.EndOffset():
		return future.TruncateFullyAndStartAt(start)
	case cut < future.EndOffset():
		if err := future.TruncateTo(cut); err != nil {
			return err
		}
	}
	if start > future.StartOffset() {
		return future.DeleteRecordsBefore(start)
	}
	return nil
}

// copyPiece appends to the copy what comes next in the log, below end.
func (p *partition) copyPiece(future *storage.Log, end int64, bytes int32) error {
	records, err := p.log.Read(future.EndOffset(), end, bytes, true)
	if err == nil && len(records) > 0 {
		if p.log.Gaps() {
			err = future.AllowGaps()
		}
		if err == nil {
			_, err = future.AppendFollower(records)
		}
		p.m.moving.record(int64(len(records)))
	}
	var refused *storage.AppendError
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &refused) && future.Failed() == nil {
		return nil // the log was cut meanwhile, of which mv.cutTo tells
	}
	return err
}

// alike reports whether a copy has all records of a log that stands so.
func alike(future *storage.Log, log LogEnds) bool {
	return future.StartOffset() == log.Start && future.EndOffset() == log.End || planted.Is("swap-before-caught-up")
}

// tellMove has the controller told where the replica is about to be.
func (p *partition) tellMove(mv *move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !mv.told {
		mv.told = true
		p.m.assigner.tell(p.key(), mv.to.ID)
	}
}

// swap makes the copy the replica's log, if it has all that this has.
func (p *partition) swap(mv *move, future *storage.Log) (done bool, _ error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.movable(mv); err != nil {
		return false, err
	}
	if mv.cutTo != noCut {
		return false, nil
	}
	p.settle()
	if !alike(future, p.ends()) { // what came since, or went
		if err := cutFuture(future, noCut, p.log.StartOffset()); err != nil {
			return false, err
		}
		if err := p.copyPiece(future, p.log.EndOffset(), moveRestBytes); err != nil || !alike(future, p.ends()) {
			return false, err
		}
	}
	if err := p.log.MoveInto(future); err != nil {
		return false, err
	}
	p.where.Store(mv.to)
	p.move = nil
	p.term.Add(1)
	p.out = p.changed("move", nil, p.out)
	p.carryOut()
	return true, nil
}

// moved tells everybody that the replica is in another directory, and removes what
// is left in the one that it was in.
func (p *partition) moved(from *logDir) {
	m, to := p.m, p.dir()
	m.e.Event("replica-moved", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Text("from", from.Name), env.Text("to", to.Name), env.Int("end", p.log.EndOffset()))
	m.movePlace(p.key(), to)
	m.cleaner.moved(p, from)
	_ = m.writeCheckpoint() // a mark that is missing is made good by the leader
	if err := storage.RemoveReplaced(m.e.FS(), path.Join(from.Path, logDirName(p.tp, p.topicID))); err != nil {
		m.storageError(from, fmt.Errorf("replication: %w", err))
	}
}

// endMove forgets a move that came to nothing, and begins the one that is to come
// instead of it.
func (p *partition) endMove(mv *move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move = nil
	if mv.told && !p.gone {
		p.m.assigner.tell(p.key(), p.dir().ID)
	}
	if mv.next != nil && !p.gone && !mv.next.offline() {
		p.beginMove(mv.next)
	}
}

// key names the replica.
func (p *partition) key() replicaKey { return replicaKey{p.topicID, p.tp.Partition} }
