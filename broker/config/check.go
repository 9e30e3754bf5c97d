package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Valid is a set of values.
type Valid struct {
	// Text describes the values, as in "at least 1".
	Text  string
	check func(value string) error
}

func between(low, high int64) *Valid {
	text := fmt.Sprintf("%d to %d", low, high)
	if high == math.MaxInt64 || high == math.MaxInt32 {
		text = fmt.Sprintf("at least %d", low)
	}
	return &Valid{text, func(value string) error {
		v, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
			return err
		case v < low:
			return fmt.Errorf("Value must be at least %d", low) //nolint:staticcheck // Kafka's words
		case v > high:
			return fmt.Errorf("Value must be no more than %d", high) //nolint:staticcheck // Kafka's words
		}
		return nil
	}}
}

func atLeast(low int64) *Valid { return between(low, math.MaxInt64) }

func oneOf(words ...string) *Valid {
	return &Valid{"one of " + strings.Join(words, ", "), func(value string) error {
		if !slices.Contains(words, value) {
			return fmt.Errorf("String must be one of: %s", strings.Join(words, ", ")) //nolint:staticcheck // Kafka's words
		}
		return nil
	}}
}

// listOf is a list of some of words; one that repeats counts once.
func listOf(words ...string) *Valid {
	one := oneOf(words...)
	return &Valid{"a list of " + strings.Join(words, ", "), func(value string) error {
		for _, v := range Words(value) {
			if err := one.check(v); err != nil {
				return &wordError{v, err}
			}
		}
		return nil
	}}
}

// someOf is a list of at least one of words.
func someOf(words ...string) *Valid {
	list := listOf(words...)
	return &Valid{list.Text + ", at least one of them", func(value string) error {
		if len(Words(value)) == 0 {
			return errors.New("Configuration must not be empty") //nolint:staticcheck // Kafka's words
		}
		return list.check(value)
	}}
}

// wordError says what is wrong with one word of a list.
type wordError struct {
	word string
	error
}

// check says why the setting cannot have the value, nil if it can. The first
// words are Kafka's (ConfigException).
func (s *Setting) check(value string) error {
	value = strings.TrimSpace(value)
	err := s.checkType(value)
	if err == nil && s.Valid != nil {
		err = s.Valid.check(value)
	}
	if err != nil {
		if e := (*wordError)(nil); errors.As(err, &e) {
			value = e.word
		}
		return fmt.Errorf("Invalid value %s for configuration %s: %w", value, s.Name, err) //nolint:staticcheck // Kafka's words
	}
	if s.Needs != "" && !s.same(value, s.Default) {
		only := "its default, " + s.Default
		if s.Default == "" {
			only = "no value"
		}
		return fmt.Errorf("%s needs %s, which this broker does not have; it takes only %s, not %q", s.Name, s.Needs, only, value)
	}
	return nil
}

func (s *Setting) checkType(value string) error {
	number := func(bits int, name string) error {
		if _, err := strconv.ParseInt(value, 10, bits); err != nil {
			return fmt.Errorf("Not a number of type %s", name) //nolint:staticcheck // Kafka's words
		}
		return nil
	}
	switch s.Type {
	case Boolean:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return fmt.Errorf("Expected value to be either true or false") //nolint:staticcheck // Kafka's words
		}
	case Int:
		return number(32, "INT")
	case Short:
		return number(16, "SHORT")
	case Long:
		return number(64, "LONG")
	case Double:
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("Not a number of type DOUBLE") //nolint:staticcheck // Kafka's words
		}
	}
	return nil
}

// CheckTopic reports, in one sentence, why a topic cannot have the setting,
// nil if it can.
func CheckTopic(name, value string) error {
	s := TopicSetting(name)
	if s == nil {
		return fmt.Errorf("Unknown topic config name: %s%s", name, unknown(name, topicNames())) //nolint:staticcheck // Kafka's own words, which clients show
	}
	return s.check(value)
}

// CheckStatic reports why a broker cannot start with the setting, nil if it can.
func CheckStatic(name, value string) error {
	if s := BrokerSetting(name); s != nil && s.AtRunTime {
		return fmt.Errorf("%s is set at run time only, as by kafka-configs --alter: remove it", name)
	}
	return CheckBroker(name, value)
}

// CheckBroker reports why a broker setting cannot have the value, nil if it can.
func CheckBroker(name, value string) error {
	s := BrokerSetting(name)
	if s == nil {
		return fmt.Errorf("unknown broker setting %s%s", name, unknown(name, brokerNames()))
	}
	return s.check(value)
}

// CheckUpdate reports why a broker setting cannot be changed at run time, on one
// broker or, with perBroker false, on all of them; nil if it can.
func CheckUpdate(name string, perBroker bool) error {
	s := BrokerSetting(name)
	switch {
	case s == nil:
		return fmt.Errorf("unknown broker setting %s%s", name, unknown(name, brokerNames()))
	case s.Update == ReadOnly:
		return fmt.Errorf("Cannot update these configs dynamically: [%s]", name) //nolint:staticcheck // Kafka's words
	case s.Update == PerBroker && !perBroker:
		return fmt.Errorf("Cannot update these configs at default cluster level, broker configs must be specified for: [%s]", name) //nolint:staticcheck // Kafka's words
	case s.Name == MinInsyncReplicas && perBroker:
		// Brokers that judge by different values make the eligible leader
		// replicas unsound (KIP-966).
		return fmt.Errorf("Broker-level %s cannot be altered while ELR is enabled.", name) //nolint:staticcheck,revive // Kafka's words
	}
	return nil
}

// absent says what settings of Kafka need that Weir does not have, by how
// their names begin.
var absent = []struct{ prefix, needs string }{
	{"ssl.", "TLS"}, {"sasl.", "SASL"}, {"security.", "security"}, {"authorizer.", "ACLs"}, {"principal.", "security"},
	{"super.users", "ACLs"}, {"delegation.token.", "delegation tokens"},
	{"transaction.two.phase.commit.", "two-phase commit (KIP-939)"}, {"transaction", "transactions"}, {"remote.", "tiered storage"}, {"group.consumer.assignor.offload.", "assignors that run beside the coordinator"},
	{"group.consumer.regex.refresh.", "ACLs, which may change what a regular expression matches"}, {"group.consumer.migration.", "a change of protocol of groups that have members"}, {"group.consumer.min.", "bounds on the settings of single groups"}, {"group.consumer.max.", "bounds on the settings of single groups"},
	{"group.streams.", "streams groups"}, {"group.share.min.", "bounds on the settings of single groups"}, {"group.share.max.", "bounds on the settings of single groups"}, {"group.share.", "a part of share groups"}, {"share.", "a part of share groups"},
	{"quota.", "quotas"}, {"client.quota.", "quotas"}, {"controller.quota.", "quotas"},
	{"metric", "Kafka's metrics reporters"}, {"kafka.metrics.", "Kafka's metrics reporters"}, {"telemetry.", "client telemetry"},
	{"max.incremental.fetch.session.", "fetch sessions"},
}

// otherwise says how Weir is where Kafka has a setting.
var otherwise = map[string]string{
	"process.roles":                         "every node is a broker, and a controller if controller.quorum.voters names it",
	"controller.quorum.bootstrap.servers":   "the quorum is what controller.quorum.voters names",
	"controller.listener.names":             "controllers listen at their addresses in controller.quorum.voters",
	"inter.broker.listener.name":            "brokers meet at advertised.listeners",
	"listener.security.protocol.map":        "every listener is PLAINTEXT",
	"broker.id":                             "a broker's id is node.id",
	"log.dir":                               "the directory is log.dirs",
	"delete.topic.enable":                   "topics can always be deleted",
	"controlled.shutdown.enable":            "a broker that is told to stop always hands its leaderships over",
	"replication.quota.window.num":          "the rate of throttled replication is that of 11 samples",
	"replication.quota.window.size.seconds": "the rate of throttled replication is that of samples of 1 s",
	"num.replica.alter.log.dirs.threads":    "as many replicas move between log directories at a time as there are directories",
	"log.cleaner.io.buffer.size":            "a cleaner reads and writes in pieces of 256 KiB",
	"num.network.threads":                   "every connection has tasks of its own",
	"num.io.threads":                        "every connection has tasks of its own",
	"background.threads":                    "every job has a task of its own",
	"num.recovery.threads.per.data.dir":     "logs are opened side by side",
	"socket.send.buffer.bytes":              "the operating system sizes the buffers of sockets",
	"socket.receive.buffer.bytes":           "the operating system sizes the buffers of sockets",
	"replica.socket.receive.buffer.bytes":   "the operating system sizes the buffers of sockets",
}

// unknown goes on to say what is wrong with a name that is not in the registry.
func unknown(name string, known []string) string {
	if how := otherwise[name]; how != "" {
		return fmt.Sprintf("; here %s: remove it", how)
	}
	for _, a := range absent {
		if strings.HasPrefix(name, a.prefix) {
			return fmt.Sprintf("; in Kafka it needs %s, which this broker does not have: remove it", a.needs)
		}
	}
	return Hint(name, known)
}

// Hint names the known name that is most like a mistyped one, as in
// ` (did you mean "retention.ms"?)`, or nothing.
func Hint(name string, known []string) string {
	best, distance := "", len(name)/3+2
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// editDistance counts the letters to insert, remove or replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
