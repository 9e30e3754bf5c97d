package scenario

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/faults/drawn"
)

// Properties are Kafka settings by their Kafka names. A value "a | b" leaves
// it to the seed which of the two it is, and "lo..hi" which number; until then
// it reads as the first or the least.
type Properties map[string]string

// draw has the seed choose where there is a choice.
func (p Properties) draw(seed uint64, path string) Properties {
	r := maps.Clone(p)
	for _, name := range sortedKeys(p) {
		if !p.drawn(name) {
			continue
		}
		from := stream(seed, path+"."+name)
		r[name] = drawn.Word(from, p[name])
		if n, ok := numbers(r[name]); ok {
			r[name] = n.Draw(from).String()
		}
	}
	return r
}

// numbers is a value as a range of numbers, false if it is none.
func numbers(value string) (n Number, ok bool) {
	return n, strings.Contains(value, "..") && n.UnmarshalText([]byte(value)) == nil
}

// drawn reports whether the value of a property is left to the seed.
func (p Properties) drawn(name string) bool {
	_, isRange := numbers(p[name])
	return isRange || len(drawn.Alternatives(p[name])) > 1
}

// values are those that a property may have, of ranges the ends; def if it is
// not given.
func (p Properties) values(name, def string) []string {
	text, ok := p[name]
	if !ok {
		return []string{def}
	}
	var all []string
	for _, value := range drawn.Alternatives(text) {
		if n, ok := numbers(value); ok {
			all = append(all, strconv.FormatInt(n.Min, 10), strconv.FormatInt(n.Max, 10))
		} else {
			all = append(all, value)
		}
	}
	return all
}

// most is the largest number that a property may be, or def if it is not
// given.
func (p Properties) most(name string, def int64) int64 {
	most := int64(math.MinInt64)
	for _, value := range p.values(name, strconv.FormatInt(def, 10)) {
		if v, err := strconv.ParseInt(value, 10, 64); err == nil {
			most = max(most, v)
		}
	}
	return most
}

// kind says what a property's value looks like.
type kind struct {
	what  string
	check func(string) error
}

var boolean = kind{"true or false", func(s string) error { _, err := strconv.ParseBool(s); return err }}

// number is a whole number within bounds.
func number(least, most int64) kind {
	return kind{fmt.Sprintf("a whole number from %d to %d", least, most), func(s string) error {
		v, err := strconv.ParseInt(s, 10, 64)
		if err == nil && (v < least || v > most) {
			err = fmt.Errorf("out of bounds")
		}
		return err
	}}
}

// mostMillis is the longest time that a clock can count.
const mostMillis = math.MaxInt64 / int64(time.Millisecond)

func oneOf(words ...string) kind {
	return kind{"one of " + strings.Join(words, ", "), func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("not one of them")
		}
		return nil
	}}
}

// clientProperties are the settings that every client has. Bounds are those of
// Kafka's CommonClientConfigs, ProducerConfig and ConsumerConfig, but that 0 is
// refused where Weir's clients would take it for the default.
var clientProperties = map[string]kind{
	"request.timeout.ms":                 number(1, math.MaxInt32),
	"socket.connection.setup.timeout.ms": number(1, mostMillis),
	"retry.backoff.ms":                   number(1, mostMillis),
	"retry.backoff.max.ms":               number(1, mostMillis),
	"metadata.max.age.ms":                number(1, mostMillis),
}

// producerProperties are the settings of a producer.
var producerProperties = map[string]kind{
	"acks":                                  oneOf("all", "-1", "0", "1"),
	"enable.idempotence":                    boolean,
	"linger.ms":                             number(0, mostMillis),
	"compression.type":                      oneOf(compression.Names()...),
	"batch.size":                            number(1, math.MaxInt32),
	"buffer.memory":                         number(1, math.MaxInt64),
	"max.block.ms":                          number(0, mostMillis),
	"max.request.size":                      number(1, math.MaxInt32),
	"max.in.flight.requests.per.connection": number(1, math.MaxInt32),
	"retries":                               number(0, math.MaxInt32),
	"delivery.timeout.ms":                   number(1, math.MaxInt32),
	"weir.resend.under.new.epoch":           boolean, // as Kafka's Java client; no setting of Kafka's
}

// rack is one of cluster.racks; in any other one there is no broker.
var rack = kind{"the name of a rack, as rack-1", func(s string) error {
	if s == "" || strings.TrimSpace(s) != s {
		return fmt.Errorf("no name")
	}
	return nil
}}

// consumerProperties are the settings of a consumer.
var consumerProperties = map[string]kind{
	"fetch.min.bytes":           number(1, math.MaxInt32),
	"fetch.max.wait.ms":         number(0, math.MaxInt32),
	"fetch.max.bytes":           number(1, math.MaxInt32),
	"max.partition.fetch.bytes": number(1, math.MaxInt32),
	"max.poll.records":          number(1, math.MaxInt32),
	"session.timeout.ms":        number(1, math.MaxInt32),
	"heartbeat.interval.ms":     number(1, math.MaxInt32),
	"max.poll.interval.ms":      number(1, math.MaxInt32),
	"group.protocol":            oneOf("classic", "consumer"),
	"client.rack":               rack,
	"isolation.level":           oneOf("read_uncommitted", "read_committed"),
	"weir.fetch.sessions":       boolean, // as Kafka's Java client; no setting of Kafka's
}

// KnownProperties are the names of the settings of all clients, of producers
// and of consumers, in order.
func KnownProperties() (clients, producers, consumers []string) {
	names := func(of map[string]kind) []string { return slices.Sorted(maps.Keys(of)) }
	return names(clientProperties), names(producerProperties), names(consumerProperties)
}

// check finds the first property that is unknown or has a value of the wrong
// kind.
func (p Properties) check(known map[string]kind) (name string, err error) {
	for _, name := range sortedKeys(p) {
		k, ok := known[name]
		if !ok {
			names := make([]string, 0, len(known))
			for n := range known {
				names = append(names, n)
			}
			slices.Sort(names)
			return name, fmt.Errorf("unknown property%s; known properties: %s", hint(name, names), strings.Join(names, ", "))
		}
		for _, value := range p.values(name, "") {
			if k.check(value) != nil {
				return name, fmt.Errorf("%q is not %s", value, k.what)
			}
		}
	}
	return "", nil
}

// Names are the properties given, in order.
func (p Properties) Names() []string { return sortedKeys(p) }

// value is what is given for a property, of several values the first.
func (p Properties) value(name string) (string, bool) {
	if _, ok := p[name]; !ok {
		return "", false
	}
	return p.values(name, "")[0], true
}

// Int is the value of a whole-number property, or def if it is not set.
func (p Properties) Int(name string, def int64) int64 {
	if s, ok := p.value(name); ok {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v
		}
	}
	return def
}

// Millis is the value of a property in milliseconds, or def if it is not set.
func (p Properties) Millis(name string, def time.Duration) time.Duration {
	if _, ok := p[name]; !ok {
		return def
	}
	return time.Duration(p.Int(name, 0)) * time.Millisecond
}

// Bool is the value of a true-or-false property, or def if it is not set.
func (p Properties) Bool(name string, def bool) bool {
	if s, ok := p.value(name); ok {
		if v, err := strconv.ParseBool(s); err == nil {
			return v
		}
	}
	return def
}

// Text is the value of a property, or def if it is not set.
func (p Properties) Text(name, def string) string {
	if s, ok := p.value(name); ok {
		return s
	}
	return def
}

// ownProperties are the settings that a scenario gives each broker itself.
var ownProperties = []string{"advertised.listeners", "broker.rack", "controller.quorum.voters", "listeners", "log.dirs", "metadata.log.dir", "node.id"}

// checkBroker finds the first property that no broker has, or that it could
// not have.
func (p Properties) checkBroker() (name string, err error) {
	for _, name := range sortedKeys(p) {
		if slices.Contains(ownProperties, name) {
			return name, fmt.Errorf("the scenario gives each broker its own; remove it")
		}
		for _, value := range p.values(name, "") {
			if err := config.CheckStatic(name, value); err != nil {
				return name, err
			}
		}
	}
	return "", nil
}

// checkTopic finds the first property that no topic has, or that it could not
// have.
func (p Properties) checkTopic() (name string, err error) {
	for _, name := range sortedKeys(p) {
		for _, value := range p.values(name, "") {
			if err := config.CheckTopic(name, value); err != nil {
				return name, err
			}
		}
	}
	return "", nil
}
