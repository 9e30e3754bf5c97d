package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
)

// Client is a Kafka cluster as seen from one process. Its methods may be
// called from any task.
type Client struct {
	e   env.Env
	cfg Config

	mu      env.Mutex // guards what follows
	closed  bool
	peers   map[peerKey]*peer
	jitter  *env.Rand
	nextAny int // rotates the choice of a broker when any will do

	coordinators map[coordinatorKey]int32
	consumers    int32 // made so far
	features     features

	meta    metadata
	wanted  env.Cond // metadata should be refreshed
	updated env.Cond // metadata has been refreshed, or the client was closed
	watch   []watcher
}

// watcher is told, without locks held, that metadata has changed.
type watcher interface{ metadataChanged() }

// purpose separates connections to one broker: a fetch that waits for data
// must not hold up anything else.
type purpose int32

const (
	forGeneral purpose = iota
	forProduce
	forGroup
	forJoin  // requests that wait for a whole group
	forFetch // and above: each consumer has its own
)

type peerKey struct {
	node int32 // below anyBroker: a bootstrap address
	purpose
}

// anyBroker, as a node id, means whichever broker answers.
const anyBroker int32 = -1

// peer is the place of a connection that is opened when needed.
type peer struct {
	key peerKey
	mu  env.Mutex // held while connecting; taken before Client.mu
	cur *conn

	// The last failure to connect: whoever waited for it meanwhile shares it.
	failure  error
	failedAt time.Duration
}

// New returns a client. It does not connect until something is asked of it.
func New(e env.Env, cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{
		e:            e,
		cfg:          cfg,
		mu:           e.NewMutex(),
		peers:        map[peerKey]*peer{},
		coordinators: map[coordinatorKey]int32{},
		jitter:       e.Rand("client-backoff", cfg.ClientID),
	}
	c.wanted = e.NewCond(c.mu)
	c.updated = e.NewCond(c.mu)
	c.meta.init()
	c.nextAny = e.Rand("client-bootstrap", cfg.ClientID).Intn(len(cfg.Bootstrap))
	e.Go("client-metadata", c.metadataLoop)
	return c, nil
}

// Close closes every connection and ends the client's tasks. Close producers
// and consumers first: what they have under way fails as disconnected.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	peers := make([]*peer, 0, len(c.peers))
	for _, key := range sortedPeers(c.peers) {
		peers = append(peers, c.peers[key])
	}
	c.wanted.Broadcast()
	c.updated.Broadcast()
	c.mu.Unlock()
	for _, p := range peers {
		p.mu.Lock()
		if p.cur != nil {
			p.cur.kill(ErrClosed)
		}
		p.mu.Unlock()
	}
}

func sortedPeers(m map[peerKey]*peer) []peerKey {
	keys := make([]peerKey, 0, len(m))
	for k := range m { //weir:ordered sorted below
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b peerKey) int {
		if a.node != b.node {
			return int(int64(a.node) - int64(b.node))
		}
		return int(a.purpose) - int(b.purpose)
	})
	return keys
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// connect returns a live connection to a broker, opening one if need be. Its
// errors wrap errNotSent.
func (c *Client) connect(node int32, why purpose) (*conn, error) {
	c.mu.Lock()
	key := peerKey{node, why}
	p := c.peers[key]
	if p == nil {
		p = &peer{key: key, mu: c.e.NewMutex()}
		c.peers[key] = p
	}
	c.mu.Unlock()

	began := c.e.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	c.mu.Lock()
	addr, ok := c.address(node)
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, fmt.Errorf("%w: %w", errNotSent, ErrClosed)
	}
	if !ok {
		return nil, fmt.Errorf("%w: broker %d is not in the metadata", errNotSent, node)
	}
	if p.cur != nil {
		if p.cur.alive() && p.cur.addr == addr {
			return p.cur, nil
		}
		p.cur.kill(ErrDisconnected)
		p.cur = nil
	}
	if p.failure != nil && p.failedAt > began {
		return nil, p.failure
	}
	k, err := c.dial(node, addr)
	if err != nil {
		p.failure, p.failedAt = fmt.Errorf("%w: %w", errNotSent, err), c.e.Now()
		return nil, p.failure
	}
	// Close may have looked for connections while this one was being opened.
	if c.isClosed() {
		k.kill(ErrClosed)
		return nil, fmt.Errorf("%w: %w", errNotSent, ErrClosed)
	}
	p.cur = k
	return k, nil
}

// disconnect closes all connections of one purpose.
func (c *Client) disconnect(why purpose) {
	c.mu.Lock()
	var peers []*peer
	for _, key := range sortedPeers(c.peers) {
		if key.purpose == why {
			peers = append(peers, c.peers[key])
			delete(c.peers, key)
		}
	}
	c.mu.Unlock()
	for _, p := range peers {
		p.mu.Lock()
		if p.cur != nil {
			p.cur.kill(ErrClosed)
		}
		p.mu.Unlock()
	}
}

// address is where a node listens. c.mu is held.
func (c *Client) address(node int32) (string, bool) {
	if node < anyBroker {
		i := int(anyBroker - 1 - node)
		if i >= len(c.cfg.Bootstrap) {
			return "", false
		}
		return c.cfg.Bootstrap[i], true
	}
	addr, ok := c.meta.brokers[node]
	return addr, ok
}

// candidates lists the nodes to ask when any broker will do: those known from
// metadata, then the bootstrap addresses, each from a rotating start.
func (c *Client) candidates() []int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextAny++
	known := env.SortedKeys(c.meta.brokers)
	nodes := make([]int32, 0, len(known)+len(c.cfg.Bootstrap))
	for i := range known {
		nodes = append(nodes, known[(i+c.nextAny)%len(known)])
	}
	for i := range c.cfg.Bootstrap {
		nodes = append(nodes, anyBroker-1-int32((i+c.nextAny)%len(c.cfg.Bootstrap)))
	}
	return nodes
}

// maxVersions pins the newest version the client speaks of each API that it
// uses itself. From Fetch 13, Produce 13 and others on, topics are named by
// id.
func maxVersion(key int16) int16 {
	switch kmsg.Key(key) {
	case kmsg.Produce:
		return 11
	case kmsg.Fetch:
		return 12
	case kmsg.ListOffsets:
		return 7
	case kmsg.Metadata:
		return 12
	case kmsg.OffsetCommit:
		return 9
	case kmsg.OffsetFetch:
		return 7
	case kmsg.FindCoordinator:
		return 3
	case kmsg.JoinGroup:
		return 7
	case kmsg.AddPartitionsToTxn: // from 4 on it is for brokers
		return 3
	case kmsg.ConsumerGroupHeartbeat, kmsg.ShareGroupHeartbeat:
		return 1
	case kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.OffsetForLeaderEpoch, kmsg.AddOffsetsToTxn:
		return 4
	case kmsg.SyncGroup, kmsg.InitProducerID, kmsg.EndTxn, kmsg.TxnOffsetCommit:
		return 5
	}
	if req := kmsg.RequestForKey(key); req != nil {
		return req.MaxVersion()
	}
	return 0
}

// once makes one wire attempt. An error that wraps errNotSent means that
// nothing was sent.
func (c *Client) once(node int32, why purpose, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	return c.onceUpTo(maxVersion(req.Key()), node, why, req, timeout)
}

// onceUpTo is once in a version that is at most highest.
func (c *Client) onceUpTo(highest int16, node int32, why purpose, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	k, err := c.connect(node, why)
	if err != nil {
		return nil, err
	}
	version, err := k.version(req.Key(), highest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	req.SetVersion(version)
	return k.roundTrip(req, timeout)
}

// Request makes one wire attempt to send req to a broker and returns the
// response; the version is chosen by the client. Broker -1 means any: then
// brokers are tried until a connection can be opened. The response's error
// codes are the caller's to read.
func (c *Client) Request(broker int32, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	if broker != anyBroker {
		return c.once(broker, forGeneral, req, timeout)
	}
	var err error
	for _, node := range c.candidates() {
		var resp kmsg.Response
		resp, err = c.once(node, forGeneral, req, timeout)
		if err == nil || !errors.Is(err, errNotSent) {
			return resp, err
		}
	}
	return nil, err
}

// backoff is the pause after the given number of failed attempts, a fifth of
// it drawn at random.
func (c *Client) backoff(failures int32) time.Duration {
	d := c.cfg.RetryBackoff
	for i := int32(1); i < failures && d < c.cfg.RetryBackoffMax; i++ {
		d *= 2
	}
	d = min(d, c.cfg.RetryBackoffMax)
	c.mu.Lock()
	defer c.mu.Unlock()
	return d - time.Duration(c.jitter.Int64n(int64(d/5)+1))
}

// retriable reports whether an operation without lasting effect is worth
// another attempt after err.
func retriable(err error) bool {
	var never permanent
	if errors.Is(err, ErrClosed) || errors.As(err, &never) {
		return false
	}
	var kafka *kerr.Error
	if errors.As(err, &kafka) {
		return kafka.Retriable
	}
	return true // connection trouble
}

// retry calls attempt until it succeeds, fails for good, or timeout has
// passed. Each attempt is told how much time is left.
func (c *Client) retry(timeout time.Duration, attempt func(left time.Duration) error) error {
	end := c.e.Now() + timeout
	for failures := int32(1); ; failures++ {
		left := end - c.e.Now()
		err := attempt(max(min(left, c.cfg.RequestTimeout), time.Millisecond))
		if err == nil || !retriable(err) {
			return err
		}
		pause := c.backoff(failures)
		if c.isClosed() {
			return ErrClosed
		}
		if end-c.e.Now() <= pause {
			return fmt.Errorf("gave up after %s: %w", timeout, err)
		}
		c.e.Sleep(pause)
	}
}
