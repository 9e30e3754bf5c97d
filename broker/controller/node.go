package controller

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Node is one member of the metadata quorum: voter or observer, and the
// cluster's controller while it leads.
type Node struct {
	e    env.Env
	lab  *env.Lab
	cfg  Config
	log  *storage.Log
	dir  string
	send Send

	mu      env.Mutex // guards the fields down to peers; never held while blocking
	wake    env.Cond  // the inbox has something, or stopping
	inbox   []any     // *call, quorum.Response or quorum.SendFailed
	state   runState
	subs    []Subscriber
	peers   map[peerKey]*peerQueue
	senders []env.Task

	snapshotTask env.Task // writes a snapshot, or wrote the last one

	image atomic.Pointer[metadata.Image]
	view  atomic.Pointer[View]

	deliveries *env.Mailbox[delivery]
	loopTask   env.Task
	delivering env.Task

	loop loop
}

type runState uint8

const (
	created runState = iota
	running
	stopping
	stopped
)

// call is a request that waits for its answer.
type call struct {
	req  kmsg.Request
	msg  quorum.Message // if quorum is set
	kind callKind
	to   int32 // of a moveCall
	done env.Signal
	resp kmsg.Response // valid once done is set
}

type callKind uint8

const (
	commandCall  callKind = iota // for the machine
	quorumCall                   // for the core
	describeCall                 // DescribeQuorum
	moveCall                     // ElectLeaders of one partition, whose leader is to be another
)

func (c *call) answer(resp kmsg.Response) {
	c.resp = resp
	c.done.Set()
}

// New makes a node over an opened log. Its vote and epoch are kept in the file
// quorum-state in dir, which must exist. Nothing runs before Start.
func New(e env.Env, cfg Config, log *storage.Log, dir string, send Send) (*Node, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	hard, err := readQuorumState(e.FS(), dir)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	n := &Node{e: e, lab: e.Lab(), cfg: cfg, log: log, dir: dir, send: send, mu: e.NewMutex(), peers: map[peerKey]*peerQueue{},
		deliveries: env.NewMailbox[delivery](e)}
	n.wake = e.NewCond(n.mu)
	store := snapshots{e.FS(), dir}
	ids, img, err := store.open(e)
	if err != nil {
		return nil, err
	}
	stored, reset, err := quorum.Recover(ids, log.StartOffset(), log.EndOffset(), epochsOf(log))
	if err != nil {
		return nil, fmt.Errorf("controller: %s: %w; remove this node's metadata directory to let it join anew", dir, err)
	}
	if reset {
		e.Event("metadata-log-begins", env.Int("at", stored.Base.End), env.Int("end", log.EndOffset()))
		if err := log.TruncateFullyAndStartAt(stored.Base.End); err != nil {
			return nil, fmt.Errorf("controller: begin the metadata log at %d: %w", stored.Base.End, err)
		}
	}
	if err := n.checkCluster(img); err != nil {
		return nil, err
	}
	n.image.Store(img)
	var voters []int32
	for _, v := range cfg.Voters {
		voters = append(voters, v.ID)
	}
	core := quorum.New(quorum.Config{ID: cfg.NodeID, Voters: voters, ElectionTimeout: cfg.ElectionTimeout,
		FetchTimeout: cfg.FetchTimeout, FetchMaxWait: cfg.FetchMaxWait, RetryBackoff: cfg.RetryBackoff},
		hard, stored, e.Now(), e.Rand("quorum-election", strconv.Itoa(int(cfg.NodeID))))
	n.loop = loop{n: n, core: core, machine: newMachine(cfg), committed: img, calls: map[uint64]*call{},
		snapshots: snapshotting{store: store, last: stored.Snapshot, at: e.Now()}}
	n.loop.publishView()
	return n, nil
}

// Start starts the node's tasks.
func (n *Node) Start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != created {
		return
	}
	n.state = running
	n.loopTask = n.e.Go("quorum", n.loop.run)
	n.delivering = n.e.Go("metadata", n.deliver)
}

// Stop gives leadership away, if it has it, answers every pending request with
// NOT_CONTROLLER and ends the node's tasks. It does not close the log.
func (n *Node) Stop() {
	n.mu.Lock()
	if n.state == created {
		n.state = stopped
	}
	if n.state == running {
		n.state = stopping
		n.wake.Broadcast()
	}
	loopTask := n.loopTask
	n.mu.Unlock()
	if loopTask == nil {
		return
	}
	loopTask.Wait()
	n.delivering.Wait()
	n.mu.Lock()
	senders := n.senders
	if n.snapshotTask != nil {
		senders = append(senders, n.snapshotTask)
	}
	n.mu.Unlock()
	for _, t := range senders {
		t.Wait()
	}
}

// Leader is the quorum's leader as far as this node knows, -1 if it knows none,
// and the leader epoch.
func (n *Node) Leader() (id, epoch int32) {
	v := n.view.Load()
	return v.LeaderID, v.Epoch
}

// ClusterID is the name of the cluster, empty while this node has not learnt it.
func (n *Node) ClusterID() string {
	if id := n.image.Load().ClusterID(); id != "" {
		return id
	}
	return n.cfg.ClusterID
}

// newClusterID is the name that this node gives the cluster if it is the first
// to lead it.
func (n *Node) newClusterID() string {
	if n.cfg.ClusterID != "" {
		return n.cfg.ClusterID
	}
	return metadata.TopicID(RandomID(n.e, "cluster")).String()
}

// checkCluster refuses the metadata of another cluster than the configured one.
func (n *Node) checkCluster(img *metadata.Image) error {
	if id := img.ClusterID(); n.cfg.ClusterID != "" && id != "" && id != n.cfg.ClusterID {
		return fmt.Errorf("controller: the metadata in %s is that of cluster %s, and this node is configured for cluster %s", n.dir, id, n.cfg.ClusterID)
	}
	return nil
}

// RandomID is Kafka's form of a new id: 16 random bytes, of which the text does
// not begin with a dash, since people give it to command lines.
func RandomID(e env.Env, purpose string) [16]byte {
	var id [16]byte
	for {
		_, _ = e.Rand("uuid", purpose).Read(id[:])
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4
		if metadata.TopicID(id).String()[0] != '-' {
			return id
		}
	}
}

// Image is the newest committed image this node has.
func (n *Node) Image() *metadata.Image { return n.image.Load() }

// Handle answers one of the requests that APIs lists. It blocks until every
// record the answer rests on is committed. A node that does not lead, or that
// loses leadership meanwhile, answers NOT_CONTROLLER; in the second case the
// request may or may not take effect. Unknown request kinds give nil.
func (n *Node) Handle(req kmsg.Request) kmsg.Response { return n.HandleWithin(req, env.Forever) }

// HandleWithin is Handle that waits for at most d, and answers then as a node
// does that lost leadership meanwhile.
func (n *Node) HandleWithin(req kmsg.Request, d time.Duration) kmsg.Response {
	c := &call{req: req}
	switch req.(type) {
	case *kmsg.VoteRequest, *kmsg.BeginQuorumEpochRequest, *kmsg.EndQuorumEpochRequest, *kmsg.FetchRequest, *kmsg.FetchSnapshotRequest:
		m, err := requestFromWire(req, n.cfg.NodeID, n.ClusterID())
		if err != nil {
			return refusalToWire(req, err)
		}
		c.kind, c.msg = quorumCall, m
	case *kmsg.DescribeQuorumRequest:
		c.kind = describeCall
	default:
		if refusal := notController(req); refusal == nil || !n.view.Load().Leader {
			return refusal
		}
	}
	c.done = n.e.NewSignal()
	if !n.post(c) {
		return n.loop.refusal(c)
	}
	if !c.done.Wait(d) {
		return n.loop.refusal(c)
	}
	return c.resp
}

// HandleFetch answers a fetch of the metadata log from another node, holding
// it for up to its max wait while there is nothing to send.
func (n *Node) HandleFetch(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	return n.Handle(req).(*kmsg.FetchResponse)
}

// post puts something into the inbox; false if nobody will look any more.
func (n *Node) post(event any) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == stopping || n.state == stopped {
		return false
	}
	n.inbox = append(n.inbox, event)
	n.wake.Signal()
	return true
}

// Stand says that the quorum has no leader, and lets this node stand for election
// after so much time.
func (n *Node) Stand(after time.Duration) { n.post(quorum.Stand{After: after}) }

// MoveLeader gives a partition another leader of its in-sync replicas and returns
// once that is committed. Errors are Kafka's: NOT_CONTROLLER if this node does not
// lead the quorum, UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED if it is
// the leader already and PREFERRED_LEADER_NOT_AVAILABLE if it may not be.
func (n *Node) MoveLeader(tp metadata.TopicPartition, to int32) error {
	req := kmsg.NewPtrElectLeadersRequest()
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic, topic.Partitions = tp.Topic, []int32{tp.Partition}
	req.Topics = append(req.Topics, topic)
	c := &call{req: req, kind: moveCall, to: to, done: n.e.NewSignal()}
	if !n.post(c) {
		return kerr.NotController
	}
	c.done.Wait(env.Forever)
	resp := c.resp.(*kmsg.ElectLeadersResponse)
	if resp.ErrorCode != 0 {
		return kerr.ErrorForCode(resp.ErrorCode)
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// View is what invariant checkers look at.
type View struct {
	NodeID        int32
	Role          string // unattached, follower, prospective, candidate, leader, resigned or stopped
	Observer      bool   // the node is not a voter
	Leader        bool   // Role is leader
	Active        bool   // the leader answers requests: its epoch's first record is committed
	Epoch         int32
	LeaderID      int32 // -1 if unknown
	VotedFor      int32 // in Epoch, -1 if the node has given nobody its vote
	HighWatermark int64
	LogStart      int64 // records before it are in snapshots
	LogEnd        int64
	Log           *storage.Log
}

// View is the node's present state.
func (n *Node) View() View { return *n.view.Load() }

// refuseAll answers everything in the inbox once the loop is over.
func (n *Node) refuseAll() {
	n.mu.Lock()
	n.state = stopped
	left := n.inbox
	n.inbox = nil
	for _, key := range n.peerKeys() {
		n.peers[key].filled.Broadcast()
	}
	n.mu.Unlock()
	for _, event := range left {
		if c, ok := event.(*call); ok {
			c.answer(n.loop.refusal(c))
		}
	}
	n.deliveries.Close()
}

func (n *Node) voter(id int32) (Voter, bool) {
	for _, v := range n.cfg.Voters {
		if v.ID == id {
			return v, true
		}
	}
	return Voter{}, false
}

// Subscribe registers fn, to be called from one task, in order, with every
// committed image. The first call brings the present image with a full delta,
// unless it is empty. fn may block; what is committed meanwhile waits for it.
func (n *Node) Subscribe(fn Subscriber) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subs = append(n.subs, fn)
	if img := n.image.Load(); img.Offset() >= 0 {
		n.deliveries.Put(delivery{[]Subscriber{fn}, img, img.Full()})
	}
}

// Redeliver brings all subscribers the present image once more, with a full
// delta and in turn, for those who could do nothing with it before.
func (n *Node) Redeliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if img := n.image.Load(); img.Offset() >= 0 && len(n.subs) > 0 {
		n.deliveries.Put(delivery{n.subs[:len(n.subs):len(n.subs)], img, img.Full()})
	}
}

// delivery is an image on its way to subscribers.
type delivery struct {
	to    []Subscriber
	img   *metadata.Image
	delta metadata.Delta
}

func (n *Node) deliver() {
	for {
		d, ok := n.deliveries.Take()
		if !ok {
			return
		}
		// As after a registration: what has not changed is looked at too.
		if n.lab.Rare("controller/deliver-whole") {
			gone := d.delta.DeletedTopics
			d.delta = d.img.Full()
			d.delta.DeletedTopics = gone
		}
		for _, fn := range d.to {
			fn(d.img, d.delta)
		}
	}
}

// publish makes a committed image visible.
func (n *Node) publish(img *metadata.Image, delta metadata.Delta) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.image.Store(img)
	if len(n.subs) > 0 {
		n.deliveries.Put(delivery{n.subs[:len(n.subs):len(n.subs)], img, delta})
	}
}

func (l *loop) refusal(c *call) kmsg.Response {
	switch c.kind {
	case commandCall, moveCall:
		return notController(c.req)
	case quorumCall:
		return refusalToWire(c.req, kerr.NotLeaderForPartition)
	}
	return describeQuorum(c.req, quorum.HardState{Leader: quorum.None}, kerr.NotLeaderForPartition)
}

// millis is d in whole milliseconds.
func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }
