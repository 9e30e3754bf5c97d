package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The registry, by name. It does not change after it is made.
var (
	topics  = pointers(topicSettings())
	brokers = withSynonyms(pointers(brokerSettings()), topics)
)

func pointers(list []Setting) []*Setting {
	out := make([]*Setting, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// withSynonyms adds the broker settings that are defaults of topic settings.
func withSynonyms(own, topics []*Setting) []*Setting {
	all := slices.Clone(own)
	for _, t := range topics {
		for j, syn := range t.Synonyms {
			s := &Setting{Name: syn.Name, Type: t.Type, Default: t.Default, Null: syn.Null, Valid: t.Valid, Update: syn.Update,
				Needs: t.Needs, AppliedBy: t.AppliedBy, Doc: t.Doc, field: syn.field}
			if syn.Type != 0 {
				s.Type = syn.Type
			}
			if syn.Default != "" {
				s.Default = syn.Default
			}
			if syn.Null {
				s.Default = ""
			}
			if syn.Valid != nil {
				s.Valid = syn.Valid
			}
			if syn.Factor > 1 || len(t.Synonyms) > 1 {
				s.Doc = fmt.Sprintf("The default of topics for %s.", t.Name)
			}
			for _, w := range t.Synonyms[j:] {
				s.base = append(s.base, weaker{w.Name, max(w.Factor, 1) / max(syn.Factor, 1)})
			}
			t.base = append(t.base, weaker{syn.Name, max(syn.Factor, 1)})
			all = append(all, s)
		}
	}
	for i := range all {
		all[i].broker = true
		if all[i].base == nil {
			all[i].base = []weaker{{all[i].Name, 1}}
		}
	}
	slices.SortFunc(all, byName)
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			panic("config: broker setting " + all[i].Name + " is in the registry twice")
		}
	}
	return all
}

func byName(a, b *Setting) int { return cmp.Compare(a.Name, b.Name) }

// TopicSettings are all settings of topics, by name. They are shared: do not
// change them.
func TopicSettings() []*Setting { return topics }

// BrokerSettings are all settings of brokers, by name. They are shared: do not
// change them.
func BrokerSettings() []*Setting { return brokers }

// TopicSetting is the topic setting of that name, nil if there is none.
func TopicSetting(name string) *Setting { return find(topics, name) }

// BrokerSetting is the broker setting of that name, nil if there is none.
func BrokerSetting(name string) *Setting { return find(brokers, name) }

func find(list []*Setting, name string) *Setting {
	i, ok := slices.BinarySearchFunc(list, name, func(s *Setting, name string) int { return cmp.Compare(s.Name, name) })
	if !ok {
		return nil
	}
	return list[i]
}

func names(list []*Setting) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Name
	}
	return out
}

func topicNames() []string  { return names(topics) }
func brokerNames() []string { return names(brokers) }

// gzipLevel is a level of gzip, or -1 for the codec's own.
var gzipLevel = &Valid{"1 to 9, or -1", func(value string) error {
	if v, err := strconv.Atoi(value); err != nil || v != -1 && (v < 1 || v > 9) {
		return fmt.Errorf("Value must be between 1 and 9 or equal to -1") //nolint:staticcheck // Kafka's words
	}
	return nil
}}

// ratio is a decimal fraction from 0 to 1.
var ratio = &Valid{"0 to 1", func(value string) error {
	f, err := strconv.ParseFloat(value, 64)
	switch bits := math.Float64bits(f); {
	case err != nil:
		return err
	case bits>>63 == 1:
		return fmt.Errorf("Value must be at least 0") //nolint:staticcheck // Kafka's words
	case bits > math.Float64bits(1): // bits order as their numbers do
		return fmt.Errorf("Value must be no more than 1") //nolint:staticcheck // Kafka's words
	}
	return nil
}}

// rate is a number of bytes in a second, with or without a fraction.
var rate = &Valid{"at least 1", func(value string) error {
	f, err := strconv.ParseFloat(value, 64)
	if bits := math.Float64bits(f); err != nil || bits>>63 == 1 || bits < math.Float64bits(1) {
		return fmt.Errorf("Value must be at least 1") //nolint:staticcheck // as Kafka writes
	}
	return nil
}}

// limit is a time limit: positive, or negative for none.
var limit = &Valid{"at least 1, or negative for no limit", func(value string) error {
	if v, err := strconv.ParseInt(value, 10, 64); err != nil || v == 0 {
		return fmt.Errorf("Value must be at least 1, or negative for no limit") //nolint:staticcheck // as Kafka writes
	}
	return nil
}}

// Table writes the registry as a table for people, one setting a line.
func Table(settings []*Setting) string {
	var b strings.Builder
	for _, s := range settings {
		if s.Hidden {
			continue
		}
		def := s.Default
		switch {
		case s.Null:
			def = "unset"
		case def == "":
			def = `""`
		}
		fmt.Fprintf(&b, "%s = %s\n    %s; %s", s.Name, def, typeName(s.Type), s.Scope())
		if s.Valid != nil {
			fmt.Fprintf(&b, "; %s", s.Valid.Text)
		}
		if s.Needs != "" {
			fmt.Fprintf(&b, "; takes only its default, as anything else needs %s", s.Needs)
		}
		fmt.Fprintf(&b, "\n    %s\n", s.Doc)
	}
	return b.String()
}

func typeName(t Type) string { return strings.ToLower(t.String()) }
