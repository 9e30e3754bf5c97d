package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// heap is what each broker has.
	heap = "512m"
	// startPatience is how long a broker may take to listen, or to stop.
	startPatience = time.Minute
)

// Node is one node of a cluster of Apache Kafka, broker and controller in one.
type Node struct {
	ID          int
	Addr        string   // of its listener for clients
	Controllers []string // of all nodes, by ascending id from 1
	Dir         string   // has its data, its server.properties and its log
	Settings    []string // further lines of server.properties, which count more
}

// Properties is the node's server.properties.
func (n Node) Properties() string {
	voters := make([]string, len(n.Controllers))
	for i, addr := range n.Controllers {
		voters[i] = fmt.Sprintf("%d@%s", i+1, addr)
	}
	return strings.Join(append([]string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n.ID),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"listeners=PLAINTEXT://" + n.Addr + ",CONTROLLER://" + n.Controllers[n.ID-1],
		"advertised.listeners=PLAINTEXT://" + n.Addr,
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + n.DataDir(),
		fmt.Sprintf("offsets.topic.replication.factor=%d", min(3, len(n.Controllers))),
		"auto.create.topics.enable=false",
	}, n.Settings...), "\n") + "\n"
}

// DataDir is where the node's partitions are.
func (n Node) DataDir() string { return filepath.Join(n.Dir, "data") }

// Prepare writes the node's server.properties and formats its directories, as
// kafka-storage.sh format does. clusterID is a UUID in Kafka's base64. What it
// gives is the command that runs the node.
func (j Jars) Prepare(n Node, clusterID string) (*exec.Cmd, error) {
	file := filepath.Join(n.Dir, "server.properties")
	if err := errors.Join(os.MkdirAll(n.Dir, 0o755), os.WriteFile(file, []byte(n.Properties()), 0o644)); err != nil {
		return nil, err
	}
	if text, err := j.Command("kafka.tools.StorageTool", "format", "--cluster-id", clusterID, "--config", file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apache kafka: formatting %s with the jars of %s: %w: %s", n.DataDir(), j.Dir, err, strings.TrimSpace(string(text)))
	}
	return exec.Command(j.java, "-Xmx"+heap, "-Xms"+heap, "-cp", filepath.Join(j.Dir, "*"), "kafka.Kafka", file), nil
}

// Cluster is nodes of Apache Kafka that run.
type Cluster struct {
	Nodes []Node
	runs  []*exec.Cmd
	ended []chan struct{}
}

// Start starts n nodes below a directory and returns when they listen. settings are
// further lines of each server.properties.
func (j Jars) Start(ctx context.Context, n int, dir string, settings ...string) (*Cluster, error) {
	addrs, err := FreeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	for i := range n {
		node := Node{ID: i + 1, Addr: addrs[i], Controllers: addrs[n:], Dir: filepath.Join(dir, fmt.Sprint("node-", i+1)), Settings: settings}
		cmd, err := j.Prepare(node, "MkU3OEVBNTcwNTJENDM2Qk")
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		log, err := os.Create(filepath.Join(node.Dir, "server.log"))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		cmd.Stdout, cmd.Stderr = log, log
		err = cmd.Start()
		_ = log.Close()
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait() // how it ended is in its log
			close(ended)
		}()
		c.Nodes, c.runs, c.ended = append(c.Nodes, node), append(c.runs, cmd), append(c.ended, ended)
	}
	for i := range c.Nodes {
		if err := c.awaitListening(ctx, i); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// Addrs are the addresses for clients.
func (c *Cluster) Addrs() (addrs []string) {
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr)
	}
	return addrs
}

func (c *Cluster) awaitListening(ctx context.Context, i int) error {
	for deadline := time.Now().Add(startPatience); ; time.Sleep(50 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Nodes[i].Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.ended[i]:
			return fmt.Errorf("apache kafka: node %d has ended; its log is %s", i+1, filepath.Join(c.Nodes[i].Dir, "server.log"))
		default:
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("apache kafka: node %d does not listen; its log is %s: %w", i+1, filepath.Join(c.Nodes[i].Dir, "server.log"), err)
		}
	}
}

// Close stops the nodes in good order, and returns when they have ended.
func (c *Cluster) Close() error {
	var errs []error
	for _, run := range c.runs {
		_ = run.Process.Signal(syscall.SIGTERM)
	}
	patience := time.After(startPatience)
	for i, run := range c.runs {
		select {
		case <-c.ended[i]:
		case <-patience:
			errs = append(errs, fmt.Errorf("apache kafka: node %d did not stop when told to", i+1), run.Process.Kill())
			<-c.ended[i]
		}
	}
	c.runs, c.ended = nil, nil
	return errors.Join(errs...)
}

// FreeAddresses finds ports of this machine that nobody listens on.
func FreeAddresses(n int) (addrs []string, _ error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
