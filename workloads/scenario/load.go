package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Load is what clients do: either one program of each kind, or any list of
// them.
type Load struct {
	Duration Span `yaml:"duration"`
	// WarmUp is the part of Duration, at its start, that figures leave out.
	WarmUp time.Duration `yaml:"warm-up,omitempty"`
	// History is how much of what clients do is recorded: one of [Histories].
	History string `yaml:"history,omitempty"`
	// SampleEvery is which share of the records a sampled history has: one in
	// so many.
	SampleEvery int64 `yaml:"sample-every,omitempty"`
	// Properties are the settings that all clients share.
	Properties Properties `yaml:"properties,omitempty"`

	// A program of each kind, for loads that need no list. Clients reads
	// either.
	Producers  Producers  `yaml:"producers,omitempty"`
	Consumers  Consumers  `yaml:"consumers,omitempty"`
	Committers Committers `yaml:"committers,omitempty"`

	Programs []Program `yaml:"programs,omitempty"`
}

// Values of Load.History.
const (
	HistoryRecords = "records" // every operation on every record; the default
	HistoryBatches = "batches" // one operation per batch
	HistorySampled = "sampled" // the operations of one record in Load.SampleEvery
)

// Histories are the values of Load.History.
func Histories() []string { return []string{HistoryRecords, HistoryBatches, HistorySampled} }

// Program is what some of the clients do: exactly one of its fields is set. A
// kind of program is a file with its settings, and a line here and in each.
type Program struct {
	Producers      *Producers      `yaml:"producers,omitempty"`
	Consumers      *Consumers      `yaml:"consumers,omitempty"`
	Committers     *Committers     `yaml:"committers,omitempty"`
	Members        *Members        `yaml:"members,omitempty"`
	Administrators *Administrators `yaml:"administrators,omitempty"`
	Balancers      *Balancers      `yaml:"balancers,omitempty"`
	Seekers        *Seekers        `yaml:"seekers,omitempty"`
	Transfers      *Transfers      `yaml:"transfers,omitempty"`
	Pipelines      *Pipelines      `yaml:"pipelines,omitempty"`
	Sharers        *Sharers        `yaml:"sharers,omitempty"`
}

// Clients is a kind of program: settings of clients that do the same.
type Clients interface {
	// Clients is how many there are, if that is drawn at most, and On the topic that they work on: the
	// only one if it is "".
	Clients() int
	On() string
	// least is how many there are at least, if that is drawn.
	least() int64
	// check finds the first setting that cannot work, and where it is.
	check() (path string, err error)
	// draw has the seed choose where something is left to it.
	draw(seed uint64, path string) Program
}

// grouped are programs whose clients may be members of a consumer group.
type grouped interface{ group() string }

// writer are programs that write to another topic than the one that they work on.
type writer interface{ writes() string }

// each lists what is set.
func (p Program) each() (kinds []string, all []Clients) {
	add := func(kind string, set bool, c Clients) {
		if set {
			kinds, all = append(kinds, kind), append(all, c)
		}
	}
	add("producers", p.Producers != nil, p.Producers)
	add("consumers", p.Consumers != nil, p.Consumers)
	add("committers", p.Committers != nil, p.Committers)
	add("members", p.Members != nil, p.Members)
	add("administrators", p.Administrators != nil, p.Administrators)
	add("balancers", p.Balancers != nil, p.Balancers)
	add("seekers", p.Seekers != nil, p.Seekers)
	add("transfers", p.Transfers != nil, p.Transfers)
	add("pipelines", p.Pipelines != nil, p.Pipelines)
	add("sharers", p.Sharers != nil, p.Sharers)
	return kinds, all
}

// short is the short form as a program of each kind.
func (l *Load) short() Program {
	return Program{Producers: &l.Producers, Consumers: &l.Consumers, Committers: &l.Committers}
}

// Clients lists the programs that have clients, in the order of the file; in
// the short form that is producers, consumers, committers.
func (l *Load) Clients() []Clients {
	var all []Clients
	for _, p := range append([]Program{l.short()}, l.Programs...) {
		_, some := p.each()
		for _, c := range some {
			if c.Clients() > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// Of lists the programs of a kind that have clients.
func Of[Kind Clients](l Load) []Kind {
	var all []Kind
	for _, c := range l.Clients() {
		if k, ok := c.(Kind); ok {
			all = append(all, k)
		}
	}
	return all
}

// Count is how many clients the programs of a kind have together.
func Count[Kind Clients](l Load) int {
	n := 0
	for _, k := range Of[Kind](l) {
		n += k.Clients()
	}
	return n
}

// draw has the seed choose. Programs of the list are known by their kind and
// topic, so that one more of another kind leaves their draws as they were. Those
// that are drawn without clients, or whose topic there is not, are left out.
func (l Load) draw(seed uint64, topics []Topic) Load {
	was := l
	l.Properties = was.Properties.draw(seed, "load.properties")
	l.settle(&was)
	l.Duration = was.Duration.Draw(stream(seed, "load.duration"))
	one := func(c Clients, path string) Program {
		p := c.draw(seed, path)
		if p.Producers != nil {
			p.Producers.lengthen(c.(*Producers), l.Properties, was.Properties)
		}
		if t := p.Transfers; t != nil {
			t.Properties = lengthenDelivery(t.Properties, c.(*Transfers).Properties, l.Properties, was.Properties)
		}
		if t := p.Pipelines; t != nil {
			t.Properties = lengthenDelivery(t.Properties, c.(*Pipelines).Properties, l.Properties, was.Properties)
		}
		return p
	}
	l.Producers = *one(&was.Producers, "load.producers").Producers
	l.Consumers = *one(&was.Consumers, "load.consumers").Consumers
	l.Committers = *one(&was.Committers, "load.committers").Committers
	l.Programs = nil
	seen := map[string]int{}
	for _, p := range was.Programs {
		kinds, some := p.each()
		path := fmt.Sprintf("load.programs.%s.%s", kinds[0], some[0].On())
		seen[path]++
		drawn := one(some[0], fmt.Sprintf("%s.%d", path, seen[path]))
		there := func(name string) bool {
			return slices.ContainsFunc(topics, func(t Topic) bool { return t.Name == name })
		}
		gone := some[0].On() != "" && !there(some[0].On())
		if w, ok := some[0].(writer); ok {
			gone = gone || !there(w.writes())
		}
		if _, some := drawn.each(); some[0].Clients() > 0 && !gone {
			l.Programs = append(l.Programs, drawn)
		}
	}
	return l
}

func (s *Scenario) checkLoad() (string, error) {
	l := &s.Load
	if l.Duration.Min <= 0 {
		return "load.duration", fmt.Errorf("the load needs a duration above zero, such as 40s")
	}
	if err := checkWord(l.History, Histories()); err != nil {
		return "load.history", err
	}
	switch {
	case l.WarmUp < 0 || l.WarmUp >= l.Duration.Min:
		return "load.warm-up", fmt.Errorf("%v is not within the load of %v; shorten it", l.WarmUp, l.Duration.Min)
	case l.History == HistorySampled && l.SampleEvery < 1:
		return "load.sample-every", fmt.Errorf("a sampled history needs to know which share of the records to keep; give 100 to keep one in a hundred")
	case l.History != HistorySampled && l.SampleEvery != 0:
		return "load.sample-every", fmt.Errorf("only a sampled history leaves records out; set load.history: sampled or remove it")
	}
	if path, err := s.checkPrograms(); err != nil {
		return path, err
	}
	if name, err := l.Properties.check(clientProperties); err != nil {
		return "load.properties." + name, err
	}
	return "", nil
}

func (s *Scenario) checkPrograms() (string, error) {
	l := &s.Load
	groups := map[string]string{} // who uses each
	for i := range Of[*Committers](*l) {
		groups[CommittersGroup(i)] = "committers"
	}
	check := func(path string, c Clients) (string, error) {
		if within, err := c.check(); err != nil {
			return join(path, within), err
		}
		if _, ok := s.TopicOf(c.On()); !ok && (c.On() != "" || c.Clients() > 0) {
			return join(path, "topic"), s.noTopic(c.On())
		}
		if w, ok := c.(writer); ok {
			if _, there := s.TopicOf(w.writes()); !there {
				return join(path, "to"), s.noTopic(w.writes())
			}
		}
		if k, ok := c.(grouped); ok && k.group() != "" {
			if before, taken := groups[k.group()]; taken {
				return join(path, "group"), fmt.Errorf("%s use the group %q already; name another", before, k.group())
			}
			groups[k.group()] = path
		}
		return "", nil
	}
	kinds, all := l.short().each()
	for i, c := range all {
		if path, err := check("load."+kinds[i], c); err != nil {
			return path, err
		}
		if len(l.Programs) > 0 && c.Clients() > 0 {
			return "load.programs", fmt.Errorf("load.%s has clients too; put them into the list, as an entry of their own", kinds[i])
		}
	}
	known := keysOf(reflect.TypeFor[Program]())
	for i, p := range l.Programs {
		path := fmt.Sprintf("load.programs[%d]", i)
		kinds, all := p.each()
		if len(all) != 1 {
			return path, fmt.Errorf("an entry is one program, not %d; give one of %s", len(all), strings.Join(known, ", "))
		}
		path += "." + kinds[0]
		if path, err := check(path, all[0]); err != nil {
			return path, err
		}
		if all[0].Clients() == 0 {
			return path, fmt.Errorf("the program has no clients; give it a count, or remove it")
		}
	}
	if len(l.Clients()) == 0 {
		return "load", fmt.Errorf("there are no clients; give producers, consumers or committers a count")
	}
	if !slices.ContainsFunc(l.Clients(), s.certain) {
		return "load", fmt.Errorf("all clients may be drawn away; give a program on a topic that there always is a count above zero")
	}
	return "", nil
}

// certain reports whether every seed has clients of a program.
func (s *Scenario) certain(c Clients) bool {
	t, ok := s.TopicOf(c.On())
	return ok && t.always() && c.least() > 0
}

// noTopic is the mistake of clients that work on no topic there is.
func (s *Scenario) noTopic(name string) error {
	var names []string
	for _, t := range s.TopicsUnderLoad() {
		names = append(names, t.Name)
	}
	if name == "" {
		return fmt.Errorf("there are several topics; say on which of %s these clients work", strings.Join(names, ", "))
	}
	return fmt.Errorf("there is no topic %q%s; the scenario has %s", name, hint(name, names), strings.Join(names, ", "))
}
