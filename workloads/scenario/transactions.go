package scenario

import (
	"fmt"
	"maps"
	"math"
	"strconv"
)

// Transacting are the settings of clients that do transactions.
type Transacting struct {
	// IDs is how many transactional ids they share, so that they fence each other;
	// 0: each has its own.
	IDs Number `yaml:"ids,omitempty"`
	// Every is how long a client waits between two transactions.
	Every Range `yaml:"every,omitempty"`
	// One transaction in so many is aborted on purpose; is left by a producer that
	// ends without a word; or pauses for Pause somewhere before its end.
	AbortOneIn Number `yaml:"abort-one-in,omitempty"`
	DieOneIn   Number `yaml:"die-one-in,omitempty"`
	PauseOneIn Number `yaml:"pause-one-in,omitempty"`
	Pause      Range  `yaml:"pause,omitempty"`
}

func (t Transacting) draw(seed uint64, path string, clients Number) Transacting {
	r := t
	r.IDs = cut(t.IDs.Draw(stream(seed, path+".ids")), clients)
	r.AbortOneIn = t.AbortOneIn.Draw(stream(seed, path+".abort-one-in"))
	r.DieOneIn = t.DieOneIn.Draw(stream(seed, path+".die-one-in"))
	r.PauseOneIn = t.PauseOneIn.Draw(stream(seed, path+".pause-one-in"))
	return r
}

func (t *Transacting) check() (string, error) {
	if t.PauseOneIn.Max > 0 && t.Pause.Max <= 0 {
		return "pause", fmt.Errorf("transactions that pause need a time to pause, such as 1s..20s")
	}
	return "", nil
}

// transactionProperties are the settings of a transactional producer, which is
// idempotent and waits for all replicas.
var transactionProperties = func() map[string]kind {
	all := maps.Clone(producerProperties)
	for _, given := range []string{"acks", "enable.idempotence", "retries", "weir.resend.under.new.epoch"} {
		delete(all, given)
	}
	all["max.in.flight.requests.per.connection"] = number(1, 5)
	all["weir.explicit.transactions"] = boolean // as clients older than KIP-890; no setting of Kafka's
	all["transaction.timeout.ms"] = number(1, math.MaxInt32)
	return all
}()

// pipelineProperties are those of a transactional producer and of a consumer.
var pipelineProperties = func() map[string]kind {
	all := maps.Clone(transactionProperties)
	maps.Copy(all, consumerProperties)
	delete(all, "isolation.level")
	return all
}()

// Transfers move amounts between the partitions of a topic, in transactions that
// add up to nothing.
type Transfers struct {
	Topic        string      `yaml:"topic,omitempty"`
	Count        Number      `yaml:"count,omitempty"`
	Transactions Transacting `yaml:"transactions,omitempty"`
	// Moves is how many amounts a transaction moves at most; each is two records.
	Moves      Number     `yaml:"moves,omitempty"`
	Properties Properties `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (t *Transfers) Clients() int { return int(t.Count.Max) }

func (t *Transfers) least() int64 { return t.Count.Min }

// On implements Clients.
func (t *Transfers) On() string { return t.Topic }

func (t *Transfers) draw(seed uint64, path string) Program {
	r := *t
	r.Count = t.Count.Draw(stream(seed, path+".count"))
	r.Moves = t.Moves.Draw(stream(seed, path+".moves"))
	r.Transactions = t.Transactions.draw(seed, path+".transactions", r.Count)
	r.Properties = t.Properties.draw(seed, path+".properties")
	return Program{Transfers: &r}
}

func (t *Transfers) check() (string, error) {
	if t.Count.Max > 1_000 {
		return "count", fmt.Errorf("%d clients that transfer are not possible; use 0 to 1000", t.Count.Max)
	}
	if path, err := t.Transactions.check(); err != nil {
		return "transactions." + path, err
	}
	if name, err := t.Properties.check(transactionProperties); err != nil {
		return "properties." + name, err
	}
	return "", nil
}

// Pipelines read a topic as members of a group and write one record of each that
// they read to another, exactly once.
type Pipelines struct {
	Topic        string      `yaml:"topic,omitempty"` // that is read
	To           string      `yaml:"to,omitempty"`    // that is written
	Count        Number      `yaml:"count,omitempty"`
	Group        string      `yaml:"group,omitempty"`
	Transactions Transacting `yaml:"transactions,omitempty"`
	Properties   Properties  `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (p *Pipelines) Clients() int { return int(p.Count.Max) }

func (p *Pipelines) least() int64 { return p.Count.Min }

func (p *Pipelines) group() string { return p.Group }

func (p *Pipelines) writes() string { return p.To }

// On implements Clients.
func (p *Pipelines) On() string { return p.Topic }

func (p *Pipelines) draw(seed uint64, path string) Program {
	r := *p
	r.Count = p.Count.Draw(stream(seed, path+".count"))
	r.Transactions = p.Transactions.draw(seed, path+".transactions", r.Count)
	r.Properties = p.Properties.draw(seed, path+".properties").inOrder(p.Properties, consumerOrder, func(name string) int64 { return consumerDefaults[name] })
	return Program{Pipelines: &r}
}

func (p *Pipelines) check() (string, error) {
	switch {
	case p.Count.Max > 1_000:
		return "count", fmt.Errorf("%d members of a pipeline are not possible; use 0 to 1000", p.Count.Max)
	case p.Group == "":
		return "group", fmt.Errorf("a pipeline needs a group, such as pipeline")
	case p.To == "" || p.To == p.Topic:
		return "to", fmt.Errorf("a pipeline needs another topic to write to")
	}
	if path, err := p.Transactions.check(); err != nil {
		return "transactions." + path, err
	}
	if name, err := p.Properties.check(pipelineProperties); err != nil {
		return "properties." + name, err
	}
	return "", nil
}

// lengthenDelivery makes delivery.timeout.ms of a transactional producer at least
// linger.ms and request.timeout.ms together, as Kafka demands, if one was drawn.
func lengthenDelivery(p, was, l, wasL Properties) Properties {
	const linger, request, delivery = "linger.ms", "request.timeout.ms", "delivery.timeout.ms"
	free := was.drawn(linger) || was.drawn(delivery) || wasL.drawn(request)
	least := p.Int(linger, 0) + l.Int(request, 30_000)
	if !free || p.Int(delivery, 120_000) >= least {
		return p
	}
	if p == nil {
		p = Properties{}
	}
	p[delivery] = strconv.FormatInt(least, 10)
	return p
}
