package broker

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// peers holds this node's connections to other nodes. A connection carries one
// request at a time; a lane is the connections for one purpose to one node, so
// that requests that may wait long (a fetch) never stand before requests that
// must not (a heartbeat).
//
// Every wait in here has an end: the deadline of the request, or cutOff.
type peers struct {
	e        env.Env
	clientID string
	versions *protocol.Table

	mu       env.Mutex // guards what is below; never held while waiting for the network
	lanes    map[string]*lane
	closed   []string // prefixes of the lanes that carry nothing any more
	released env.Cond // a connection became free
}

// lane is the connections for one purpose to one node.
type lane struct {
	name string
	idle []*protocol.Client
	busy []*protocol.Client
	open int // all of them, and those being opened
}

// maxLaneConnections bounds the requests under way for one purpose to one
// node; more wait their turn.
const maxLaneConnections = 4

var errStopped = errors.New("broker: stopped")

func newPeers(e env.Env, clientID string) *peers {
	p := &peers{e: e, clientID: clientID, mu: e.NewMutex(), lanes: map[string]*lane{}}
	p.released = e.NewCond(p.mu)
	return p
}

// request sends req to the node at addr in the named lane and waits for the
// answer for at most timeout. A request without a version gets the newest that
// this program speaks.
func (p *peers) request(addr, laneName string, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	if req.GetVersion() == 0 {
		if api, ok := p.versions.Lookup(req.Key()); ok {
			req.SetVersion(api.MaxVersion)
		}
	}
	end := p.e.Now() + timeout
	l, client, err := p.take(addr, laneName, end)
	if err != nil {
		return nil, err
	}
	resp, err := client.Request(req, max(end-p.e.Now(), time.Millisecond))
	p.giveBack(l, client, err == nil)
	return resp, err
}

// take returns a connection of the lane that is nobody else's, opening one if
// need be.
func (p *peers) take(addr, laneName string, end time.Duration) (*lane, *protocol.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := laneName + " " + addr
	l := p.lanes[key]
	if l == nil {
		l = &lane{name: laneName}
		p.lanes[key] = l
	}
	for {
		left := end - p.e.Now()
		switch {
		case p.isClosed(laneName):
			return nil, nil, errStopped
		case len(l.idle) > 0:
			client := l.idle[len(l.idle)-1]
			l.idle = l.idle[:len(l.idle)-1]
			if p.e.Lab().Rare("broker/peer-reconnected") {
				client.Close() // connections end at any time
				l.open--
				continue
			}
			l.busy = append(l.busy, client)
			return l, client, nil
		case left <= 0:
			return nil, nil, fmt.Errorf("broker: %d requests to %s (%s) are under way already: %w", l.open, addr, laneName, os.ErrDeadlineExceeded)
		case l.open < maxLaneConnections:
			l.open++
			client, err := p.dial(addr, left)
			if err == nil && p.isClosed(laneName) {
				client.Close()
				err = errStopped
			}
			if err != nil {
				l.open--
				p.released.Broadcast()
				return nil, nil, err
			}
			l.busy = append(l.busy, client)
			return l, client, nil
		}
		p.released.WaitTimeout(left)
	}
}

// dial connects without holding the lock, which it takes again.
func (p *peers) dial(addr string, timeout time.Duration) (*protocol.Client, error) {
	p.mu.Unlock()
	defer p.mu.Lock()
	return protocol.Dial(p.e, addr, p.clientID, timeout)
}

func (p *peers) giveBack(l *lane, client *protocol.Client, usable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(l.busy, client); i >= 0 {
		l.busy = slices.Delete(l.busy, i, i+1)
	}
	if usable && !p.isClosed(l.name) {
		l.idle = append(l.idle, client)
	} else {
		client.Close()
		l.open--
	}
	p.released.Broadcast()
}

func (p *peers) isClosed(laneName string) bool {
	return slices.ContainsFunc(p.closed, func(prefix string) bool { return strings.HasPrefix(laneName, prefix) })
}

// cutOff fails all requests under way in the lanes whose name begins so. Later
// ones open new connections.
func (p *peers) cutOff(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutOffLocked(prefix)
}

func (p *peers) cutOffLocked(prefix string) {
	for _, key := range env.SortedKeys(p.lanes) {
		if l := p.lanes[key]; strings.HasPrefix(l.name, prefix) {
			for _, c := range l.busy {
				c.Close()
			}
			for _, c := range l.idle {
				c.Close()
			}
			l.open -= len(l.idle)
			l.idle = nil
		}
	}
	p.released.Broadcast()
}

// close is cutOff for ever: requests in progress and later ones fail.
func (p *peers) close(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = append(p.closed, prefix)
	p.cutOffLocked(prefix)
}
