package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Source says where a value was set (KIP-226).
type Source = kmsg.ConfigSource

// The sources of values here, the strongest first.
const (
	FromTopic   = kmsg.ConfigSourceDynamicTopicConfig
	FromGroup   = kmsg.ConfigSourceGroupConfig
	FromBroker  = kmsg.ConfigSourceDynamicBrokerConfig
	FromCluster = kmsg.ConfigSourceDynamicDefaultBrokerConfig
	FromStart   = kmsg.ConfigSourceStaticBrokerConfig
	FromDefault = kmsg.ConfigSourceDefaultConfig
)

// Layers are the places where values are set, each by name, the strongest
// first. Any of them may be nil.
type Layers struct {
	OnTopic   map[string]string // settings of the topic in question
	OnGroup   map[string]string // settings of the group in question
	OnBroker  map[string]string // of this broker, set at run time
	OnCluster map[string]string // of all brokers, set at run time
	AtStart   map[string]string // of this broker, given when it started
}

// Value is the value of a setting that counts, and where it was set.
type Value struct {
	Text   string
	Null   bool // unset, and there is no default; Text is ""
	Source Source
}

// Origin is one place that has a value for a setting.
type Origin struct {
	Name  string // of the setting there
	Value string // in the unit of that name
	Source
}

// Topic is the value of a topic setting for the topic in question. A name that
// is not in the registry is a mistake of the caller and panics.
func (l Layers) Topic(name string) Value {
	s := TopicSetting(name)
	if s == nil {
		panic("config: no topic setting " + name)
	}
	return l.value(s)
}

// Broker is the value of a broker setting. A name that is not in the registry
// is a mistake of the caller and panics.
func (l Layers) Broker(name string) Value {
	s := BrokerSetting(name)
	if s == nil {
		panic("config: no broker setting " + name)
	}
	return l.value(s)
}

// value is the strongest value of a setting, in its own unit.
func (l Layers) value(s *Setting) Value {
	v := Value{Text: s.Default, Null: s.Null, Source: FromDefault}
	l.walk(s, func(o Origin, factor int64) (more bool) {
		v = Value{Text: scaled(o.Value, factor), Source: o.Source}
		return false
	})
	return v
}

// Origins are all places that have a value for the setting, the strongest
// first, its defaults included (KIP-226 calls them synonyms).
func (l Layers) Origins(s *Setting) []Origin {
	var all []Origin
	l.walk(s, func(o Origin, _ int64) bool {
		o.Value = s.normal(o.Value)
		all = append(all, o)
		return true
	})
	return all
}

// walk visits the places that have a value for the setting, the strongest
// first, until visit wants no more: layer by layer, and in each by the
// setting's broker synonyms (Kafka's ConfigHelper.configSynonyms).
func (l Layers) walk(s *Setting, visit func(o Origin, factor int64) (more bool)) {
	if s.group {
		if v, ok := l.OnGroup[s.Name]; ok && !visit(Origin{s.Name, v, FromGroup}, 1) {
			return
		}
	} else if !s.broker {
		if v, ok := l.OnTopic[s.Name]; ok && !visit(Origin{s.Name, v, FromTopic}, 1) {
			return
		}
	}
	for _, layer := range [...]struct {
		values map[string]string
		source Source
	}{{l.OnBroker, FromBroker}, {l.OnCluster, FromCluster}, {l.AtStart, FromStart}} {
		for _, w := range s.base {
			if v, ok := layer.values[w.name]; ok && !visit(Origin{w.name, v, layer.source}, w.factor) {
				return
			}
		}
	}
	for _, w := range s.base {
		if b := BrokerSetting(w.name); !b.Null && !visit(Origin{w.name, b.Default, FromDefault}, w.factor) {
			return
		}
	}
}

// scaled is a whole number times a factor, in text. Negative numbers, which
// stand for "no limit", and others' text stay as they are.
func scaled(text string, factor int64) string {
	if factor <= 1 {
		return text
	}
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil:
		return text
	case v < 0:
		return "-1"
	case v > math.MaxInt64/factor:
		return neverText
	}
	return strconv.FormatInt(v*factor, 10)
}

// Int is a value of type Int, Short or Long. Values in layers were checked when
// they were set; one that is no number counts as 0.
func (v Value) Int() int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(v.Text), 10, 64)
	return n
}

// Bool is a value of type Boolean.
func (v Value) Bool() bool { return strings.EqualFold(strings.TrimSpace(v.Text), "true") }

// Dynamic is where settings that were made at run time are: the cluster's
// metadata.
type Dynamic interface {
	// TopicConfigs are the settings of a topic, nil if it has none.
	TopicConfigs(topic string) map[string]string
	// BrokerConfigs are the settings of one broker by its id, or of all brokers
	// by "".
	BrokerConfigs(broker string) map[string]string
	// GroupConfigs are the settings of a group, nil if it has none.
	GroupConfigs(group string) map[string]string
}

// Static are the settings that one broker started with. The zero Static has
// every default.
type Static struct {
	id     string
	values map[string]string
}

// NewStatic are the settings of the broker with that node.id. Values are by
// name and were checked with CheckStatic.
func NewStatic(nodeID int32, values map[string]string) Static {
	return Static{strconv.Itoa(int(nodeID)), values}
}

// Layers are the places where values for a topic are set, or for the broker
// itself if topic is "".
func (s Static) Layers(d Dynamic, topic string) Layers {
	l := Layers{OnBroker: d.BrokerConfigs(s.id), OnCluster: d.BrokerConfigs(""), AtStart: s.values}
	if s.id == "" {
		l.OnBroker = nil
	}
	if topic != "" {
		l.OnTopic = d.TopicConfigs(topic)
	}
	return l
}

// GroupLayers are the places where values for a group are set.
func (s Static) GroupLayers(d Dynamic, group string) Layers {
	l := s.Layers(d, "")
	l.OnGroup = d.GroupConfigs(group)
	return l
}
