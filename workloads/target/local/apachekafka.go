//go:build unix

package local

import (
	"errors"
	"fmt"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// KafkaOptions say where Apache Kafka is.
type KafkaOptions struct {
	// Jars are Kafka's.
	Jars apachekafka.Jars
	// Dir is where brokers keep their data and logs.
	Dir string
}

// NewKafka prepares brokers of Apache Kafka, each a controller too, on this
// machine. They start with Direct, and are broken as Weir's own are; their logs
// are not read.
func NewKafka(s *scenario.Scenario, o KafkaOptions, tell target.Listener) (target.Cluster, error) {
	if o.Jars.Dir == "" || o.Dir == "" {
		return nil, errors.New("target apache-kafka: it is not said where Kafka's jars are, or where brokers keep their data")
	}
	id := metadata.TopicID{byte(s.Seed), byte(s.Seed >> 8), 1}.String()
	c, err := newCluster(s, o.Dir, tell, func(c *Cluster, i int, controllers []string, p *process) error {
		c.name = "the target apache-kafka"
		node := apachekafka.Node{ID: i + 1, Addr: c.addrs[i], Controllers: controllers, Dir: p.dir}
		for _, name := range s.Cluster.Properties.Names() {
			node.Settings = append(node.Settings, name+"="+s.Cluster.Properties[name])
		}
		cmd, err := o.Jars.Prepare(node, id)
		if err != nil {
			return fmt.Errorf("target apache-kafka: %w", err)
		}
		p.args = cmd.Args
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}
