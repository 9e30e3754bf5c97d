//go:build unix

package workloads

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/linearizability"
)

// localObserve is how often real brokers are asked about their partitions.
const localObserve = 100 * time.Millisecond

// RunLocal runs a scenario against broker processes on this machine and judges
// it. Faults are made with signals; what signals cannot do is imitated by the
// nearest thing that they can, and the outcome says so. Canceling ctx ends the
// run early, with an outcome that says so.
func RunLocal(ctx context.Context, o Options) (*Outcome, error) {
	if !o.Scenario.Explicit() {
		return nil, errors.New("workloads: the scenario is not explicit; call Resolve first")
	}
	if len(o.Broker) == 0 || o.Dir == "" {
		return nil, errors.New("workloads: the local target needs Options.Broker and Options.Dir")
	}
	e, err := osenv.New(osenv.Options{Node: "director"})
	if err != nil {
		return nil, err
	}
	c, err := newLocalCluster(e, o)
	if err != nil {
		return nil, err
	}
	defer c.kill()
	d, err := newDirector(o, c)
	if err != nil {
		return nil, err
	}
	d.strikes = func(linearizability.Fault) {}
	d.facts = []linearizability.Fact{linearizability.FactStates, linearizability.FactReplicas, linearizability.FactLive}
	d.observe = localObserve
	for _, p := range c.processes {
		if err := p.start(); err != nil {
			return nil, err
		}
	}

	started := time.Now().Add(-e.Now())
	directed := e.Go("director", func() { d.run(e) })
	interrupted := d.accompany(ctx, e, o, directed, c.rows)
	d.meter.row(e.Now(), c.rows())
	if interrupted != "" {
		d.workload.Stop()
		if err := d.close(interrupted); err != nil {
			return nil, err
		}
		return &Outcome{Interrupted: interrupted, ClusterTime: e.Now(), Verdict: linearizability.Verdict{Status: linearizability.Unknown}}, nil
	}
	out := &Outcome{ClusterTime: e.Now()}
	c.shutDown()
	if o.Unjudged || o.Brief {
		if d.trouble != nil {
			return nil, d.trouble
		}
		d.fill(out, "")
		out.Verdict = linearizability.Verdict{Status: linearizability.Unknown, Findings: d.findings}
		return out, c.tellEvents(d.sink, started, out.Usage, d.loadStart+d.s.Load.WarmUp, d.loadEnd)
	}
	if d.scanned {
		scans, err := c.replicas()
		if err != nil {
			d.findings = append(d.findings, linearizability.Finding{Code: "K11", Sentence: err.Error(), Offset: linearizability.None, Time: e.Now(), Count: 1})
		}
		for _, s := range scans {
			d.log.AddScan(s)
		}
	}
	if err := c.tellEvents(d.sink, started, d.usage, d.loadStart+d.s.Load.WarmUp, d.loadEnd); err != nil {
		return nil, err
	}
	out.Blind = "the local target sees nothing inside running brokers"
	return d.judge(ctx, out, linearizability.Verdict{Status: linearizability.Pass}, "")
}

// accompany shows progress and tells rows until the director is done.
func (d *director) accompany(ctx context.Context, e env.Env, o Options, directed env.Task, rows func() []BrokerRow) (interrupted string) {
	const step = 100 * time.Millisecond
	next := time.Second
	for !directed.Done() {
		select {
		case <-ctx.Done():
			return "the run was interrupted: " + context.Cause(ctx).Error()
		case <-time.After(step):
		}
		if e.Now() >= next {
			d.meter.row(e.Now(), rows())
			next += time.Second
		}
		if o.Progress != nil {
			total, _ := d.meter.totals()
			phase, loadStart := d.now()
			o.Progress(Progress{Phase: phase, Now: e.Now(), Total: loadStart + o.Scenario.Load.Duration.Value(), Acked: total.Acked})
		}
	}
	return ""
}

// replicas reads the log directories of brokers that have ended.
func (c *localCluster) replicas() ([]linearizability.Scan, error) {
	var scans []linearizability.Scan
	for i, p := range c.processes {
		node, err := osenv.New(osenv.Options{Root: p.dir, Node: p.name})
		if err != nil {
			return nil, err
		}
		entries, err := node.FS().ReadDir(".")
		if err != nil {
			return nil, fmt.Errorf("the data of %s after the run: %w", p.name, err)
		}
		for _, entry := range entries {
			shown, _, partition, ok := replication.ParseLogDir(entry.Name)
			if !ok {
				continue
			}
			topic, ok := c.judgedLog(shown)
			if !ok {
				continue
			}
			log, _, err := storage.Open(node, entry.Name, storage.Config{})
			if err != nil {
				return nil, fmt.Errorf("opening %s of %s after the run: %w", entry.Name, p.name, err)
			}
			s, err := scanLog(recording(c.s), topic, partition, int32(i+1), false, linearizability.None, log)
			if err = errors.Join(err, log.Close()); err != nil {
				return nil, err
			}
			scans = append(scans, s)
		}
	}
	return scans, nil
}

// judgedLog is the topic whose log a directory holds, by what its name shows of
// the topic's.
func (c *localCluster) judgedLog(shown string) (linearizability.Topic, bool) {
	for _, t := range judgedTopics(c.s) {
		if t.Name[:min(len(t.Name), replication.ShownTopicBytes)] == shown {
			return t, true
		}
	}
	return linearizability.Topic{}, false
}

// freeAddresses finds ports of this machine that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
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

// brokerArgs are the arguments of "weir broker" for one broker.
// addrs are where the brokers listen, controllers where their controllers do.
func brokerArgs(o Options, index int, addrs, controllers []string, dir, events string) []string {
	var voters []string
	for i, addr := range controllers {
		voters = append(voters, strconv.Itoa(i+1)+"@"+addr)
	}
	args := []string{"broker", "--node-id", strconv.Itoa(index + 1), "--listen", addrs[index],
		"--voters", strings.Join(voters, ","), "--data", dir, "--events", events}
	for _, name := range o.Scenario.Cluster.Properties.Names() {
		args = append(args, "--set", name+"="+o.Scenario.Cluster.Properties[name])
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
