package config

import (
	"fmt"
	"slices"
	"time"
)

// groups are the settings that groups may have of their own (Kafka's GroupConfig), by
// name. What a group does not set is as its broker has it.
var groups = withDefaults(pointers(groupSettings()))

func groupSettings() []Setting {
	own := func(name string, base string, valid *Valid, doc string) Setting {
		return Setting{Name: name, Type: Int, Valid: valid, AppliedBy: inGroups, Doc: doc, Synonyms: []Synonym{{Name: base}}}
	}
	theirs := func(name string, base string, valid *Valid, doc string) Setting {
		s := own(name, base, valid, doc)
		s.AppliedBy = inShare
		return s
	}
	return []Setting{
		own("consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms", between(0, 15000),
			"How often at most the target assignment of the group is computed, in milliseconds."),
		own("consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms", between(5000, 15000),
			"How often members of the group are to send heartbeats, in milliseconds."),
		own("consumer.session.timeout.ms", "group.consumer.session.timeout.ms", between(45000, 60000),
			"After how long without a heartbeat a member of the group is taken out, in milliseconds."),
		own("share.assignment.interval.ms", "group.share.assignment.interval.ms", between(0, 15000),
			"How often at most the target assignment of the share group is computed, in milliseconds."),
		{Name: "share.auto.offset.reset", Type: String, Default: "latest", Valid: resets, AppliedBy: inShare,
			Doc: "Where a share group begins in a partition: latest, earliest, or by_duration:PnDTnHnMn.nS before now."},
		theirs("share.delivery.count.limit", "group.share.delivery.count.limit", between(2, 10),
			"How often a record is delivered to the share group at most."),
		own("share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms", between(5000, 15000),
			"How often members of the share group are to send heartbeats, in milliseconds."),
		{Name: "share.isolation.level", Type: String, Default: "read_uncommitted", Valid: oneOf("read_committed", "read_uncommitted"), AppliedBy: inShare,
			Doc: "Whether the share group gets records of transactions that were aborted or have not ended."},
		theirs("share.partition.max.record.locks", "group.share.partition.max.record.locks", between(100, 4000),
			"How many records of a partition the share group may have in flight."),
		theirs("share.record.lock.duration.ms", "group.share.record.lock.duration.ms", between(15000, 60000),
			"For how long a record is a member's of the share group to acknowledge, in milliseconds."),
		{Name: "share.renew.acknowledge.enable", Type: Boolean, Default: "true", AppliedBy: inShare,
			Doc: "Whether members of the share group may renew the locks of records."},
		own("share.session.timeout.ms", "group.share.session.timeout.ms", between(45000, 60000),
			"After how long without a heartbeat a member of the share group is taken out, in milliseconds."),
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

// The packages that apply settings of share groups.
const (
	inShare      = "broker/share"
	inShareState = "broker/share/state"
)

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

// resets are the ways of share.auto.offset.reset.
var resets = &Valid{"earliest, latest or by_duration:PnDTnHnMn.nS", func(value string) error {
	_, err := ParseReset(value)
	return err
}}

// Reset is where a share group begins in a partition: at the offset that a record's
// timestamp finds, if By is not negative.
type Reset struct {
	Earliest bool
	By       time.Duration // before now; -1 for none
}

// ParseReset reads a value of share.auto.offset.reset.
func ParseReset(value string) (Reset, error) {
	switch value {
	case "earliest":
		return Reset{Earliest: true, By: -1}, nil
	case "latest":
		return Reset{By: -1}, nil
	}
	const by = "by_duration:"
	if len(value) > len(by) && value[:len(by)] == by {
		if d, ok := isoDuration(value[len(by):]); ok {
			return Reset{By: d}, nil
		}
	}
	return Reset{}, fmt.Errorf("Invalid value %s for configuration share.auto.offset.reset: The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS.>'", value) //nolint:staticcheck // Kafka's words
}

// isoDuration reads a duration as Java's Duration.parse does, without signs and
// whole but for milliseconds.
func isoDuration(text string) (total time.Duration, ok bool) {
	if len(text) < 3 || text[0] != 'P' {
		return 0, false
	}
	units := []struct {
		letter byte
		time   bool
		unit   time.Duration
	}{{'D', false, 24 * time.Hour}, {'H', true, time.Hour}, {'M', true, time.Minute}, {'S', true, time.Second}}
	inTime, number, fraction, digits := false, int64(0), int64(-1), 0
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == 'T' && !inTime && digits == 0:
			inTime = true
		case c >= '0' && c <= '9' && fraction < 0 && digits < 9:
			number, digits = number*10+int64(c-'0'), digits+1
		case c >= '0' && c <= '9' && fraction >= 0 && fraction < 3:
			number, fraction, digits = number*10+int64(c-'0'), fraction+1, digits+1
		case c == '.' && fraction < 0 && digits > 0 && inTime:
			fraction = 0
		default:
			k := slices.IndexFunc(units, func(u struct {
				letter byte
				time   bool
				unit   time.Duration
			}) bool {
				return u.letter == c && u.time == inTime
			})
			if k < 0 || digits == 0 || fraction >= 0 && c != 'S' || number > 1e9 {
				return 0, false
			}
			unit := units[k].unit
			for range max(fraction, 0) {
				unit /= 10
			}
			total += time.Duration(number) * unit
			units, number, fraction, digits, ok = units[k+1:], 0, -1, 0, true
		}
	}
	return total, ok && digits == 0 && total < forever
}
