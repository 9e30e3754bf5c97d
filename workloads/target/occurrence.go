package target

import (
	"strconv"
	"strings"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
)

// Occurrence is what a fault may wait for of the events that a node tells of
// (env.Env.Event). Changes of a partition's leader and ISR are not among them:
// these are read off its committed state.
func Occurrence(node, name string, attrs []env.Attr) (o faults.Occurrence, ok bool) {
	switch name {
	case "truncate":
		o.Event, o.Of = faults.Truncation, attr(attrs, "topic")+"-"+attr(attrs, "partition")
	case "registered":
		o.Event, o.Of = faults.Registration, node
	case "quorum":
		if attr(attrs, "role") != "leader" {
			return o, false
		}
		o.Event, o.Of = faults.Election, "controller"
	default:
		return o, false
	}
	o.Broker, ok = BrokerNumber(node)
	return o, ok
}

func attr(attrs []env.Attr, key string) string {
	for _, a := range attrs {
		switch {
		case a.Key != key:
		case a.IsText:
			return a.Text
		default:
			return strconv.FormatInt(a.Int, 10)
		}
	}
	return ""
}

// BrokerNumber is the number, counted from 0, of the broker that BrokerName
// gives that name.
func BrokerNumber(name string) (int, bool) {
	digits, found := strings.CutPrefix(name, "broker-")
	number, err := strconv.Atoi(digits)
	return number - 1, found && err == nil && number > 0
}
