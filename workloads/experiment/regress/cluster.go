package regress

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/workloads/client"
)

// The cluster under test.
const (
	topicName  = "regress"
	brokers    = 3
	partitions = 12
)

// cluster is one process that holds three brokers.
type cluster struct {
	cmd   *exec.Cmd
	log   *os.File
	dir   string
	ended chan struct{}
	first string // address of the first broker

	wires  []*wire  // one for each worker, to the leader of its partition
	single [][]byte // a Produce request of one record, for each partition
	batch  [][]byte // and one of a batch
	fetch  [][]byte // a Fetch request from the start of each partition
}

// Ports are drawn from below those that the system gives to connections
// (from 32768 on Linux, 49152 elsewhere), or a connection could take one before
// the broker does.
const (
	firstPort = 20000
	lastPort  = 32000
)

// ports gives every cluster of a comparison ports of its own: a broker that was
// just started has not taken its ports yet.
type ports struct{ next int }

func newPorts() *ports { return &ports{firstPort + rand.IntN(lastPort-firstPort)} }

// free finds a first port after which others are free too.
func (p *ports) free(n int) (int, error) {
	var last error
	for range 100 {
		port := p.next
		if p.next += n; p.next > lastPort {
			p.next = firstPort
		}
		if last = portsFree(port, n); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("finding %d free ports in a row: %w", n, last)
}

func portsFree(port, n int) error {
	for i := range n {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)))
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	return nil
}

// startCluster starts the binary as a cluster of three brokers over loopback.
// It does not wait for it.
func startCluster(b Build, dir string, p *ports) (*cluster, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := p.free(2 * brokers) // and their controllers
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "broker.log"))
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, log: log, ended: make(chan struct{}), first: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	args := []string{"broker", "--nodes", strconv.Itoa(brokers), "--listen", c.first, "--data", filepath.Join(dir, "data")}
	c.cmd = exec.Command(b.Binary, append(args, b.Arguments...)...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = ownGroup()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", b.Name, err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is in its log
		close(c.ended)
	}()
	return c, nil
}

// prepare waits for the brokers, makes the topic and connects to the leaders.
func (c *cluster) prepare() error {
	e, err := osenv.New(osenv.Options{Node: "weir-regress"})
	if err != nil {
		return err
	}
	cl, err := client.New(e, client.Config{Bootstrap: []string{c.first}, ClientID: "weir-regress", RetryBackoff: 20 * time.Millisecond, RetryBackoffMax: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := cl.Admin()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := admin.CreateTopic(client.NewTopic{Name: topicName, Partitions: partitions, ReplicationFactor: brokers}, 2*time.Second)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			break
		}
		if gone := c.gone(); gone != nil {
			return gone
		}
		if time.Now().After(deadline) {
			return err
		}
	}
	if err := admin.WaitReady(topicName, patience); err != nil {
		return err
	}
	topic, err := admin.DescribeTopic(topicName, patience)
	if err != nil {
		return err
	}
	return c.connect(topic)
}

func (c *cluster) connect(topic client.Topic) error {
	host, portText, err := net.SplitHostPort(c.first)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return err
	}
	one, many := recordBatch(1), recordBatch(batchRecords)
	for p := range int32(partitions) {
		c.single = append(c.single, produceFrame(topicName, p, one))
		c.batch = append(c.batch, produceFrame(topicName, p, many))
		c.fetch = append(c.fetch, fetchFrame(topicName, p, 0, fetchBytes))
	}
	for i := range mostWorkers {
		leader := topic.Partitions[i%partitions].Leader
		// Brokers of one process have the ids 1, 2, 3 and ports in a row.
		w, err := dial(net.JoinHostPort(host, strconv.Itoa(port+int(leader)-1)))
		if err != nil {
			return err
		}
		c.wires = append(c.wires, w)
	}
	return c.settle()
}

// settle waits until each leader serves its partition: metadata tells of it a
// moment earlier.
func (c *cluster) settle() error {
	for p := range partitions {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			_, err := c.produce(p, c.single[p])
			if err == nil {
				break
			}
			if !kerr.IsRetriable(err) || time.Now().After(deadline) {
				return err
			}
		}
	}
	return c.fill()
}

// gone is how the process ended, if it did.
func (c *cluster) gone() error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	said, _ := os.ReadFile(c.log.Name())
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	return fmt.Errorf("%s ended: %s", filepath.Base(c.cmd.Path), lines[len(lines)-1])
}

// stop kills the process; nothing it wrote is wanted any more.
func (c *cluster) stop() {
	for _, w := range c.wires {
		_ = w.conn.Close()
	}
	_ = c.cmd.Process.Kill()
	<-c.ended
	_ = c.log.Close()
	_ = os.RemoveAll(c.dir)
}
