package replication

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

const (
	assignmentTimeout = 10 * time.Second
	assignmentPause   = 200 * time.Millisecond // after a failure

	// maxAssignments is how many replicas a request tells of, as in Kafka.
	maxAssignments = 2250
)

// assigner is the task that tells the controller in which directories replicas
// are, where it has them elsewhere (AssignReplicasToDirs, KIP-858). It tells of
// each until the controller has answered; whether it then has it so, the next
// image shows.
type assigner struct {
	m    *Manager
	task env.Task

	mu      env.Mutex
	change  env.Cond
	due     map[replicaKey]metadata.DirectoryID
	stopped bool
}

func newAssigner(m *Manager) *assigner {
	mu := m.e.NewMutex()
	a := &assigner{m: m, mu: mu, change: m.e.NewCond(mu), due: map[replicaKey]metadata.DirectoryID{}}
	a.task = m.e.Go("directory-assigner", a.run)
	return a
}

// tell has the controller told that a replica is in a directory.
func (a *assigner) tell(key replicaKey, id metadata.DirectoryID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due[key] = id
	a.change.Signal()
}

func (a *assigner) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.change.Broadcast()
}

func (a *assigner) run() {
	for {
		a.mu.Lock()
		for len(a.due) == 0 && !a.stopped {
			a.change.Wait()
		}
		if a.stopped {
			a.mu.Unlock()
			return
		}
		batch := a.batch()
		a.mu.Unlock()
		// The controller has the replica elsewhere meanwhile.
		if d := a.m.lab.Late("replication/assign-late", time.Second); d > 0 && a.m.stopping.Wait(d) {
			return
		}
		if !a.bring(batch) && a.m.stopping.Wait(assignmentPause) {
			return
		}
	}
}

// assignment is a replica and the directory that it is in.
type assignment struct {
	key replicaKey
	id  metadata.DirectoryID
}

// batch are the next to tell, by directory and topic. mu is held.
func (a *assigner) batch() []assignment {
	batch := make([]assignment, 0, len(a.due))
	for key, id := range a.due { //weir:ordered sorted below
		batch = append(batch, assignment{key, id})
	}
	slices.SortFunc(batch, func(x, y assignment) int {
		if c := bytes.Compare(x.id[:], y.id[:]); c != 0 {
			return c
		}
		if c := bytes.Compare(x.key.topic[:], y.key.topic[:]); c != 0 {
			return c
		}
		return int(x.key.partition - y.key.partition)
	})
	return batch[:min(len(batch), maxAssignments)]
}

// bring tells the controller, and forgets what it has answered. It reports false
// if that is to be tried again.
func (a *assigner) bring(batch []assignment) bool {
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = a.m.cfg.BrokerID, a.m.deps.BrokerEpoch()
	for i, next := range batch {
		if i == 0 || batch[i-1].id != next.id {
			d := kmsg.NewAssignReplicasToDirsRequestDirectory()
			d.ID = next.id
			req.Directories = append(req.Directories, d)
		}
		d := &req.Directories[len(req.Directories)-1]
		if n := len(d.Topics); n == 0 || d.Topics[n-1].TopicID != next.key.topic {
			t := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
			t.TopicID = next.key.topic
			d.Topics = append(d.Topics, t)
		}
		part := kmsg.NewAssignReplicasToDirsRequestDirectoryTopicPartition()
		part.Partition = next.key.partition
		t := &d.Topics[len(d.Topics)-1]
		t.Partitions = append(t.Partitions, part)
	}
	resp, err := a.m.deps.ToController(req, assignmentTimeout)
	answer, ok := resp.(*kmsg.AssignReplicasToDirsResponse)
	if err != nil || !ok || answer.ErrorCode != 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	all := true
	for _, d := range answer.Directories {
		for _, t := range d.Topics {
			for _, part := range t.Partitions {
				key := replicaKey{t.TopicID, part.Partition}
				switch {
				case part.ErrorCode == kerr.NotController.Code:
					all = false
				case a.due[key] == d.ID:
					delete(a.due, key) // told, or not this broker's replica any more
				}
			}
		}
	}
	return all
}
