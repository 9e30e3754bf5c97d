package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Node is one member of the metadata quorum: voter or observer, and the
// cluster's controller while it leads.
type Node struct{}

// New makes a node over an opened log. Its vote and epoch are kept in the file
// quorum-state in dir, which must exist. Nothing runs before Start.
func New(e env.Env, cfg Config, log *storage.Log, dir string, send Send) (*Node, error) {
	panic("unwritten")
}

// Start starts the node's tasks.
func (n *Node) Start() { panic("unwritten") }

// Stop gives leadership away, if it has it, answers every pending request with
// NOT_CONTROLLER and ends the node's tasks. It does not close the log.
func (n *Node) Stop() { panic("unwritten") }

// Leader is the quorum's leader as far as this node knows, -1 if it knows none,
// and the leader epoch.
func (n *Node) Leader() (id, epoch int32) { panic("unwritten") }

// Image is the newest committed image this node has.
func (n *Node) Image() *metadata.Image { panic("unwritten") }

// Subscribe registers fn, to be called from one task, in order, with every
// committed image. The first call brings the present image with a full delta,
// unless it is empty. fn may block; meanwhile images are merged into one.
func (n *Node) Subscribe(fn Subscriber) { panic("unwritten") }

// Handle answers one of the requests that APIs lists. It blocks until every
// record the answer rests on is committed. A node that does not lead, or that
// loses leadership meanwhile, answers NOT_CONTROLLER; in the second case the
// request may or may not take effect. Unknown request kinds give nil.
func (n *Node) Handle(req kmsg.Request) kmsg.Response { panic("unwritten") }

// HandleFetch answers a fetch of the metadata log from another node, holding
// it for up to its max wait while there is nothing to send.
func (n *Node) HandleFetch(req *kmsg.FetchRequest) *kmsg.FetchResponse { panic("unwritten") }

// View is what invariant checkers look at.
type View struct {
	NodeID        int32
	Role          string // unattached, follower, prospective, candidate, leader, resigned, observer or stopped
	Leader        bool   // Role is leader
	Epoch         int32
	LeaderID      int32 // -1 if unknown
	HighWatermark int64
	LogEnd        int64
	Log           *storage.Log
}

// View is the node's present state.
func (n *Node) View() View { panic("unwritten") }
