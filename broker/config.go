package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// Voter is a member of the metadata quorum.
type Voter = controller.Voter

// Config says how one broker runs. Where a field stands for a Kafka setting,
// its comment names it.
type Config struct {
	NodeID    int32  // node.id
	ClusterID string // the same on every node; empty for a random one, which the quorum agrees on
	Listen    string // listeners: "host:port" to bind
	Advertise string // advertised.listeners: "host:port" for clients and peers; Listen if empty

	// ControllerListen is the "host:port" to bind for the controller, the
	// listener of controller.listener.names; the node's own address in Voters
	// if empty. Only voters have one, and the only voter of a quorum can do
	// without: its address in Voters is then that of Listen.
	ControllerListen string

	Voters []Voter  // controller.quorum.voters: where each voter's controller is reached
	Dirs   []string // log.dirs: directories, below the root of the node's file system
	Rack   string   // broker.rack

	// MetadataDir is metadata.log.dir, where the metadata log is; the first of
	// Dirs if empty.
	MetadataDir string

	config.Broker // every other setting

	ControlledShutdown time.Duration // how long a clean stop waits for leaders to move away

	// OnHighWatermark, if set, hears of every advance of the high watermark of
	// a partition that this broker leads. It must not block. Simulations check
	// with it that nothing is read above the high watermark.
	OnHighWatermark func(tp metadata.TopicPartition, leaderEpoch int32, offset int64)

	// OnRoll and OnFirstAppend, if set, hear of new segments, and of the first
	// records that the log of a replica gets of a leader epoch, at an offset. They
	// must not block. Simulations let things go wrong at these moments.
	OnRoll        func(tp metadata.TopicPartition, offset int64)
	OnFirstAppend func(tp metadata.TopicPartition, leaderEpoch int32, offset int64)

	// Wrap, if set, comes between requests and their handlers, on every listener:
	// it is given each API and returns it with another Handle or Begin. Tests of
	// clients have errors answered by it (package brokertest).
	Wrap func(protocol.API) protocol.API
}

// DefaultConfig is a single node with the defaults of the registry
// (package config), which are Kafka's unless it says otherwise.
func DefaultConfig() Config {
	return Config{
		NodeID:             1,
		Listen:             "127.0.0.1:9092",
		Dirs:               []string{"."},
		Broker:             config.DefaultBroker(),
		ControlledShutdown: 10 * time.Second,
	}
}

// Set gives the broker a setting by its Kafka name, as a line of Kafka's
// server.properties does. It reports, in one sentence, why the setting cannot
// have the value.
func (c *Config) Set(name, value string) error {
	if err := config.CheckStatic(name, value); err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	var err error
	switch name {
	case "node.id":
		var id int64
		id, err = strconv.ParseInt(value, 10, 32)
		c.NodeID = int32(id)
	case "listeners":
		c.Listen, err = listenerAddr(value)
	case "advertised.listeners":
		c.Advertise, err = listenerAddr(value)
	case "controller.quorum.voters":
		c.Voters, err = ParseVoters(value)
	case "log.dirs":
		if c.Dirs = config.Words(value); len(c.Dirs) == 0 {
			err = errors.New("name a directory")
		}
	case "metadata.log.dir":
		c.MetadataDir = value
	case "broker.rack":
		c.Rack = value
	default:
		return c.Broker.Set(name, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// listenerAddr is the address of the only listener there is.
func listenerAddr(value string) (string, error) {
	addr, ok := strings.CutPrefix(value, "PLAINTEXT://")
	if !ok || strings.Contains(addr, ",") {
		return "", fmt.Errorf("want one listener, PLAINTEXT://host:port, not %q", value)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", err
	}
	return addr, nil
}

// ParseVoters reads controller.quorum.voters: id@host:port, with commas between.
func ParseVoters(text string) ([]Voter, error) {
	var voters []Voter
	for _, word := range config.Words(text) {
		id, addr, ok := strings.Cut(word, "@")
		n, errID := strconv.ParseInt(id, 10, 32)
		host, portText, errAddr := net.SplitHostPort(addr)
		port, errPort := strconv.ParseUint(portText, 10, 16)
		if !ok || errID != nil || errAddr != nil || errPort != nil {
			return nil, fmt.Errorf("%q is not id@host:port", word)
		}
		voters = append(voters, Voter{ID: int32(n), Host: host, Port: int32(port)})
	}
	return voters, nil
}

// static is everything that the broker starts with, by name.
func (c Config) static() config.Static {
	values := c.Values()
	values["node.id"] = strconv.Itoa(int(c.NodeID))
	values["listeners"] = "PLAINTEXT://" + c.Listen
	values["log.dirs"] = strings.Join(c.Dirs, ",")
	if c.MetadataDir != "" {
		values["metadata.log.dir"] = c.MetadataDir
	}
	values["controller.quorum.voters"] = votersText(c.Voters)
	if c.Advertise != "" {
		values["advertised.listeners"] = "PLAINTEXT://" + c.Advertise
	}
	if c.Rack != "" {
		values["broker.rack"] = c.Rack
	}
	return config.NewStatic(c.NodeID, values)
}

func votersText(voters []Voter) string {
	text := make([]string, len(voters))
	for i, v := range voters {
		text[i] = fmt.Sprintf("%d@%s", v.ID, net.JoinHostPort(v.Host, strconv.Itoa(int(v.Port))))
	}
	return strings.Join(text, ",")
}

// Check reports the first setting that cannot work, by its Kafka name.
func (c Config) Check() error {
	if err := c.Broker.Check(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	if err := c.checkDirs(); err != nil {
		return err
	}
	switch {
	case c.NodeID < 0:
		return fmt.Errorf("broker: node.id is %d; it must not be negative", c.NodeID)
	case len(c.Voters) == 0:
		return fmt.Errorf("broker: controller.quorum.voters is empty; name at least one voter as id@host:port")
	case c.GroupMinSession > c.GroupMaxSession:
		return fmt.Errorf("broker: group.min.session.timeout.ms (%v) must not be above group.max.session.timeout.ms (%v)", c.GroupMinSession, c.GroupMaxSession)
	case c.GroupConsumerHeartbeat >= c.GroupConsumerSession:
		return fmt.Errorf("broker: group.consumer.heartbeat.interval.ms (%v) must be below group.consumer.session.timeout.ms (%v)", c.GroupConsumerHeartbeat, c.GroupConsumerSession)
	case c.BrokerHeartbeat >= c.BrokerSession:
		return fmt.Errorf("broker: broker.heartbeat.interval.ms (%v) must be below broker.session.timeout.ms (%v)", c.BrokerHeartbeat, c.BrokerSession)
	}
	seen := map[int32]bool{}
	for _, v := range c.Voters {
		if seen[v.ID] {
			return fmt.Errorf("broker: controller.quorum.voters lists node %d twice", v.ID)
		}
		seen[v.ID] = true
	}
	addrs := []string{c.Listen, c.advertised()}
	if at := c.controllerListen(); at != "" {
		addrs = append(addrs, at)
	}
	if own := c.ownVoter(); own != nil && len(c.Voters) > 1 && c.controllerListen() == "" {
		return fmt.Errorf("broker: controller.quorum.voters has node %d at %s, which is where it listens for clients; give its controller a port of its own", c.NodeID, c.Listen)
	}
	for _, addr := range addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("broker: listener %q is not host:port: %w", addr, err)
		}
	}
	return nil
}

// ownVoter is this node among the voters, nil if it is none of them.
func (c Config) ownVoter() *Voter {
	for i := range c.Voters {
		if c.Voters[i].ID == c.NodeID {
			return &c.Voters[i]
		}
	}
	return nil
}

// controllerListen is the "host:port" of the controller's listener, empty if
// the node has none.
func (c Config) controllerListen() string {
	own := c.ownVoter()
	if own == nil {
		return ""
	}
	at := net.JoinHostPort(own.Host, strconv.Itoa(int(own.Port)))
	if c.ControllerListen != "" {
		at = c.ControllerListen
	}
	if at == c.Listen || at == c.advertised() {
		return ""
	}
	return at
}

func (c Config) advertised() string {
	if c.Advertise != "" {
		return c.Advertise
	}
	return c.Listen
}
