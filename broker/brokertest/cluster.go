package brokertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// patience is how long a cluster has for what should take a moment.
const patience = 30 * time.Second

// Cluster is a running cluster of brokers in this process. Its methods may be
// called from any goroutine. Where one cannot do what it is for, it fails the
// test, and must then be called from the test's own goroutine; a cluster made by
// Start panics instead.
type Cluster struct {
	fatalf func(format string, args ...any)
	dir    string // each broker's files are in one below it
	own    bool   // dir is to be removed
	logf   func(format string, args ...any)
	nodes  []*node
	ports  []*port
	peers  peers
	faults faults

	mu      sync.Mutex
	envs    []*osenv.Env   // of all processes so far
	ending  sync.WaitGroup // of processes that were killed
	closing bool
	changed chan struct{} // closed, and replaced, when something has happened
}

// node is one broker of the cluster, running or not.
type node struct {
	id   int32
	addr string
	cfg  broker.Config
	disk disk

	life  sync.Mutex // held while the broker starts or ends
	proc  atomic.Pointer[process]
	epoch atomic.Int64 // of the registration of the last process that was killed
}

// process is one run of a broker.
type process struct {
	machine *machine
	broker  *broker.Broker
}

// NewCluster starts brokers 1 to n on the loopback interface, each of them a
// voter of the metadata quorum too, and returns when all of them serve. They
// keep their files below t.TempDir. When the test ends they are killed, and
// the test fails if a goroutine, a file or a connection of theirs is left, or
// if a fault that was to happen did not.
func NewCluster(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	c, err := start(t.TempDir(), n, opts)
	if err != nil {
		t.Fatal(err)
	}
	c.fatalf = func(format string, args ...any) {
		t.Helper()
		t.Fatalf(format, args...)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return c
}

// Start is NewCluster for a cluster that outlives one test: files are kept in a
// new directory below os.TempDir, and Close ends it.
func Start(n int, opts ...Option) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "brokertest")
	if err != nil {
		return nil, fmt.Errorf("brokertest: %w", err)
	}
	c, err := start(dir, n, opts)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c.fatalf = func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
	c.own = true
	return c, nil
}

func start(dir string, n int, opts []Option) (*Cluster, error) {
	if n < 1 || n > 99 {
		return nil, fmt.Errorf("brokertest: a cluster of %d brokers is not possible; use 1 to 99", n)
	}
	var o options
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, fmt.Errorf("brokertest: %w", err)
		}
	}
	c := &Cluster{dir: dir, logf: o.logf, changed: make(chan struct{})}
	c.peers.local = map[string]bool{}
	c.faults.cluster = c
	addrs, err := c.reserve(n)
	if err != nil {
		return nil, fmt.Errorf("brokertest: find a port: %w", err)
	}
	controllers := addrs // a single broker is its own controller, in one place
	if n > 1 {
		controllers, err = c.reserve(n)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("brokertest: find a port: %w", err), c.Close())
	}
	configs, err := o.configs(addrs, controllers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("brokertest: %w", err), c.Close())
	}
	for i, cfg := range configs {
		cfg.Wrap = c.faults.wrap(cfg.NodeID)
		c.nodes = append(c.nodes, &node{id: cfg.NodeID, addr: addrs[i], cfg: cfg})
	}
	err = c.startAll()
	for _, t := range o.topics {
		if err == nil {
			err = c.createTopic(t)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("brokertest: %w", err), c.Close())
	}
	return c, nil
}

// reserve finds n free ports.
func (c *Cluster) reserve(n int) ([]string, error) {
	var addrs []string
	for range n {
		p, addr, err := reservePort()
		if err != nil {
			return nil, err
		}
		c.ports = append(c.ports, p)
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// startAll starts all brokers side by side and waits until they serve.
func (c *Cluster) startAll() error {
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() { errs[i] = c.run(n) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if b := c.nodes[0].running(); b != nil {
		b.StandForElection(0)
	}
	return c.await("all brokers to serve", func() bool {
		for _, n := range c.nodes {
			if !c.shown(n.id) {
				return false
			}
		}
		return len(c.runners()) == len(c.nodes)
	})
}

// shown reports whether every broker that runs shows a broker to clients.
func (c *Cluster) shown(id int32) bool {
	return c.everywhere(func(m *kmsg.MetadataResponse) bool {
		return slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == id })
	})
}

// everywhere reports whether something holds for what every broker that runs
// tells clients about brokers and these topics.
func (c *Cluster) everywhere(holds func(*kmsg.MetadataResponse) bool, topics ...string) bool {
	for _, b := range c.runners() {
		req := kmsg.NewPtrMetadataRequest()
		req.Version, req.Topics = 12, []kmsg.MetadataRequestTopic{}
		for _, name := range topics {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = &name
			req.Topics = append(req.Topics, t)
		}
		resp, err := b.Do(req)
		if err != nil || !holds(resp.(*kmsg.MetadataResponse)) {
			return false
		}
	}
	return true
}

func (c *Cluster) createTopic(t topic) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, int32(patience.Milliseconds())
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.name, t.partitions, -1
	for _, text := range t.configs {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("topic %s: write %q as name=value", t.name, text)
		}
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = name, &value
		rt.Configs = append(rt.Configs, rc)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	made := resp.(*kmsg.CreateTopicsResponse).Topics[0]
	if made.ErrorCode != 0 {
		return fmt.Errorf("topic %s: %w", t.name, coded(made.ErrorCode, made.ErrorMessage))
	}
	return nil
}

// do asks any broker that runs.
func (c *Cluster) do(req kmsg.Request) (kmsg.Response, error) {
	for _, b := range c.runners() {
		return b.Do(req)
	}
	return nil, errors.New("no broker runs")
}

// Addrs are the addresses of all brokers, "host:port" in the order of their ids,
// whether they run or not.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.addr
	}
	return addrs
}

// Dir is the directory of a broker's files, as they are on disk.
func (c *Cluster) Dir(id int32) string {
	return filepath.Join(c.dir, "broker-"+strconv.Itoa(int(id)))
}

// CreateTopic makes a topic, as the option [Topic] does, and returns when it can
// be written and read through every broker.
func (c *Cluster) CreateTopic(name string, partitions int32, configs ...string) {
	if err := c.createTopic(topic{name, partitions, configs}); err != nil {
		c.fatalf("brokertest: %v", err)
	}
}

// Close kills all brokers. It reports what they leave behind, and faults that
// were to happen and did not. A cluster of NewCluster is closed by the test.
func (c *Cluster) Close() error {
	c.mu.Lock()
	closed := c.closing
	c.closing = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	err := c.faults.unhappened()
	c.faults.end()
	for _, n := range c.nodes {
		c.kill(n)
	}
	c.ending.Wait()
	for _, e := range c.envs {
		if left := osenvtest.Left(e, patience); left != "" {
			err = errors.Join(err, fmt.Errorf("brokertest: %s has ended and still holds:%s", e.NodeName(), left))
		}
	}
	for _, p := range c.ports {
		p.release()
	}
	if c.own {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// happened wakes those who await something.
func (c *Cluster) happened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until something holds. It looks whenever a broker tells of an
// event, and every few milliseconds.
func (c *Cluster) await(what string, holds func() bool) error {
	end := time.Now().Add(patience)
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if holds() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %v in vain for %s", patience, what)
		}
		pause := time.NewTimer(2 * time.Millisecond)
		select {
		case <-changed:
		case <-pause.C:
		}
		pause.Stop()
	}
}
