package faults

import (
	"fmt"
	"strings"
)

// parameters is a set of keys of a Fault, beside kind, at, for and after.
type parameters uint16

const (
	takesNode  parameters = 1 << iota // node
	takesSides                        // between, and, one-way
	takesFactor
	takesJump
	takesMessage
	takesBy
	takesCount
	takesFiles
	takesCalls
	takesLogDir
)

// parameter is one of them.
type parameter struct {
	in    parameters
	key   string
	given func(Fault) bool
	help  string // for who gives it to a kind that does not take it
}

// allParameters lists them in the order of the documentation.
func allParameters() []parameter {
	return []parameter{
		{takesNode, "node", func(f Fault) bool { return f.Node != "" }, "use between: and and: instead"},
		{takesSides, "between and [one-way]", func(f Fault) bool { return len(f.Between) > 0 || len(f.And) > 0 || f.OneWay }, ""},
		{takesFactor, "factor", func(f Fault) bool { return f.Factor != 0 }, "remove it"},
		{takesJump, "jump", func(f Fault) bool { return f.Jump != 0 }, "remove it"},
		{takesMessage, "message", func(f Fault) bool { return f.Message != "" }, "remove it"},
		{takesBy, "by", func(f Fault) bool { return f.By != 0 }, "remove it"},
		{takesFiles, "files", func(f Fault) bool { return f.Files != "" }, "remove it"},
		{takesCalls, "calls", func(f Fault) bool { return f.Calls != "" }, "remove it"},
		{takesLogDir, "log-dir", func(f Fault) bool { return f.LogDir != 0 }, "remove it"},
		{takesCount, "count", func(f Fault) bool { return f.Count != 0 }, "remove it"},
	}
}

// keys lists the parameters of the kind as its documentation does: those that
// may be left out in brackets.
func (k *kind) keys() string {
	var b strings.Builder
	for _, p := range allParameters() {
		switch {
		case k.takes&p.in != 0:
			b.WriteString(" " + p.key)
		case k.may&p.in != 0:
			b.WriteString(" [" + p.key + "]")
		}
	}
	return b.String()
}

// checkParameters says which of the kind's parameters is missing, out of
// bounds, or not one of the kind's.
func (f Fault) checkParameters(k *kind, t Topology) error {
	for _, p := range allParameters() {
		given := p.given(f)
		switch {
		case p.in == takesSides && given && (k.takes|k.may)&takesSides == 0:
			return fmt.Errorf("between:, and: and one-way: do not apply to a %s; name its broker with node: instead", k.name)
		case p.in == takesSides && (given || k.takes&takesSides != 0) && (len(f.Between) == 0 || len(f.And) == 0):
			return fmt.Errorf("a %s needs both between: and and:, each a list of brokers", k.name)
		case given && (k.takes|k.may)&p.in == 0:
			return fmt.Errorf("%s: does not apply to a %s; %s", p.key, k.name, p.help)
		case p.in == takesLogDir && f.LogDir > int64(max(t.LogDirs, 1)):
			return fmt.Errorf("log-dir: there is no log directory %d; cluster.log-dirs is %d", f.LogDir, max(t.LogDirs, 1))
		case p.in == takesNode && !given && k.takes&takesNode != 0:
			return fmt.Errorf("a %s needs node:, such as broker-1, controller or leader of %s", k.name, t.anyPartition())
		}
	}
	if f.Count < 0 {
		return fmt.Errorf("count: %d must not be negative; leave it out for as many as there are", f.Count)
	}
	if k.check != nil {
		return k.check(f)
	}
	return nil
}
