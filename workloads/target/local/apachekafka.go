//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
		file := filepath.Join(o.Dir, p.name+".properties")
		if err := os.WriteFile(file, []byte(kafkaProperties(s, i, c.addrs, controllers, p.dir)), 0o644); err != nil {
			return err
		}
		if err := o.Jars.Format(file, id); err != nil {
			return fmt.Errorf("target apache-kafka: %w", err)
		}
		p.args = o.Jars.Broker(file).Args
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// kafkaProperties is server.properties of one broker.
func kafkaProperties(s *scenario.Scenario, i int, addrs, controllers []string, dir string) string {
	voters := make([]string, len(controllers))
	for k, addr := range controllers {
		voters[k] = fmt.Sprintf("%d@%s", k+1, addr)
	}
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", i+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"listeners=PLAINTEXT://" + addrs[i] + ",CONTROLLER://" + controllers[i],
		"advertised.listeners=PLAINTEXT://" + addrs[i],
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "data"),
		fmt.Sprintf("offsets.topic.replication.factor=%d", min(3, len(addrs))),
		"auto.create.topics.enable=false",
	}
	for _, name := range s.Cluster.Properties.Names() {
		lines = append(lines, name+"="+s.Cluster.Properties[name])
	}
	return strings.Join(lines, "\n") + "\n"
}
