package workloads

import (
	"fmt"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
	"github.com/weirlab/weir/workloads/target"
)

// director leads a run from the first request to the last scan. It is a
// program of package env and runs as a task next to the cluster.
type director struct {
	s        *scenario.Scenario
	cluster  target.Cluster
	log      *linearizability.Log
	workload *program.Workload
	meter    *meter
	sink     Sink

	programs func() []program.Program // beside the scenario's; nil for none
	brief    bool                     // nothing is read back
	progress func(Progress)

	mu        sync.Mutex // of what clients change and progress displays read, on the local target
	phase     string
	loadStart time.Duration
	trouble   error // why the run could not go on
	on        *triggers

	usage    []target.Usage
	scanned  bool // the run came to its end and everything was read back
	loadEnd  time.Duration
	faults   []linearizability.Fault
	missed   []string
	findings []linearizability.Finding
	states   map[linearizability.TopicPartition]linearizability.PartitionState
}

// Patience with the phases of a run, in the cluster's time. What the scenario
// calls recovery is added to those that follow the load.
const (
	bootPatience  = 60 * time.Second
	drainPatience = 60 * time.Second
	settlePoll    = 100 * time.Millisecond
)

func newDirector(o Options) *director {
	d := &director{s: o.Scenario, sink: o.Sink, programs: o.Programs, brief: o.Brief, progress: o.Progress, phase: "starting the cluster", states: map[linearizability.TopicPartition]linearizability.PartitionState{}}
	if d.sink == nil {
		d.sink = noSink{}
	}
	d.meter = newMeter(d.sink, o.Scenario.Load.WarmUp, o.Scenario.Load.Duration.Value())
	d.log = linearizability.NewLog(o.History)
	return d
}

// takeOn makes c the cluster that the run is led against.
func (d *director) takeOn(c target.Cluster) error {
	d.cluster = c
	d.log.OnCommitted(c.Committed)
	cfg, err := workload(d.s, c.Bootstrap())
	if err != nil {
		return err
	}
	if d.programs != nil {
		cfg.Programs = append(cfg.Programs, d.programs()...)
	}
	d.workload, err = program.New(cfg, d.log, d.meter)
	return err
}

// Event implements target.Listener.
func (d *director) Event(node string, at time.Duration, name string, attrs []env.Attr) {
	d.sink.Event(node, at, name, attrs)
}

// Happened implements target.Listener.
func (d *director) Happened(o faults.Occurrence) {
	d.mu.Lock()
	on := d.on
	d.mu.Unlock()
	if on != nil {
		on.happened(o)
	}
}

// Row implements target.Listener.
func (d *director) Row(at time.Duration, brokers []target.BrokerRow) {
	d.meter.row(at, d.workload.Lag(), brokers)
}

// HighWatermark implements target.Listener.
func (d *director) HighWatermark(w linearizability.HighWatermark) { d.log.AddHighWatermark(w) }

// Fault implements target.Listener.
func (d *director) Fault(f linearizability.Fault) { d.log.AddFault(f) }

// Progress implements target.Listener.
func (d *director) Progress(at time.Duration, events int64) {
	if d.progress == nil {
		return
	}
	total, _ := d.meter.totals()
	d.mu.Lock()
	phase, loadStart := d.phase, d.loadStart
	d.mu.Unlock()
	d.progress(Progress{Phase: phase, Now: at, Total: loadStart + d.s.Load.Duration.Value(), Acked: total.Acked, Events: events})
}

// run does everything up to the last scan.
func (d *director) run(e env.Env) {
	m := d.workload.Manifest()
	m.Facts = d.cluster.Facts()
	d.log.Begin(m)
	for _, t := range target.JudgedTopics(d.s) {
		d.log.AddTopic(t)
	}
	if why := d.await(e, bootPatience, d.cluster.Unready); why != "" {
		d.stuck(e, fmt.Sprintf("the brokers did not join their cluster within %v: %s", bootPatience, why))
		return
	}
	if err := d.workload.CreateTopics(e, bootPatience); err != nil {
		d.stuck(e, "the cluster did not get ready to serve: "+err.Error())
		return
	}
	on := newTriggers(e, d.cluster.Soon)
	inj := newInjector(e, d.cluster, d.s.Topology(), on, d.tellFault)
	watching := e.NewSignal()
	watcher := e.Go("observer", func() { d.watchPartitions(e, on, watching) })

	d.enter("load and faults")
	d.mu.Lock()
	d.loadStart, d.on = e.Now(), on
	d.mu.Unlock()
	d.workload.Begin(d.loadStart)
	d.meter.begin(d.loadStart)
	d.sink.Event("director", d.loadStart, EventLoadBegins, nil)
	d.cluster.LoadBegins()
	clients := d.startClients()
	inj.start(d.s.Faults.Plan, d.loadStart)
	if d.s.Load.WarmUp > 0 {
		e.Sleep(d.s.Load.WarmUp)
	}
	before := d.cluster.Usage(e)
	e.Sleep(d.loadStart + d.s.Load.Duration.Value() - e.Now())
	d.usage = target.Since(before, d.cluster.Usage(e))

	d.enter("healing")
	inj.stop()
	d.loadEnd = e.Now()
	d.faults, d.missed = inj.results()

	ended := d.awaitClients(e, clients)
	if ended {
		d.complain()
	}
	settled := d.awaitSettled(e)
	watching.Set()
	watcher.Wait()
	if ended && settled && !d.brief {
		d.scan(e)
	}
	d.enter("judging")
}

// enter begins a phase of the run.
func (d *director) enter(phase string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = phase
}

// fail keeps the first error that is nobody's but Weir's.
func (d *director) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trouble == nil {
		d.trouble = err
	}
}

func (d *director) startClients() []env.Task {
	var tasks []env.Task
	for _, p := range d.workload.Clients() {
		tasks = append(tasks, d.cluster.StartClient(p.Name, func(e env.Env) {
			if err := p.Run(e); err != nil {
				d.fail(fmt.Errorf("client %s: %w", p.Name, err))
			}
		}))
	}
	return tasks
}

// watchPartitions follows leaders and ISRs for the faults and the judge.
func (d *director) watchPartitions(e env.Env, on *triggers, stop env.Signal) {
	var last []linearizability.PartitionState
	for !stop.Wait(d.cluster.ObserveEvery()) {
		states := d.cluster.Partitions(e)
		if len(states) == len(last) && (len(states) == 0 || &states[0] == &last[0]) {
			continue
		}
		last = states
		on.observe(states)
		for _, p := range states {
			tp := linearizability.TopicPartition{Topic: p.Topic, Partition: p.Partition}
			before, known := d.states[tp]
			if known && before.PartitionEpoch == p.PartitionEpoch && before.LeaderEpoch == p.LeaderEpoch {
				continue
			}
			d.states[tp] = p
			d.log.AddPartitionState(p)
			if _, ok := d.s.TopicOf(p.Topic); ok {
				d.sink.PartitionState(p)
			}
		}
	}
}

// tellFault is told by the injector of each fault that begins and ends.
func (d *director) tellFault(f linearizability.Fault, begins bool) {
	name := "fault-ends"
	at := f.End
	if begins {
		name, at = "fault-begins", f.Start
	} else {
		d.log.AddFault(f)
	}
	d.cluster.Struck(f)
	attrs := []env.Attr{env.Text("kind", string(f.Kind)), env.Text("detail", f.Detail)}
	if f.Effect != "" {
		attrs = append(attrs, env.Text("effect", f.Effect))
	}
	d.sink.Event("injector", at, name, attrs)
}

// awaitClients waits until every client has ended by itself.
func (d *director) awaitClients(e env.Env, clients []env.Task) bool {
	d.enter("waiting for the clients")
	deadline := e.Now() + drainPatience + d.s.Recovery
	for _, t := range clients {
		for !t.Done() {
			if e.Now() >= deadline {
				d.stuck(e, fmt.Sprintf("client %s still waits %v after all faults were healed", t.Name(), drainPatience+d.s.Recovery))
				return false
			}
			e.Sleep(settlePoll / 5)
		}
	}
	return true
}

// complain makes findings of what custom programs ended with.
func (d *director) complain() {
	for _, c := range d.workload.Complaints() {
		d.findings = append(d.findings, linearizability.Finding{
			Code: target.CodeProgram, Sentence: fmt.Sprintf("%s ended with an error: %v", c.Client, c.Err), Offset: linearizability.None, Time: c.At, Count: 1,
		})
	}
}

// awaitSettled waits until every broker is up and every replica in sync.
func (d *director) awaitSettled(e env.Env) bool {
	d.enter("waiting for the replicas to converge")
	if why := d.await(e, d.s.Recovery, d.cluster.Unsettled); why != "" {
		d.stuck(e, fmt.Sprintf("the cluster did not recover within %v after healing: %s", d.s.Recovery, why))
		return false
	}
	return true
}

// await asks until nothing is said to be wrong, for at most patience, and
// returns what still is.
func (d *director) await(e env.Env, patience time.Duration, wrong func(env.Env) string) string {
	deadline := e.Now() + patience
	for {
		why := wrong(e)
		if why == "" || e.Now() >= deadline {
			return why
		}
		e.Sleep(settlePoll)
	}
}

// scan reads every log through its leader as a consumer does.
func (d *director) scan(e env.Env) {
	d.enter("reading everything back")
	scans, err := d.workload.Scan(e, d.s.Recovery)
	if err != nil {
		d.stuck(e, fmt.Sprintf("the topics could not be read back within %v after healing", d.s.Recovery), err.Error())
		return
	}
	d.scanned = true
	for _, s := range scans {
		d.log.AddScan(s)
	}
}

// stuck is the finding that there was no progress in bounded time.
func (d *director) stuck(e env.Env, sentence string, evidence ...string) {
	d.findings = append(d.findings, linearizability.Finding{
		Code: target.CodeProgress, Sentence: sentence, Offset: linearizability.None, Time: e.Now(), Evidence: evidence, Count: 1,
	})
}

// noSink is told everything and keeps nothing.
type noSink struct{}

func (noSink) Latency(string, time.Duration, time.Duration, int64) {}
func (noSink) Row(time.Duration, Row)                              {}
func (noSink) Event(string, time.Duration, string, []env.Attr)     {}
func (noSink) PartitionState(linearizability.PartitionState)       {}
