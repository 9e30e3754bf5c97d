package size

import "github.com/weirlab/weir/sim/ec2"

// Terms of the formula.
const (
	TermStorage = "storage throughput"
	TermEBS     = "EBS bandwidth of the instance"
	TermNetwork = "network bandwidth of the instance"
)

// FormulaInput is what AWS's formula asks for. Rates are what a broker
// sustains, in bytes per second.
type FormulaInput struct {
	Brokers, Replicas, Groups int64
	Storage                   int64
	EBS                       int64 // 0: its disks are its own
	Network                   int64
}

// Formula is the throughput that a cluster cannot exceed, in bytes per second,
// and the term that it is from:
//
//	min(storage × brokers / r, EBS × brokers / r, network × brokers / (groups + r − 1))
//
// Each broker writes its share of every replica; a leader's bytes leave it once
// for each follower and each consumer group. Source: AWS Big Data Blog, "Best
// practices for right-sizing your Apache Kafka clusters to optimize performance
// and cost" (2022); Amazon MSK Developer Guide, "Manage storage throughput for
// Standard brokers".
func Formula(in FormulaInput) (bytesPerSecond int64, term string) {
	bytesPerSecond, term = in.Storage*in.Brokers/in.Replicas, TermStorage
	if ebs := in.EBS * in.Brokers / in.Replicas; in.EBS > 0 && ebs < bytesPerSecond {
		bytesPerSecond, term = ebs, TermEBS
	}
	if out := in.Groups + in.Replicas - 1; out > 0 {
		if network := in.Network * in.Brokers / out; network < bytesPerSecond {
			bytesPerSecond, term = network, TermNetwork
		}
	}
	return bytesPerSecond, term
}

// formulaOf fills the formula with what the tables say a broker sustains.
func formulaOf(i ec2.Instance, store Store, brokers, replicas, groups int64) FormulaInput {
	in := FormulaInput{Brokers: brokers, Replicas: replicas, Groups: groups, Network: i.Network, Storage: store.writes}
	if store.Volume != nil {
		in.EBS = i.EBS
	}
	return in
}
