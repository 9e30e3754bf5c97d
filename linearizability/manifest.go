package linearizability

import (
	"slices"
	"time"
)

// Fact is a kind of evidence that no client can see and that only some
// targets can give.
type Fact string

// What a target may be able to give. A check that needs what the target cannot
// give is skipped, and says so.
const (
	// FactStates: every committed change of every partition's metadata.
	FactStates Fact = "partition-states"
	// FactElections: likewise, and none was missed; a target that is asked now
	// and then may miss some.
	FactElections Fact = "every-election"
	// FactEpochStarts: where every leader began its epoch.
	FactEpochStarts Fact = "epoch-starts"
	// FactBeginnings: where every leader began its epoch, and none was missed:
	// whoever was elected and is not among them never led.
	FactBeginnings Fact = "every-beginning"
	// FactWatermarks: every advance of a leader's high watermark.
	FactWatermarks Fact = "high-watermarks"
	// FactReplicas: the final log of every replica, read where it is stored.
	FactReplicas Fact = "replicas"
	// FactLive: the verdict on what was watched while the run went on.
	FactLive Fact = "live"
)

// Manifest opens a history: it says what evidence is going to follow. Without
// it a missing line could not be told from one that never was.
type Manifest struct {
	Facts []Fact `json:"facts,omitempty"`
	// Clients that take down what they do.
	Producers int `json:"producers"`
	Consumers int `json:"consumers"`
	Registers int `json:"registers"`
	// Administrators are clients that take down what administering came to.
	Administrators int `json:"administrators,omitempty"`
	// Read names the topics that consumers read to their ends; all of them if
	// it is empty.
	Read []string `json:"read,omitempty"`
	// Grouped names those of them that nobody reads but members of groups, who go on
	// from what is committed.
	Grouped []string `json:"grouped,omitempty"`
	// Probes says that consumers ask for the ends of partitions.
	Probes bool `json:"probes,omitempty"`
	// Dressed says that records, but for those of Plain, carry a key, a header and a timestamp that
	// follow from their values, and that whoever reads them checks these.
	Dressed bool `json:"dressed,omitempty"`
	// Plain names the topics with records that are not dressed.
	Plain []string `json:"plain,omitempty"`
	// Transactional are clients with a transactional id. They take down their
	// transactions.
	Transactional int `json:"transactional,omitempty"`
	// Conserved names the topics of which the amounts that transactions move add
	// up to nothing, so that those of what is committed do too.
	Conserved []string `json:"conserved,omitempty"`
	// Pipelines are what consumes, transforms and produces within transactions.
	Pipelines []Pipeline `json:"pipelines,omitempty"`
	// Keyed names the topics whose records are writes to a few keys: see Topic.Keys.
	Keyed []string `json:"keyed,omitempty"`
	// Sharers are members of share groups, who take down what they are given and what
	// they say of it. Shared names the topics that they have from their beginning.
	Sharers int      `json:"sharers,omitempty"`
	Shared  []string `json:"shared,omitempty"`
	// Group says that consumers are members of a group.
	Group bool `json:"group,omitempty"`
}

// gives says whether the target gives a kind of fact.
func (m *Manifest) gives(f Fact) bool { return slices.Contains(m.Facts, f) }

// reads says whether consumers read a topic to its end.
func (m *Manifest) reads(topic string) bool {
	return len(m.Read) == 0 || slices.Contains(m.Read, topic)
}

// ReadBy notes that consumers read a topic to its end, members of a group or each for
// itself.
func (m *Manifest) ReadBy(topic string, members bool) {
	switch at := slices.Index(m.Grouped, topic); {
	case members && at < 0 && !slices.Contains(m.Read, topic):
		m.Grouped = append(m.Grouped, topic)
	case !members && at >= 0:
		m.Grouped = slices.Delete(m.Grouped, at, at+1)
	}
	m.Read = append(m.Read, topic)
}

// dresses says whether every record of a topic is dressed.
func (m *Manifest) dresses(topic string) bool { return m.Dressed && !slices.Contains(m.Plain, topic) }

// End closes a history.
type End struct {
	// Counts is how much of each kind the history holds; see [History.Counts].
	Counts Counts `json:"counts"`
	// Checksum is the CRC-32C of the lines before and of what this one says,
	// "" in a history that was written by hand or is kept in memory only.
	Checksum string `json:"checksum,omitempty"`
	// Interrupted says why the run did not come to its end, "" if it did.
	Interrupted string `json:"interrupted,omitempty"`
	// Drained says that consumers read on until they had everything.
	Drained bool `json:"drained,omitempty"`
	// Healed is when the last fault had been undone, and Patience how long a
	// healthy cluster may take to get a record in. 0 Patience: nothing is said.
	Healed   time.Duration `json:"healed,omitempty"`
	Patience time.Duration `json:"patience,omitempty"`
}

// Counts is how many of each kind there are: operations by function
// ("send"), those of them that came to an end ("send ok", "send fail"), facts
// by kind ("fault"), and what is in them ("records scanned").
type Counts map[string]int64

// Counts counts what the history holds.
func (h *History) Counts() Counts {
	c := Counts{}
	var ops [len(functionNames)][len(typeNames)]int64
	op := func(f Function, outcome Type) { ops[f][outcome]++ }
	for i := range h.Sends {
		op(Send, h.Sends[i].Outcome)
	}
	for i := range h.Batches {
		op(SendBatch, h.Batches[i].Outcome)
	}
	for i := range h.Polls {
		op(Poll, h.Polls[i].Outcome)
	}
	for i := range h.Ends {
		op(ListOffsets, h.Ends[i].Outcome)
	}
	for i := range h.Offsets {
		f := FetchOffset
		if h.Offsets[i].Write {
			f = Commit
		}
		op(f, h.Offsets[i].Outcome)
	}
	for i := range h.Transactions {
		op(Transact, h.Transactions[i].Outcome)
	}
	for i := range h.Inits {
		op(InitTransactions, h.Inits[i].Outcome)
	}
	for f, n := range ops {
		name := Function(f).String()
		for outcome, of := range map[string]int64{"": n[OK] + n[Fail] + n[Info], " ok": n[OK], " fail": n[Fail]} {
			if of > 0 {
				c[name+outcome] = of
			}
		}
	}
	fact := func(name string, n int) {
		if n > 0 {
			c[name] = int64(n)
		}
	}
	fact("topic", len(h.Topics))
	fact("fault", len(h.Faults))
	fact("partition-state", len(h.States))
	fact("epoch-start", len(h.Epochs))
	fact("high-watermark", len(h.HighWatermarks))
	fact("assignment", len(h.Assignments))
	fact("scan", len(h.Scans))
	fact("live", len(h.Live))
	fact("flaw", len(h.Flaws))
	fact("sharing", len(h.Sharings))
	fact("administration", len(h.Administrations))
	for i := range h.Scans {
		fact("markers scanned", int(c["markers scanned"])+len(h.Scans[i].Markers))
		fact("records scanned", int(c["records scanned"])+len(h.Scans[i].Records)+len(h.Scans[i].Runs))
	}
	return c
}

func sortedNames(all ...Counts) []string {
	var names []string
	for _, c := range all {
		for name := range c {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
