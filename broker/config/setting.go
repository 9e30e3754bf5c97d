package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Type is the type of a setting's value, as DescribeConfigs names it (KIP-569).
type Type = kmsg.ConfigType

// The types of settings here.
const (
	Boolean = kmsg.ConfigTypeBoolean
	String  = kmsg.ConfigTypeString
	Int     = kmsg.ConfigTypeInt   // 32 bits
	Short   = kmsg.ConfigTypeShort // 16 bits
	Long    = kmsg.ConfigTypeLong  // 64 bits
	Double  = kmsg.ConfigTypeDouble
	List    = kmsg.ConfigTypeList // separated by commas
)

// Update says whether a broker's setting may change while it runs (KIP-226).
type Update int8

const (
	// ReadOnly settings are given when the broker starts.
	ReadOnly Update = iota
	// PerBroker settings may be changed on one broker, not on all at once.
	PerBroker
	// ClusterWide settings may be changed on one broker and on all at once.
	ClusterWide
)

// String is the word of Kafka's documentation.
func (u Update) String() string {
	return [...]string{"read-only", "per-broker", "cluster-wide"}[u]
}

// Setting is one setting of topics or of brokers.
type Setting struct {
	Name    string
	Type    Type
	Default string // as Kafka writes it
	Null    bool   // there is no default: an unset value is null, not ""

	// Valid is what values are taken beyond those of the type, nil for all.
	Valid *Valid

	// Update says whether a broker setting may change at run time. Every topic
	// setting may.
	Update Update

	// AtRunTime says that a broker setting is not given at start (Kafka's
	// DynamicConfig). It is described only where it is set.
	AtRunTime bool

	// Synonyms are, for a topic setting, the broker settings that are its
	// default, the strongest first.
	Synonyms []Synonym

	// Needs is a capability that Weir does not have yet. The default is then
	// the only value that is accepted.
	Needs string

	// Hidden settings are not described, as with Kafka's internal settings.
	Hidden bool

	// AppliedBy is the package that acts on the setting.
	AppliedBy string

	// Doc says what the setting does, in a sentence.
	Doc string

	broker bool              // of brokers
	group  bool              // of groups
	field  func(*Broker) any // where the typed view has it, nil for nowhere
	base   []weaker          // the broker settings that count where it is not set, itself first if it is one
}

// weaker is a broker setting that another one falls back to, and what its
// value is multiplied by to get the other's unit.
type weaker struct {
	name   string
	factor int64
}

// Synonym is a broker setting that is the default of a topic setting.
type Synonym struct {
	Name    string
	Factor  int64  // what a value is multiplied by to get the topic setting's unit; 0 stands for 1
	Type    Type   // 0 for that of the topic setting
	Default string // "" for that of the topic setting
	Null    bool   // unset by default; the next synonym counts
	Valid   *Valid // nil for that of the topic setting
	Update  Update

	field func(*Broker) any
}

// IsList reports whether values can be appended to the setting and subtracted
// from it (KIP-339).
func (s *Setting) IsList() bool { return s.Type == List }

// Words are the entries of a list as a setting holds it.
func Words(value string) []string {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	words := strings.Split(value, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}

// Scope says where the setting may be set: in words for help texts.
func (s *Setting) Scope() string {
	switch {
	case s.group:
		return "group"
	case !s.broker:
		return "topic"
	}
	if s.AtRunTime {
		return "broker, " + s.Update.String() + ", at run time only"
	}
	return "broker, " + s.Update.String()
}

// same reports whether two values of the setting mean the same.
func (s *Setting) same(a, b string) bool {
	switch s.Type {
	case List:
		return slices.Equal(Words(a), Words(b))
	case Boolean:
		return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
	case Int, Short, Long:
		x, errX := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
		y, errY := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
		return errX == nil && errY == nil && x == y
	}
	return strings.TrimSpace(a) == strings.TrimSpace(b)
}
