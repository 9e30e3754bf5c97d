//go:build !unix

package local

import (
	"errors"
	"runtime"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Options say how brokers are started.
type Options struct {
	Broker []string
	Dir    string
}

// New needs signals, which this operating system does not have.
func New(*scenario.Scenario, Options, target.Listener) (target.Cluster, error) {
	return nil, errors.New("local target: there is none on " + runtime.GOOS + "; use the simulator")
}

// KafkaOptions say where Apache Kafka is.
type KafkaOptions struct {
	Jars apachekafka.Jars
	Dir  string
}

// NewKafka needs signals, as New does.
func NewKafka(*scenario.Scenario, KafkaOptions, target.Listener) (target.Cluster, error) {
	return nil, errors.New("target apache-kafka: there is none on " + runtime.GOOS + "; use the simulator")
}
