//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// Direct implements target.Cluster.
func (c *Cluster) Direct(ctx context.Context, lead func(env.Env)) (interrupted string, err error) {
	for _, p := range c.processes {
		if err := p.start(); err != nil {
			return "", err
		}
	}
	defer c.startHearing()()
	const step = 100 * time.Millisecond
	next := time.Second
	directed := c.e.Go("director", func() { lead(c.e) })
	for !directed.Done() {
		select {
		case <-ctx.Done():
			interrupted = "the run was interrupted: " + context.Cause(ctx).Error()
		case <-time.After(step):
		}
		if interrupted != "" {
			break
		}
		if c.e.Now() >= next {
			c.tell.Row(c.e.Now(), c.rows())
			next += time.Second
		}
		c.tell.Progress(c.e.Now(), 0)
	}
	c.tell.Row(c.e.Now(), c.rows())
	c.interrupted = interrupted != ""
	return interrupted, nil
}

// ObserveEvery implements target.Cluster.
func (c *Cluster) ObserveEvery() time.Duration { return target.AskEvery }

// Facts implements target.Cluster.
func (c *Cluster) Facts() []linearizability.Fact {
	if !c.readable {
		return []linearizability.Fact{linearizability.FactStates, linearizability.FactLive}
	}
	return []linearizability.Fact{linearizability.FactStates, linearizability.FactReplicas, linearizability.FactLive}
}

// Struck implements target.Cluster: nobody looks into running brokers.
func (c *Cluster) Struck(linearizability.Fault) {}

// Committed implements target.Cluster.
func (c *Cluster) Committed(linearizability.TopicPartition, int64, int32, time.Duration) {}

// Remains implements target.Cluster. It ends the brokers in good order, unless
// clients still talk to them.
func (c *Cluster) Remains(whole bool, from, to time.Duration, used []target.Usage) (target.Remains, error) {
	r := target.Remains{
		Now: c.e.Now(), Blind: c.name + " sees nothing inside running brokers",
		Watched: linearizability.Verdict{Status: linearizability.Pass},
	}
	if r.Running = c.interrupted; r.Running {
		return r, nil
	}
	c.shutDown()
	if whole && c.readable {
		scans, err := c.replicas()
		if err != nil {
			r.Findings = append(r.Findings, target.Unreadable(err, c.e.Now()))
		}
		r.Scans = scans
	}
	return r, c.tellEvents(used, from, to)
}

// replicas reads the log directories of brokers that have ended.
func (c *Cluster) replicas() ([]linearizability.Scan, error) {
	var scans []linearizability.Scan
	for i, p := range c.processes {
		node, err := osenv.New(osenv.Options{Root: p.dir, Node: p.name})
		if err != nil {
			return nil, err
		}
		dirs, _ := c.s.LogDirs()
		if len(dirs) == 0 {
			dirs = []string{"."}
		}
		for _, dir := range dirs {
			more, err := c.logsIn(node, dir, p.name, int32(i+1))
			if err != nil {
				return nil, err
			}
			scans = append(scans, more...)
		}
	}
	return scans, nil
}

// logsIn reads one log directory of a broker.
func (c *Cluster) logsIn(node env.Env, dir, name string, broker int32) (scans []linearizability.Scan, _ error) {
	entries, err := node.FS().ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("the data of %s after the run: %w", name, err)
	}
	for _, entry := range entries {
		id, partition, ok := replication.ParseLogDir(entry.Name)
		if !ok {
			continue
		}
		topic, ok := c.asker.Judged(id)
		if !ok {
			continue
		}
		log, _, err := storage.Open(node, path.Join(dir, entry.Name), storage.Config{})
		if err != nil {
			return nil, fmt.Errorf("opening %s of %s after the run: %w", entry.Name, name, err)
		}
		s, err := target.ScanLog(target.Recording(c.s), topic, partition, broker, false, linearizability.None, log)
		if err = errors.Join(err, log.Close()); err != nil {
			return nil, err
		}
		scans = append(scans, s)
	}
	return scans, nil
}

// brokerArgs are the arguments of "weir broker" for one broker.
// addrs are where the brokers listen, controllers where their controllers do.
func brokerArgs(s *scenario.Scenario, index int, addrs, controllers []string, dir, events string) []string {
	var voters []string
	for i, addr := range controllers {
		voters = append(voters, strconv.Itoa(i+1)+"@"+addr)
	}
	data := []string{dir}
	dirs, metadata := s.LogDirs()
	if len(dirs) > 0 {
		data = nil
		for _, d := range dirs {
			data = append(data, filepath.Join(dir, d))
		}
	}
	args := []string{"broker", "--node-id", strconv.Itoa(index + 1), "--listen", addrs[index],
		"--voters", strings.Join(voters, ","), "--data", strings.Join(data, ","), "--events", events}
	if metadata != "" {
		args = append(args, "--set", "metadata.log.dir="+filepath.Join(dir, metadata))
	}
	for _, name := range s.Cluster.Properties.Names() {
		args = append(args, "--set", name+"="+s.Cluster.Properties[name])
	}
	return args
}

// makeDirs makes the directories of one broker.
func makeDirs(root, name string) (data, events string, log *os.File, err error) {
	data = filepath.Join(root, name)
	if err = os.MkdirAll(data, 0o755); err != nil {
		return "", "", nil, err
	}
	log, err = os.Create(filepath.Join(root, name+".log"))
	return data, filepath.Join(root, name+".events.jsonl"), log, err
}
