// Package kafka is the target that somebody runs: a Kafka cluster, of whatever
// make, at addresses that clients reach. Weir is its client and no more: it
// makes its topics, which must not exist yet, works with them, reads them back
// and judges what it saw. Brokers cannot be broken, nor seen from inside.
package kafka

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Scheme begins the name of such a target on the command line:
// kafka://host:port,host:port.
const Scheme = "kafka://"

// Addresses are those of the brokers that a target's name lists, false if it is
// none of this kind.
func Addresses(name string) ([]string, bool) {
	list, ok := strings.CutPrefix(name, Scheme)
	if !ok || list == "" {
		return nil, false
	}
	return strings.Split(strings.TrimSuffix(list, "/"), ","), true
}

// Prepare looks at the cluster and returns the explicit scenario with what it
// leaves to brokers written out, since somebody's brokers have defaults of their
// own. It is an error if no broker answers or if a topic of the scenario exists:
// what others have written cannot be judged.
func Prepare(s *scenario.Scenario, bootstrap []string) (*scenario.Scenario, error) {
	e, err := osenv.New(osenv.Options{Node: "director"})
	if err != nil {
		return nil, err
	}
	asker, err := target.NewAsker(e, s, bootstrap)
	if err != nil {
		return nil, err
	}
	defer asker.Close()
	own := explicit(s)
	e.Go("preflight", func() { err = look(e, asker, own) }).Wait()
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", Scheme, strings.Join(bootstrap, ","), err)
	}
	return own, nil
}

// offsetsPatience is how long a cluster may take to make its offsets topic.
const offsetsPatience = 30 * time.Second

// look learns what the scenario must say of the cluster.
func look(e env.Env, asker *target.Asker, s *scenario.Scenario) error {
	brokers, err := asker.Brokers()
	if err != nil {
		return fmt.Errorf("no broker answers: %w", err)
	}
	s.Cluster.Brokers = scenario.Exactly(int64(brokers))
	for _, t := range s.TopicsUnderLoad() {
		exists, err := asker.Exists(t.Name)
		if err != nil {
			return err
		}
		if exists {
			return fmt.Errorf("topic %s exists already: Weir judges what it has written itself; delete the topic, or give another name in the scenario", t.Name)
		}
	}
	end := e.Now() + offsetsPatience
	for {
		partitions, replicas, err := asker.Offsets()
		if err == nil {
			s.Cluster.Properties["offsets.topic.num.partitions"] = fmt.Sprint(partitions)
			s.Cluster.Properties["offsets.topic.replication.factor"] = fmt.Sprint(replicas)
			return nil
		}
		if e.Now() >= end {
			return err
		}
		e.Sleep(target.AskEvery)
	}
}

func explicit(s *scenario.Scenario) *scenario.Scenario {
	own := *s
	own.Cluster.Properties = copied(s.Cluster.Properties)
	settle := func(t scenario.Topic) scenario.Topic {
		configs := copied(t.Configs)
		for _, name := range []string{"min.insync.replicas", "unclean.leader.election.enable"} {
			if _, set := configs[name]; set {
				continue
			}
			configs[name] = map[string]string{
				"min.insync.replicas":            fmt.Sprint(s.MinISR(t)),
				"unclean.leader.election.enable": fmt.Sprint(s.Cluster.Properties.Bool("unclean.leader.election.enable", false)),
			}[name]
		}
		t.Configs = configs
		return t
	}
	if len(s.Topics) == 0 {
		own.Topic = settle(s.Topic)
		return &own
	}
	own.Topics = nil
	for _, t := range s.Topics {
		own.Topics = append(own.Topics, settle(t))
	}
	return &own
}

func copied(p scenario.Properties) scenario.Properties {
	own := scenario.Properties{}
	for _, name := range p.Names() {
		own[name] = p[name]
	}
	return own
}

// Cluster is somebody's cluster. It implements target.Cluster.
type Cluster struct {
	tell    target.Listener
	e       env.Env
	addrs   []string
	asker   *target.Asker
	running bool // clients were left
}

// New makes a target of the cluster. The scenario is one that Prepare returned.
func New(s *scenario.Scenario, bootstrap []string, tell target.Listener) (target.Cluster, error) {
	e, err := osenv.New(osenv.Options{Node: "director"})
	if err != nil {
		return nil, err
	}
	asker, err := target.NewAsker(e, s, bootstrap)
	if err != nil {
		return nil, err
	}
	return &Cluster{tell: tell, e: e, addrs: bootstrap, asker: asker}, nil
}

// TargetName implements faults.Machines.
func (c *Cluster) TargetName() string { return "a cluster that somebody else runs" }

// Bootstrap implements target.Cluster.
func (c *Cluster) Bootstrap() []string { return c.addrs }

// Direct implements target.Cluster.
func (c *Cluster) Direct(ctx context.Context, lead func(env.Env)) (interrupted string, err error) {
	const step = 100 * time.Millisecond
	next := time.Second
	directed := c.e.Go("director", func() { lead(c.e) })
	for !directed.Done() && interrupted == "" {
		select {
		case <-ctx.Done():
			interrupted = "the run was interrupted: " + context.Cause(ctx).Error()
		case <-time.After(step):
		}
		if c.e.Now() >= next {
			c.tell.Row(c.e.Now(), nil)
			next += time.Second
		}
		c.tell.Progress(c.e.Now(), 0)
	}
	c.tell.Row(c.e.Now(), nil)
	c.running = interrupted != ""
	return interrupted, nil
}

// StartClient implements target.Cluster.
func (c *Cluster) StartClient(name string, fn func(env.Env)) env.Task {
	return c.e.Go(name, func() { fn(c.e) })
}

// Partitions implements target.Cluster.
func (c *Cluster) Partitions(e env.Env) []linearizability.PartitionState {
	return c.asker.Partitions(e)
}

// ObserveEvery implements target.Cluster.
func (c *Cluster) ObserveEvery() time.Duration { return target.AskEvery }

// Controller implements target.Cluster: there is nothing that could be done to it.
func (c *Cluster) Controller(env.Env) (int, bool) { return 0, false }

// LoadBegins implements target.Cluster.
func (c *Cluster) LoadBegins() {}

// Usage implements target.Cluster: nothing is known of the machines.
func (c *Cluster) Usage(env.Env) []target.Usage { return nil }

// Unready implements target.Cluster.
func (c *Cluster) Unready(env.Env) string { return c.asker.Unready(1) }

// Unsettled implements target.Cluster.
func (c *Cluster) Unsettled(env.Env) string { return c.asker.Unsettled() }

// Tells implements target.Cluster: what the state of partitions shows.
func (c *Cluster) Tells(e faults.Event) bool {
	return e == faults.Election || e == faults.ISRExpansion || e == faults.ISRShrink
}

// Soon implements target.Cluster.
func (c *Cluster) Soon(fn func()) { fn() }

// Struck implements target.Cluster.
func (c *Cluster) Struck(linearizability.Fault) {}

// Lost implements target.Cluster: what its operators do to it is not known.
func (c *Cluster) Lost([]int32) ([]linearizability.Recovered, bool) { return nil, false }

// Committed implements target.Cluster.
func (c *Cluster) Committed(linearizability.TopicPartition, int64, int32, time.Duration) {}

// Facts implements target.Cluster.
func (c *Cluster) Facts() []linearizability.Fact {
	return []linearizability.Fact{linearizability.FactStates, linearizability.FactLive}
}

// Remains implements target.Cluster.
func (c *Cluster) Remains(bool, time.Duration, time.Duration, []target.Usage) (target.Remains, error) {
	return target.Remains{
		Now: c.e.Now(), Running: c.running, Watched: linearizability.Verdict{Status: linearizability.Pass},
		Blind: "the cluster was seen by its clients only: neither inside its brokers nor their logs, nor what befell them",
	}, nil
}

// Close implements target.Cluster. The topics stay.
func (c *Cluster) Close() { c.asker.Close() }
