package calibrate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/weirlab/weir/workloads/scenario"
)

// Workload is one of the eight workloads that say how well a simulated machine
// stands for the real one: acks 1 or all, every batch synced or none, 1 or 12
// partitions.
type Workload struct {
	AcksAll    bool
	Fsync      bool // flush.messages=1 on leader and followers
	Partitions int
}

// Levels of Workload.Partitions.
const (
	fewPartitions  = 1
	manyPartitions = 12
)

// Workloads lists all eight.
func Workloads() []Workload {
	var list []Workload
	for _, all := range []bool{false, true} {
		for _, fsync := range []bool{false, true} {
			for _, partitions := range []int{fewPartitions, manyPartitions} {
				list = append(list, Workload{AcksAll: all, Fsync: fsync, Partitions: partitions})
			}
		}
	}
	return list
}

// Calibration reports whether the workload is of the half that costs are
// fitted to. The halves are those of a 2³⁻¹ factorial design: the workloads
// with an even number of acks=all, fsync on and 12 partitions. So each half
// has every level of every factor twice, and every pair of levels once; but
// what all three do together is never seen in calibration.
func (w Workload) Calibration() bool {
	high := 0
	for _, is := range []bool{w.AcksAll, w.Fsync, w.Partitions == manyPartitions} {
		if is {
			high++
		}
	}
	return high%2 == 0
}

// Acks is the producer's setting.
func (w Workload) Acks() string {
	if w.AcksAll {
		return "all"
	}
	return "1"
}

// Name is short and goes into file names: "acks-all-fsync-on-12p".
func (w Workload) Name() string {
	return fmt.Sprintf("acks-%s-fsync-%s-%dp", w.Acks(), w.fsync(), w.Partitions)
}

// Title is for people: "acks=all, fsync on, 12 partitions".
func (w Workload) Title() string {
	unit := "partitions"
	if w.Partitions == 1 {
		unit = "partition"
	}
	return fmt.Sprintf("acks=%s, fsync %s, %d %s", w.Acks(), w.fsync(), w.Partitions, unit)
}

func (w Workload) fsync() string {
	if w.Fsync {
		return "on"
	}
	return "off"
}

// Phase is how a workload is run.
type Phase string

// Phases of a workload.
const (
	Saturated Phase = "saturated" // the producer sends as fast as it is let: throughput
	FixedRate Phase = "fixed"     // the same modest rate for all workloads: latency
)

// Plan is how long and at what rate workloads run.
type Plan struct {
	WarmUp time.Duration // of each run, not measured
	Window time.Duration // of each run, measured
	Rate   int64         // records per second of the fixed rate
	Bytes  int64         // of a record's value
}

// DefaultPlan keeps one round of all workloads below two minutes.
func DefaultPlan() Plan {
	return Plan{WarmUp: time.Second, Window: 3 * time.Second, Rate: 500, Bytes: 1 << 10}
}

// Scenario is what runs, on real processes and in simulation: three brokers
// and their clients on one machine, replication factor 3, one producer, one
// consumer. machineFile is the profile's file for the simulation.
func (w Workload) Scenario(phase Phase, p Plan, machineFile string, seed scenario.Seed) *scenario.Scenario {
	s := &scenario.Scenario{
		Name: w.Name() + "-" + string(phase), Seed: seed,
		Question: "How close is the simulated machine to the real one?",
		Cluster: scenario.Cluster{
			Brokers: scenario.Exactly(3), Storage: scenario.MachineStorage, Machine: machineFile, Together: true,
			Properties: scenario.Properties{
				"min.insync.replicas":              "2",
				"offsets.topic.num.partitions":     "1",
				"group.initial.rebalance.delay.ms": "0",
			},
		},
		Topic: scenario.Topic{
			Name: "measured", Partitions: scenario.Exactly(int64(w.Partitions)), ReplicationFactor: scenario.Exactly(3),
			Configs: scenario.Properties{"min.insync.replicas": "2"},
		},
		Load: scenario.Load{
			Duration: scenario.ExactSpan(p.WarmUp + p.Window), WarmUp: p.WarmUp, History: scenario.HistoryBatches,
			Producers: scenario.Producers{
				Count: scenario.Exactly(1), RecordSize: scenario.Exactly(p.Bytes),
				Properties: scenario.Properties{"acks": w.Acks(), "linger.ms": "0", "enable.idempotence": "true"},
			},
			Consumers: scenario.Consumers{Count: scenario.Exactly(1)},
		},
		Recovery: time.Minute,
	}
	if !w.AcksAll {
		s.Load.Producers.Properties["enable.idempotence"] = "false" // needs acks=all
	}
	if w.Fsync {
		s.Topic.Configs["flush.messages"] = strconv.Itoa(1)
	}
	if phase == Saturated {
		s.Load.Producers.Arrivals = scenario.ArrivalsSaturate
		s.Load.Producers.Properties["buffer.memory"] = strconv.Itoa(4 << 20)
	} else {
		s.Load.Producers.Rate = scenario.Exactly(p.Rate)
	}
	return s
}
