package config

import (
	"cmp"
	"slices"
	"strings"
)

// Description is one setting with the value that counts, as DescribeConfigs
// and CreateTopics answer it.
type Description struct {
	*Setting
	Value    Value
	Origins  []Origin // all places that have a value, the strongest first
	ReadOnly bool
}

// DescribeTopic describes every setting of the topic in question, by name.
func (l Layers) DescribeTopic() []Description {
	var all []Description
	for _, s := range topics {
		v := l.value(s)
		if s.Hidden && v.Source == FromDefault {
			continue
		}
		v.Text = s.normal(v.Text)
		all = append(all, Description{Setting: s, Value: v, Origins: l.Origins(s)})
	}
	return all
}

// DescribeBroker describes every setting of the broker, by name. A setting that
// is unset has no value even if a weaker one, such as log.retention.hours for
// log.retention.ms, stands in for it; one of run time only is then left out.
func (l Layers) DescribeBroker() []Description {
	all := make([]Description, 0, len(brokers))
	for _, s := range brokers {
		v := Value{Text: s.Default, Null: s.Null, Source: FromDefault}
		origins := l.Origins(s)
		if i := slices.IndexFunc(origins, func(o Origin) bool { return o.Name == s.Name }); i >= 0 {
			v = Value{Text: origins[i].Value, Source: origins[i].Source}
		}
		if s.AtRunTime && v.Source == FromDefault {
			continue
		}
		v.Text = s.normal(v.Text)
		all = append(all, Description{Setting: s, Value: v, Origins: origins, ReadOnly: s.Update == ReadOnly})
	}
	return all
}

// DescribeCluster describes the settings that were made for all brokers at run
// time, by name.
func (l Layers) DescribeCluster() []Description {
	var all []Description
	for name, value := range l.OnCluster { //weir:ordered sorted below
		if s := BrokerSetting(name); s != nil {
			all = append(all, Description{Setting: s, Value: Value{Text: s.normal(value), Source: FromCluster},
				Origins: []Origin{{name, value, FromCluster}}})
		}
	}
	slices.SortFunc(all, func(a, b Description) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// normal is a value as Kafka writes what it has read.
func (s *Setting) normal(text string) string {
	switch text = strings.TrimSpace(text); s.Type {
	case Boolean:
		return strings.ToLower(text)
	case List:
		var words []string
		for _, w := range Words(text) {
			if !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
		return strings.Join(words, ",")
	}
	return text
}
