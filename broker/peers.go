package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// peers holds this node's connections to other nodes. A connection carries one
// request at a time, so requests that may wait long (a fetch) and requests that
// must not (a heartbeat) travel in different lanes.
type peers struct {
	e        env.Env
	clientID string
	versions *protocol.Table

	mu      env.Mutex // guards what is below and every lane's client; taken after a lane's busy
	lanes   map[string]*lane
	stopped bool
}

// lane is one connection, opened when first used and again after a failure.
type lane struct {
	busy   env.Mutex // held for the length of a request
	client *protocol.Client
}

var errStopped = errors.New("broker: stopped")

func newPeers(e env.Env, clientID string) *peers {
	return &peers{e: e, clientID: clientID, mu: e.NewMutex(), lanes: map[string]*lane{}}
}

// request sends req to the node at addr in the named lane. A request without a
// version gets the newest that this program speaks.
func (p *peers) request(addr, laneName string, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	if req.GetVersion() == 0 {
		if api, ok := p.versions.Lookup(req.Key()); ok {
			req.SetVersion(api.MaxVersion)
		}
	}
	started := p.e.Now()
	l := p.lane(addr + " " + laneName)
	l.busy.Lock()
	defer l.busy.Unlock()
	client, err := p.connect(l, addr, timeout)
	if err != nil {
		return nil, err
	}
	resp, err := client.Request(req, max(timeout-(p.e.Now()-started), time.Millisecond))
	if err != nil {
		p.mu.Lock()
		l.client = nil
		p.mu.Unlock()
	}
	return resp, err
}

func (p *peers) lane(key string) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[key]
	if l == nil {
		l = &lane{busy: p.e.NewMutex()}
		p.lanes[key] = l
	}
	return l
}

// connect returns the lane's connection, opening it if need be. The lane is busy.
func (p *peers) connect(l *lane, addr string, timeout time.Duration) (*protocol.Client, error) {
	p.mu.Lock()
	client, stopped := l.client, p.stopped
	p.mu.Unlock()
	if stopped {
		return nil, errStopped
	}
	if client != nil {
		return client, nil
	}
	client, err := protocol.Dial(p.e, addr, p.clientID, timeout)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		client.Close()
		return nil, errStopped
	}
	l.client = client
	return client, nil
}

// stop closes every connection; requests in progress and later ones fail.
func (p *peers) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, key := range env.SortedKeys(p.lanes) {
		if c := p.lanes[key].client; c != nil {
			c.Close()
		}
	}
}
