package brokertest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// Option says how a cluster differs from the usual one.
type Option func(*options) error

type options struct {
	settings []setting
	topics   []topic
	logDirs  []string // the root of the broker's files if there are none
	logf     func(format string, args ...any)
}

type setting struct {
	broker      int32 // 0 for all
	name, value string
}

type topic struct {
	name       string
	partitions int32
	configs    []string
}

// Set gives all brokers a setting by its Kafka name, as a line of Kafka's
// server.properties does. "weir broker --settings" lists what there is.
func Set(name, value string) Option { return SetOn(0, name, value) }

// SetOn is Set for one broker, 0 for all: broker.rack, for example.
func SetOn(id int32, name, value string) Option {
	return func(o *options) error {
		if own := ofTheCluster[name]; own != "" {
			return fmt.Errorf("%s is %s", name, own)
		}
		o.settings = append(o.settings, setting{id, name, value})
		return nil
	}
}

// ofTheCluster are the settings that a cluster gives its brokers itself.
var ofTheCluster = map[string]string{
	"node.id":                  "given by the cluster: brokers are 1 to n",
	"listeners":                "given by the cluster: see Addrs",
	"advertised.listeners":     "given by the cluster: see Addrs",
	"controller.quorum.voters": "given by the cluster: every broker is a voter",
	"log.dirs":                 "given by the cluster: see Dir and LogDirs",
	"metadata.log.dir":         "given by the cluster: see LogDirs",
}

// LogDirs gives every broker so many log directories, named disk-1 and up below
// [Cluster.Dir], and one of its own for the metadata log. Each of them can fail
// ([DiskFault].LogDir).
func LogDirs(n int) Option {
	return func(o *options) error {
		if n < 1 {
			return fmt.Errorf("a broker needs a log directory, not %d", n)
		}
		o.logDirs = nil
		for i := range n {
			o.logDirs = append(o.logDirs, fmt.Sprint("disk-", i+1))
		}
		return nil
	}
}

// Topic has a topic made before the cluster is handed over, with the replication
// factor of default.replication.factor and with configs as "name=value".
func Topic(name string, partitions int32, configs ...string) Option {
	return func(o *options) error {
		o.topics = append(o.topics, topic{name, partitions, configs})
		return nil
	}
}

// LogTo tells what happens in the brokers (elections, changes of in-sync
// replicas, truncations, refused requests) by a function like t.Logf.
func LogTo(logf func(format string, args ...any)) Option {
	return func(o *options) error {
		o.logf = logf
		return nil
	}
}

// configs are the configurations of the brokers that listen at these addresses,
// for clients and for controllers.
func (o *options) configs(addrs, controllers []string) ([]broker.Config, error) {
	n := len(addrs)
	var voters []broker.Voter
	for i, addr := range controllers {
		host, port, _ := strings.Cut(addr, ":")
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: host, Port: int32(number)})
	}
	all := make([]broker.Config, n)
	for i := range all {
		cfg := broker.DefaultConfig()
		cfg.NodeID, cfg.ClusterID, cfg.Listen, cfg.Voters = int32(i+1), clusterID, addrs[i], voters
		if len(o.logDirs) > 0 {
			cfg.Dirs, cfg.MetadataDir = o.logDirs, "metadata"
		}
		for _, s := range append(defaults(n), o.settings...) {
			if s.broker != 0 && s.broker != cfg.NodeID {
				continue
			}
			if err := cfg.Set(s.name, s.value); err != nil {
				return nil, err
			}
		}
		if err := cfg.Check(); err != nil {
			return nil, err
		}
		all[i] = cfg
	}
	return all, nil
}

// clusterID is the cluster.id of every cluster.
const clusterID = "d2VpcmJyb2tlcnRlc3Rz"

// defaults are what tests want otherwise than Kafka has it.
func defaults(n int) []setting {
	replicas := strconv.Itoa(min(3, n))
	return []setting{
		{0, "default.replication.factor", replicas},
		{0, "offsets.topic.replication.factor", replicas},
		{0, "offsets.topic.num.partitions", "1"},
		{0, "auto.leader.rebalance.enable", "false"}, // leaders stay where the test has them
		{0, "group.initial.rebalance.delay.ms", "0"},
		{0, "group.min.session.timeout.ms", "10"},
		{0, "controller.quorum.retry.backoff.ms", "2"},
	}
}

// describe is an event as a line.
func describe(name string, attrs []env.Attr) string {
	var line strings.Builder
	line.WriteString(name)
	for _, a := range attrs {
		if a.IsText {
			fmt.Fprintf(&line, " %s=%q", a.Key, a.Text)
		} else {
			fmt.Fprintf(&line, " %s=%d", a.Key, a.Int)
		}
	}
	return line.String()
}
