package config

import (
	"fmt"
	"time"
)

// groups are the settings that groups may have of their own (Kafka's GroupConfig), by
// name. What a group does not set is as its broker has it.
var groups = withDefaults(pointers(groupSettings()))

func groupSettings() []Setting {
	own := func(name string, base string, valid *Valid, doc string) Setting {
		return Setting{Name: name, Type: Int, Valid: valid, AppliedBy: inGroups, Doc: doc, Synonyms: []Synonym{{Name: base}}}
	}
	return []Setting{
		own("consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms", between(0, 15000),
			"How often at most the target assignment of the group is computed, in milliseconds."),
		own("consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms", between(5000, 15000),
			"How often members of the group are to send heartbeats, in milliseconds."),
		own("consumer.session.timeout.ms", "group.consumer.session.timeout.ms", between(45000, 60000),
			"After how long without a heartbeat a member of the group is taken out, in milliseconds."),
	}
}

// withDefaults takes the defaults of settings from the broker settings behind them.
func withDefaults(list []*Setting) []*Setting {
	for _, s := range list {
		s.group = true
		for _, syn := range s.Synonyms {
			s.Default = BrokerSetting(syn.Name).Default
			s.base = append(s.base, weaker{syn.Name, 1})
		}
	}
	return list
}

// GroupSettings are all settings of groups, by name. They are shared: do not change
// them.
func GroupSettings() []*Setting { return groups }

// GroupSetting is the group setting of that name, nil if there is none.
func GroupSetting(name string) *Setting { return find(groups, name) }

// CheckGroup reports, in one sentence, why a group cannot have the setting, nil if it
// can.
func CheckGroup(name, value string) error {
	s := GroupSetting(name)
	if s == nil {
		return fmt.Errorf("Unknown group config name: %s%s", name, unknown(name, names(groups))) //nolint:staticcheck // as of topics
	}
	return s.check(value)
}

// Group is the value of a group setting for the group in question. A name that is not
// in the registry is a mistake of the caller and panics.
func (l Layers) Group(name string) Value {
	s := GroupSetting(name)
	if s == nil {
		panic("config: no group setting " + name)
	}
	return l.value(s)
}

// GroupMillis is the value of a group setting that is a time.
func (l Layers) GroupMillis(name string) time.Duration {
	return time.Duration(l.Group(name).Int()) * time.Millisecond
}

// DescribeGroup describes every setting of the group in question, by name.
func (l Layers) DescribeGroup() []Description {
	var all []Description
	for _, s := range groups {
		v := l.value(s)
		v.Text = s.normal(v.Text)
		all = append(all, Description{Setting: s, Value: v, Origins: l.Origins(s)})
	}
	return all
}
